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
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import packages as packages_module
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import stack as stack_module
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


OBJECT = "sysroot/ostree/repo/objects/ab/cd.file"


def links(**names: str) -> list[Member]:
    """Hard links: the target by path, with ``__`` for a slash."""
    return [Member(name.replace("__", "/"), "hardlink", 0, link=target) for name, target in names.items()]


def test_a_file_is_lost_with_the_last_of_its_names():
    base = [*layer(("./usr/a", 5)), *links(usr__b="usr/a")]
    assert losses(base, layer(("usr/.wh.a", 0))) == []
    assert losses(base, layer(("usr/.wh.a", 0)), layer(("usr/b", 1))) == [("usr/b", 5, 0, 2, False)]
    assert losses(base, layer((".wh.usr", 0))) == [("usr/b", 5, 0, 1, True)]


def test_an_object_of_ostree_is_lost_with_the_file_that_shows_it():
    base = [*layer((OBJECT, 100), (OBJECT + "2", 7)), *links(usr__x=OBJECT)]
    assert losses(base, layer(("usr/.wh.x", 0))) == [("usr/x", 100, 0, 1, True)]
    assert losses(base, layer((".wh.sysroot", 0))) == [(OBJECT + "2", 7, 0, 1, True)]
    alone = [*layer((OBJECT, 100)), *links(sysroot__ostree__repo__objects__y=OBJECT)]
    assert [loss[1] for loss in losses(alone, layer((".wh.sysroot", 0)))] == [100]


def test_a_link_to_what_its_layer_does_not_have_is_no_file():
    assert losses(links(a="b"), layer(("b", 5)), layer((".wh.a", 0))) == []


def test_a_layer_that_is_listed_twice_is_stored_once_and_hides_nothing_of_itself():
    twice, between = layer(("a", 100)), layer(("b", 5))
    found = stack([twice, between, twice], ["L", "M", "L"])
    assert (found.lost, found.stored) == ([], 105)
    deleted = stack([twice, between, twice, layer((".wh.a", 0))], ["L", "M", "L", "N"])
    assert [tuple(loss) for loss in deleted.lost] == [("a", 100, 2, 3, True)]


def test_files_and_directories_are_bounded_together(monkeypatch):
    monkeypatch.setattr(stack_module, "_MOST_NODES", 100)
    assert stack([layer(("d/" * 99 + "a", 5)), layer(("d/" * 99 + "a", 5))]).lost
    with pytest.raises(ValueError, match="more than 100"):
        stack([layer(("d/" * 60 + "a", 5)), layer(("e/" * 60 + "a", 5))])


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
    found = packages([*paths, "srv/copy/var/lib/pacman/local/x-1-1/desc"], {})
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
    "blob",
    [b"not an archive" * 100, gzip.compress(archive(a=b"1"))[:-20], b"\x28\xb5\x2f\xfdxx" * 99],
    ids=["text", "cut off", "no frame"],
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


def test_a_database_of_several_frames_is_read():
    blobs = Blobs()
    packed = frame(DPKG[:90]) + frame(DPKG[90:])
    status = entry("var/lib/dpkg/status", 0, len(packed), size=len(DPKG), digest=digest_of(DPKG))
    found = read_contents(blobs, REFERENCE, blobs.layer(table(status), packed), unpacker())
    assert found.databases == {"var/lib/dpkg/status": DPKG}


LINKED = ("usr/lib/sysimage/dpkg/status", "usr/share/dpkg/status")


def test_a_database_that_is_a_hard_link_is_read_from_the_table():
    blobs = Blobs()
    packed = frame(DPKG)
    kept = entry(OBJECT, 0, len(packed), size=len(DPKG), digest=digest_of(DPKG))
    named = [{"type": "hardlink", "name": name, "linkName": "./" + OBJECT} for name in LINKED]
    found = read_contents(blobs, REFERENCE, blobs.layer(table(kept, *named), packed), unframe)
    assert found.databases == dict.fromkeys(LINKED, DPKG)
    assert len(blobs.asked) == 2


def linked(content: bytes, *names: str, target: str = OBJECT) -> bytes:
    packed = io.BytesIO(archive(**{OBJECT.replace("/", "__"): content}))
    with tarfile.open(fileobj=packed, mode="a") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, target
            tar.addfile(member)
    return packed.getvalue()


def test_a_database_that_is_a_hard_link_is_read_when_the_layer_is_read_again():
    blob = gzip.compress(linked(DPKG, *LINKED))
    blobs = Blobs({digest_of(blob): blob})
    found = read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(blob)), None)
    assert found.databases == dict.fromkeys(LINKED, DPKG)
    assert [member.link for member in found.members] == ["", OBJECT, OBJECT]
    assert sum(length for _offset, length in blobs.asked) == 2 * len(blob)
    assert packages([member.path for member in found.members], found.databases).manager == "dpkg"


