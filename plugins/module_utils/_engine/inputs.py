# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One hash over everything that decides what a build makes. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from .errors import INVALID, EngineError
from .ignore import IgnoreRules, find_ignore_file

HASH_LABEL = "org.skorionos.bootc.input-hash"
PARTS_LABEL = "org.skorionos.bootc.inputs"
_CHUNK = 1024 * 1024
_SHORT = 12


@dataclass(frozen=True)
class BuildInputs:
    """What a build depends on. Values of secrets are left out: they must not show in an image, not even as a hash."""

    containerfile: Path
    context: Path
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    platform: str | None
    timestamp: int | None
    target: str | None
    network: str | None
    parent: str | None
    """Name of the image to start from."""
    parent_identity: str | None
    """Its image id, or the digest it is pinned to."""
    secret_ids: Sequence[str]


@dataclass(frozen=True)
class InputHash:
    """The hash over all inputs, and a short one of each, to tell later which of them changed."""

    value: str
    parts: Mapping[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """Labels that an image built from these inputs carries."""
        return {
            HASH_LABEL: self.value,
            PARTS_LABEL: json.dumps(dict(self.parts), sort_keys=True, separators=(",", ":")),
        }


def hash_inputs(inputs: BuildInputs) -> InputHash:
    """Hash the inputs. Times, owners and the location of the files do not count: equal content gives an equal hash."""
    parts = {
        "containerfile": _hash_file(inputs.containerfile),
        "context": _hash_records(_context_records(inputs.context, inputs.containerfile)),
        "build_args": _hash_value(dict(inputs.build_args)),
        "labels": _hash_value(dict(inputs.labels)),
        "annotations": _hash_value(dict(inputs.annotations)),
        "platform": _hash_value(inputs.platform),
        "timestamp": _hash_value(inputs.timestamp),
        "target": _hash_value(inputs.target),
        "network": _hash_value(inputs.network),
        "parent": _hash_value([inputs.parent, inputs.parent_identity]),
        "secrets": _hash_value(sorted(inputs.secret_ids)),
    }
    return InputHash("sha256:" + _hash_value(parts), {name: value[:_SHORT] for name, value in parts.items()})


def changed_parts(before: Mapping[str, str], after: InputHash) -> list[str]:
    """Return the names of the inputs that are not what the labels of an earlier image say."""
    earlier = recorded_parts(before)
    return sorted(name for name, value in after.parts.items() if earlier.get(name) != value)


def recorded_parts(labels: Mapping[str, str]) -> dict[str, str]:
    """Read the short hashes from the labels of an image; nothing when it has none that can be read."""
    try:
        parts = json.loads(labels.get(PARTS_LABEL, "{}"))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in parts.items()} if isinstance(parts, dict) else {}


def _hash_value(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()


def _hash_records(records: Iterator[Sequence[object]]) -> str:
    total = hashlib.sha256()
    for record in records:
        total.update(json.dumps(record).encode("ascii") + b"\n")
    return total.hexdigest()


def _hash_file(path: Path) -> str:
    total = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                total.update(chunk)
    except OSError as error:
        raise EngineError(
            INVALID, f"{path} cannot be read: {error.strerror}.", "Correct the path or its permissions."
        ) from error
    return total.hexdigest()


def _context_records(context: Path, containerfile: Path) -> Iterator[Sequence[object]]:
    """Describe every file of the context that the engine would see, in a fixed order.

    Permissions count in full, because they reach the image. Those of the context itself and of ignored folders do not:
    the engine makes these folders anew.
    """
    ignore_file = find_ignore_file(containerfile, context)
    yield from _walk(context, "", IgnoreRules(_read_lines(ignore_file) if ignore_file else []))


def _read_lines(ignore_file: Path) -> list[str]:
    try:
        return ignore_file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise EngineError(
            INVALID, f"{ignore_file} cannot be read: {error.strerror}.", "Correct its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise EngineError(INVALID, f"The ignore file {ignore_file} is not UTF-8.", "Write it in UTF-8.") from error


def _walk(folder: Path, prefix: str, rules: IgnoreRules) -> Iterator[Sequence[object]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise EngineError(
            INVALID, f"{folder} cannot be listed: {error.strerror}.", "Correct the path or its permissions."
        ) from error
    for entry in entries:
        path = prefix + entry.name
        ignored = rules.ignores(path)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if not ignored:
                yield "folder", path, stat.S_IMODE(mode)
            # Below an ignored folder, an exception may bring files back.
            if not ignored or rules.has_exceptions:
                yield from _walk(Path(entry.path), path + "/", rules)
        elif ignored:
            continue
        elif stat.S_ISLNK(mode):
            yield "link", path, os.readlink(entry.path)
        elif stat.S_ISREG(mode):
            yield "file", path, stat.S_IMODE(mode), _hash_file(Path(entry.path))
        else:
            yield "special", path, stat.S_IFMT(mode)
