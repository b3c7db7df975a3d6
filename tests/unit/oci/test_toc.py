# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of contents of zstd:chunked layers: read alone, checked, and counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import toc as toc_module
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import zstd
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Descriptor, digest_of
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.toc import (
    Member,
    Toc,
    file_update,
    has_toc,
    read_toc,
)
from hypothesis import given
from hypothesis import strategies as st

REFERENCE = parse_reference("registry.example.com/os/kde:v1")
PREFIX = "io.github.containers.zstd-chunked."
FILLER = b"packed files " * 10


def frame(content: bytes) -> bytes:
    """A Zstandard frame that holds its content as it is: no library is needed to write one."""
    blocks = [content[at : at + 1000] for at in range(0, len(content), 1000)] or [b""]
    packed = b"".join(
        ((len(block) << 3) | (at == len(blocks) - 1)).to_bytes(3, "little") + block for at, block in enumerate(blocks)
    )
    return b"\x28\xb5\x2f\xfd\x80\x58" + len(content).to_bytes(4, "little") + packed


def unframe(packed: bytes, limit: int) -> bytes:
    """Undo ``frame``, and nothing else."""
    if not packed.startswith(b"\x28\xb5\x2f\xfd\x80\x58"):
        raise ValueError("it is not Zstandard")
    content, at, last = b"", 10, 0
    while not last:
        header = int.from_bytes(packed[at : at + 3], "little")
        last, length = header & 1, header >> 3
        content += packed[at + 3 : at + 3 + length]
        at += 3 + length
    if len(content) > limit:
        raise ValueError("it unpacks to more")
    return content


@dataclass
class Blobs:
    """A registry that gives parts of blobs, and remembers which."""

    kept: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def get_blob_range(self, _reference: Any, digest: str, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.kept[digest][offset : offset + length]

    def layer(self, document: Any, filler: bytes = FILLER, **annotations: str) -> Descriptor:
        table = frame(json.dumps(document).encode())
        blob = filler + table
        self.kept[digest_of(blob)] = blob
        said = {
            PREFIX + "manifest-position": f"{len(filler)}:{len(table)}:{len(json.dumps(document))}:1",
            PREFIX + "manifest-checksum": digest_of(table),
            PREFIX + "tarsplit-position": "5:7:9",
        }
        said.update({PREFIX + key.replace("_", "-"): value for key, value in annotations.items()})
        return Descriptor("application/vnd.oci.image.layer.v1.tar+zstd", digest_of(blob), len(blob), said)


def entry(name: str, start: int, end: int, **also: Any) -> dict[str, Any]:
    return {"type": "reg", "name": name, "size": 10, "digest": f"of {name}", "offset": start, "endOffset": end, **also}


def table(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "entries": list(entries)}


def test_only_the_table_is_fetched():
    blobs = Blobs()
    chunk = {"type": "chunk", "name": "usr/bin/a", "offset": 30}
    layer = blobs.layer(table({"type": "dir", "name": "usr"}, entry("usr/bin/a", 0, 40), chunk, entry("b", 40, 50)))
    toc = read_toc(blobs, REFERENCE, layer, unframe)
    assert [(member.path, member.packed) for member in toc.members] == [("usr", 0), ("usr/bin/a", 40), ("b", 10)]
    ((_offset, length),) = blobs.asked
    assert toc.metadata == length + 7


def test_a_layer_without_the_annotations_has_no_table():
    assert not has_toc(Descriptor("l", "sha256:" + "0" * 64, 10))
    assert has_toc(Blobs().layer(table()))


@pytest.mark.parametrize(
    "annotations",
    [
        {"manifest_position": "1:2:3"},
        {"manifest_position": "-1:2:3:1"},
        {"manifest_position": "1:2:3:2"},
        {"manifest_position": "0:99999999:3:1"},
        {"manifest_position": "0:10:999999999999:1"},
        {"manifest_position": "0:0:0:1"},
        {"manifest_checksum": "md5:0"},
        {"manifest_checksum": "sha256:" + "0" * 64},
        {"tarsplit_position": "x"},
        {"tarsplit_position": "0:999999999999999:1"},
    ],
)
def test_annotations_that_cannot_be_are_refused(annotations: dict[str, str]):
    blobs = Blobs()
    layer = blobs.layer(table(entry("a", 0, 5)), **annotations)
    with pytest.raises(RegistryError, match="table of contents"):
        read_toc(blobs, REFERENCE, layer, unframe)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"version": 2, "entries": []},
        {"version": 1, "entries": 3},
        table(entry("a", 9, 5)),
        table(entry("a", 0, 10**9)),
        table(entry("a", 0, 5, size=-1)),
        table(entry("a", 0, 5, digest=7)),
        table(entry("d/" * 5000, 0, 5)),
        table({"type": "hardlink", "name": "a", "linkName": "d/" * 5000}),
        table({"type": "hardlink", "name": "a", "linkName": 7}),
        table({"type": "reg"}),
    ],
)
def test_tables_that_cannot_be_are_refused(document: Any):
    blobs = Blobs()
    with pytest.raises(RegistryError, match="cannot be read"):
        read_toc(blobs, REFERENCE, blobs.layer(document), unframe)


