# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers hold: files stored for nothing, packages, and that layers are read in parts and checked."""

from __future__ import annotations

import gzip
import io
import sqlite3
import struct
import tarfile

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import contents
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.contents import read_contents
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Descriptor, digest_of
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.packages import Change, changes, packages
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.stack import stack
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.toc import Member
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.zstd import unpacker
from hypothesis import given
from hypothesis import strategies as st

from .test_toc import REFERENCE, Blobs, entry, frame, table, unframe

DPKG = (
    b"Package: mesa\nStatus: install ok installed\nArchitecture: amd64\nVersion: 25.2-1\nSection: x\n Package: y\n\n"
    b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    b"Package: vim\nStatus: hold ok installed\nVersion: 9\n"
)


def layer(*members: tuple[str, int]) -> list[Member]:
    """Files by path and size; a path that ends with a slash is a directory."""
    return [Member(path, "dir" if path.endswith("/") else "reg", size) for path, size in members]


def losses(*layers: list[Member]) -> list[tuple[str, int, int, int, bool]]:
    return sorted(tuple(loss) for loss in stack(layers).lost)


def test_a_file_that_is_replaced_is_stored_twice():
    found = stack([layer(("usr/", 0), ("usr/a", 5)), layer(("./usr/a", 7))])
    assert [tuple(loss) for loss in found.lost] == [("usr/a", 5, 0, 1, False)]
    assert (found.stored, found.seen["usr/a"].layer) == (12, 1)


def test_a_deleted_file_stays_below():
    assert losses(layer(("usr/a", 5)), layer(("usr/.wh.a", 0))) == [("usr/a", 5, 0, 1, True)]


def test_a_deleted_directory_takes_everything_in_it_along():
    base = layer(("usr/", 0), ("usr/d/", 0), ("usr/d/a", 5), ("usr/d/e/b", 6), ("usr/c", 7))
    assert losses(base, layer(("usr/.wh.d", 0))) == [("usr/d/a", 5, 0, 1, True), ("usr/d/e/b", 6, 0, 1, True)]


def test_an_opaque_directory_hides_what_is_below_and_not_what_comes_with_it():
    top = layer(("d/new", 3), ("d/.wh..wh..opq", 0))
    found = stack([layer(("d/old", 5)), top])
    assert [tuple(loss) for loss in found.lost] == [("d/old", 5, 0, 1, True)]
    assert sorted(found.seen) == ["d/new"]


def test_a_whiteout_is_not_about_its_own_layer():
    found = stack([layer(("a", 5)), layer(("a", 6), (".wh.a", 0))])
    assert [tuple(loss) for loss in found.lost] == [("a", 5, 0, 1, True)]
    assert found.seen["a"].member.size == 6


def test_a_file_in_the_place_of_a_directory_and_back():
    assert losses(layer(("d/a", 5)), layer(("d", 1))) == [("d/a", 5, 0, 1, False)]
    assert losses(layer(("d", 5)), layer(("d/", 0), ("d/a", 1))) == [("d", 5, 0, 1, False)]


def test_a_directory_that_comes_again_loses_nothing():
    assert losses(layer(("d/", 0), ("d/a", 5)), layer(("d/", 0), ("d/b", 1))) == []


def test_deleting_what_is_not_there_loses_nothing():
    assert losses(layer(("a", 1)), layer((".wh.b", 0), ("x/y/.wh.z", 0), ("x/.wh..wh..opq", 0))) == []


def test_a_path_of_any_depth_is_walked():
    assert len(losses(layer(("d/" * 2_000 + "a", 5)), layer((".wh.d", 0)))) == 1


PATHS = st.lists(st.sampled_from(["a", "b", "d/a", "d/e/b", ".wh.d", "d/.wh.a", "d/.wh..wh..opq", "d/"]), max_size=6)
LAYERS = st.lists(PATHS.map(lambda paths: layer(*((path, 0 if ".wh." in path else 3) for path in paths))), max_size=4)


@given(LAYERS)
def test_every_stored_byte_is_seen_or_lost(layers: list[list[Member]]):
    files = [[member._replace(size=0 if member.kind == "dir" else member.size) for member in one] for one in layers]
    found = stack(files)
    seen = sum(one.member.size for one in found.seen.values())
    assert seen + sum(loss.size for loss in found.lost) == found.stored


def test_pacman_packages_are_read_from_the_names():
    paths = ["var/lib/pacman/local/mesa-1:25.2.1-2/desc", "var/lib/pacman/local/lib32-mesa-25.2-1/desc", "other"]
    found = packages([*paths, "srv/root/var/lib/pacman/local/x-1-1/desc"], {})
    assert found == ("pacman", {"mesa": "1:25.2.1-2", "lib32-mesa": "25.2-1"})


def test_dpkg_packages_are_those_that_are_installed():
    assert packages([], {"var/lib/dpkg/status": DPKG}) == ("dpkg", {"mesa": "25.2-1", "vim": "9"})


def header(name: str, version: str, release: str, epoch: int | None = None) -> bytes:
    """A header as rpm keeps it."""
    data, index = b"", []
    for tag, text in ((1000, name), (1001, version), (1002, release)):
        index.append(struct.pack(">IIII", tag, 6, len(data), 1))
        data += text.encode() + b"\0"
    if epoch is not None:
        data += b"\0" * (-len(data) % 4)
        index.append(struct.pack(">IIII", 1003, 4, len(data), 1))
        data += struct.pack(">I", epoch)
    return struct.pack(">II", len(index), len(data)) + b"".join(index) + data