def test_a_database_that_is_a_link_to_no_file_is_named():
    refused(linked(DPKG, LINKED[0], target="elsewhere"), "a hard link to no file of that layer")


def refused(blob: bytes, match: str) -> None:
    blobs = Blobs({digest_of(blob): blob})
    with pytest.raises(RegistryError, match=match):
        read_contents(blobs, REFERENCE, Descriptor("any", digest_of(blob), len(blob)), None)


def special(kind: bytes, size: int = 0, content: bytes = b"") -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf() + content + bytes(-len(content) % 512)


@pytest.mark.parametrize("kind", [tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_headers_of_more_than_a_mebibyte_are_refused(kind):
    refused(special(kind, 2**20 + 1) + bytes(2000), "a header of 1048577 bytes")


def test_maps_of_sparse_files_are_refused():
    refused(special(tarfile.GNUTYPE_SPARSE) + bytes(2000), "a sparse file")
    said = b"".join(b"22 GNU.sparse.%s=%d\n" % (name, value) for name, value in ((b"major", 1), (b"minor", 0)))
    refused(special(tarfile.XHDTYPE, len(said), said) + special(tarfile.REGTYPE) + bytes(2000), "a sparse file")


def test_headers_about_headers_without_end_are_refused():
    refused(special(tarfile.GNUTYPE_LONGNAME, 2, b"a\0") * 2000 + bytes(2000), "cannot be read")


def test_what_is_said_of_all_members_is_not_gathered():
    said = b"".join(special(tarfile.XGLTYPE, 8, b"8 k%d=ab\n" % at) + special(tarfile.REGTYPE) for at in range(9))
    with tarfile.open(fileobj=io.BytesIO(said + bytes(2000)), mode="r|") as opened:
        held = [len(opened.pax_headers) for _member in contents._members(opened)]
    assert held == [1] * 9


def test_members_without_content_count_too(monkeypatch):
    monkeypatch.setattr(contents, "_MOST_UNPACKED", 1000)
    refused(archive(a=b"", b=b""), "unpacks to more than 1000 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(contents, "_MOST_MEMBERS", 2)
    refused(archive(a=b"", b=b"", c=b""), "more than 2 members")
    monkeypatch.undo()
    monkeypatch.setattr(contents, "_MOST_TEXT", 5)
    refused(archive(abc=b"", abd=b""), "paths of more than 5 characters")


@pytest.mark.parametrize("sizes", [(600, 600), (0, 0, 0, 0, 0)])
def test_the_databases_of_a_layer_have_one_bound_together(monkeypatch, sizes):
    monkeypatch.setattr(contents, "_LARGEST_DATABASE", 1000)
    monkeypatch.setattr(contents, "_SMALLEST_CHARGE", 250)
    several = {f"d{at}__dpkg__status": b"x" * size for at, size in enumerate(sizes)}
    refused(archive(**several), "at most 1000 are read")
    blobs, packed = Blobs(), frame(b"x" * 600)
    listed = [entry(f"d{at}/dpkg/status", 0, len(packed), digest=digest_of(b"x" * 600), size=600) for at in range(2)]
    with pytest.raises(RegistryError, match="at most 1000 are read"):
        read_contents(blobs, REFERENCE, blobs.layer(table(*listed), packed), unframe)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW Packages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT zeroblob(900) AS blob FROM n",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(900)))",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob)",
    ],
    ids=["view", "computed", "text"],
)
def test_a_database_of_rpm_holds_what_it_gives(tmp_path, made):
    path = tmp_path / "rpmdb.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(made)
        if "blob)" in made:
            connection.execute("INSERT INTO Packages (blob) VALUES ('text')")
    connection.close()
    with pytest.raises(ValueError, match=r"no table of packages|cannot be read$"):
        packages([], {"usr/share/rpm/rpmdb.sqlite": path.read_bytes()})


def test_of_a_header_each_thing_is_read_once():
    index = [(1000, 6, 0), (1001, 6, 0), (1002, 6, 0), *[(1000, 6, 2)] * 100, *[(7, 6, 10**6)] * 100]
    raw = struct.pack(">II", len(index), 4) + b"".join(struct.pack(">IIII", *one, 1) for one in index) + b"a\0b\0"
    assert packages_module._rpm_header(raw) == ("a", "a-a")


def test_a_status_of_dpkg_with_endless_blanks_is_read_in_one_go():
    content = b"Package: a\nStatus: install ok installed\nVersion:" + b" " * 300_000 + b"1" + b" " * 300_000 + b"x\n \n"
    ((_name, version),) = packages([], {"dpkg/status": content}).versions.items()
    assert version.startswith("1 ")