def toc(metadata: int = 3, **files: int) -> Toc:
    return Toc(tuple(Member(f"usr/{name}", "reg", size, name, 0, size) for name, size in files.items()), metadata)


def test_two_changed_files_of_forty_are_a_twentieth():
    files = {f"file{at}": 500_000 for at in range(40)}
    changed = {**{f"file{at}": 500_000 for at in range(38)}, "new1": 500_000, "new2": 500_000}
    found = file_update({"a": toc(20_000, **files)}, {"b": (20_020_000, toc(20_000, **changed))})
    assert (found.files, found.metadata, found.download) == (1_000_000, 20_000, 1_020_000)


def test_a_layer_that_is_there_costs_nothing_and_one_without_a_table_everything():
    found = file_update({"a": toc(x=5), "c": None}, {"a": (9, toc(x=5)), "b": (70, None), "c": (80, None)})
    assert found == (0, 0, 70)


def test_a_new_file_without_a_digest_counts_although_directories_have_none():
    before = Toc((Member("usr", "dir", 0), Member("usr/a", "reg", 5, "a", 0, 5)), 3)
    after = Toc((Member("usr", "dir", 0), Member("usr/b", "reg", 40, "", 0, 40)), 3)
    assert file_update({"a": before}, {"b": (90, after)}) == (40, 3, 0)


TOCS = st.lists(st.sampled_from("abcdefgh"), max_size=8).map(
    lambda names: toc(1, **{name: ord(name) for name in names})
)


@given(TOCS, TOCS)
def test_file_level_is_never_more_than_the_packed_layer(before: Toc, after: Toc):
    size = sum(member.packed for member in after.members) + after.metadata
    found = file_update({"before": before}, {"after": (size, after)})
    assert found.metadata <= found.download <= size
    assert file_update({"before": after}, {"after": (size, after)}).files == 0


def test_whatever_library_there_is_unpacks_within_the_limit():
    unpack = zstd.unpacker()
    assert unpack is not None
    assert unpack(frame(b"x" * 5000), 5000) == b"x" * 5000
    with pytest.raises(ValueError, match="more than 4999"):
        unpack(frame(b"x" * 5000), 4999)
    with pytest.raises(ValueError, match="not Zstandard"):
        unpack(b"something else", 100)


def test_a_file_of_several_frames_is_unpacked_as_a_whole():
    unpack = zstd.unpacker()
    several = frame(b"x" * 3000) + frame(b"") + frame(b"y" * 2000)
    assert unpack(several, 5000) == b"x" * 3000 + b"y" * 2000
    with pytest.raises(ValueError, match="more than 4999"):
        unpack(several, 4999)


def test_a_table_with_more_entries_than_any_layer_is_refused(monkeypatch):
    monkeypatch.setattr(toc_module, "_MOST_MEMBERS", 2)
    blobs = Blobs()
    with pytest.raises(RegistryError, match="more than 2 entries"):
        read_toc(blobs, REFERENCE, blobs.layer(table(*[entry("a", 0, 5)] * 3)), unframe)


def test_a_table_that_is_nested_without_end_is_refused():
    blobs = Blobs()
    layer = blobs.layer(7, manifest_position=f"0:{len(FILLER)}:100000:1", manifest_checksum=digest_of(FILLER))
    with pytest.raises(RegistryError, match="nested deeper"):
        read_toc(blobs, REFERENCE, layer, lambda _packed, _limit: b"[" * 100_000)