def rpmdb(tmp_path, *headers: bytes) -> bytes:
    path = tmp_path / "rpmdb.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(raw,) for raw in headers])
    connection.close()
    return path.read_bytes()


def test_rpm_packages_with_their_epoch_and_more_than_one_version(tmp_path):
    kernels = [header("kernel", "6.17", "1.fc43"), header("kernel", "6.18", "1.fc43")]
    raw = rpmdb(tmp_path, header("vim", "9", "2.fc43", 2), *kernels, header("gpg-pubkey", "a", "b"))
    expected = {"vim": "2:9-2.fc43", "kernel": "6.17-1.fc43, 6.18-1.fc43"}
    assert packages([], {"usr/share/rpm/rpmdb.sqlite": raw}) == ("rpm", expected)


@pytest.mark.parametrize("raw", [b"", b"SQLite format 3\0 but not really", b"x" * 5000])
def test_a_broken_rpm_database_is_named(raw):
    with pytest.raises(ValueError, match="rpm"):
        packages([], {"usr/share/rpm/rpmdb.sqlite": raw})


@pytest.mark.parametrize("raw", [b"", b"\xff" * 40, b"\0\0\0\1\0\0\0\0" + struct.pack(">IIII", 1000, 6, 99, 1)])
def test_a_broken_header_in_it_too(raw, tmp_path):
    with pytest.raises(ValueError, match="a package that cannot be read"):
        packages([], {"usr/share/rpm/rpmdb.sqlite": rpmdb(tmp_path, raw)})


def test_an_image_without_a_database_has_no_known_packages():
    assert packages(["usr/bin/x"], {}) is None


def test_changes_of_packages():
    before = packages(["var/lib/pacman/local/a-1-1/desc", "var/lib/pacman/local/b-1-1/desc"], {})
    after = packages(["var/lib/pacman/local/a-2-1/desc", "var/lib/pacman/local/c-1-1/desc"], {})
    expected = [Change("a", "1-1", "2-1"), Change("b", "1-1", None), Change("c", None, "1-1")]
    assert changes(before, after) == expected


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo("./" + name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


FILES = {"usr__bin__vim": b"v" * 3000, "var__lib__dpkg__status": DPKG, "empty": b""}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, frame], ids=["plain", "gzip", "zstd"])
def test_a_layer_is_read_in_parts_whatever_its_compression(pack, monkeypatch):
    monkeypatch.setattr(contents, "_PART", 1000)
    blob = pack(archive(**FILES))
    blobs = Blobs({digest_of(blob): blob})
    found = read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(blob)), unpacker())
    assert [(member.path, member.kind, member.size) for member in found.members] == [
        ("usr/bin/vim", "reg", 3000),
        ("var/lib/dpkg/status", "reg", len(DPKG)),
        ("empty", "reg", 0),
    ]
    assert found.databases == {"var/lib/dpkg/status": DPKG}
    assert max(length for _offset, length in blobs.asked) <= 1000
    assert sum(length for _offset, length in blobs.asked) == len(blob)


def test_a_layer_that_is_not_what_its_digest_names_is_refused():
    blob, other = gzip.compress(archive(a=b"1")), gzip.compress(archive(a=b"2"))
    blobs = Blobs({digest_of(blob): other})
    with pytest.raises(RegistryError, match="arrived as"):
        read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(other)), None)


@pytest.mark.parametrize(
    "blob", [b"not an archive" * 100, gzip.compress(archive(a=b"1"))[:-20], b"\x28\xb5\x2f\xfdxx" * 99]
)
def test_a_layer_that_is_no_archive_is_refused(blob):
    blobs = Blobs({digest_of(blob): blob})
    with pytest.raises(RegistryError, match="cannot be read"):
        read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(blob)), None)


def test_an_endless_header_is_refused_before_it_is_read():
    huge = tarfile.TarInfo("././@PaxHeader")
    huge.type, huge.size = tarfile.XHDTYPE, 5 * 10**9
    blob = archive(a=b"1")[:1024] + huge.tobuf() + bytes(2000)
    blobs = Blobs({digest_of(blob): blob})
    with pytest.raises(RegistryError, match="a header of 5000000000 bytes"):
        read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(blob)), None)


def test_of_a_layer_with_a_table_only_the_database_is_fetched():
    blobs = Blobs()
    packed = frame(DPKG)
    status = entry("./var/lib/dpkg/status", 10, 10 + len(packed), size=len(DPKG), digest=digest_of(DPKG))
    made = blobs.layer(table(entry("usr/bin/vim", 0, 10), status), b"0123456789" + packed)
    found = read_contents(blobs, REFERENCE, made, unframe)
    assert found.databases == {"var/lib/dpkg/status": DPKG}
    assert len(blobs.asked) == 2


def test_a_database_that_is_not_what_the_table_says_is_refused():
    blobs = Blobs()
    packed = frame(b"0123456789")
    status = entry("var/lib/dpkg/status", 0, len(packed), digest=digest_of(b"something else"))
    made = blobs.layer(table(status), packed)
    with pytest.raises(RegistryError, match="var/lib/dpkg/status"):
        read_contents(blobs, REFERENCE, made, unframe)
