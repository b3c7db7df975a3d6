# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of an image, from the databases that pacman, dpkg and rpm keep in it. PRIVATE to the collection."""

from __future__ import annotations

import io
import re
import sqlite3
import struct
import tempfile
from itertools import chain
from pathlib import Path
from typing import Iterable, Mapping, NamedTuple

_PACMAN = re.compile(r"((?:.*/)?pacman/local)/([^/]+)/desc")
_DPKG = re.compile(r"(?:.*/)?dpkg/status")
_RPM = re.compile(r"(?:.*/)?rpm/rpmdb\.sqlite")
_MOST_PACKAGES = 100_000
_STEPS_AT_A_TIME = 100_000
_MOST_STEPS = 1000
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_WANTED = (_NAME, _VERSION, _RELEASE)
_INT32, _STRING = 4, 6
# Rows of a view, and columns that are computed, can be as large and as many as their author likes.
_HAS_TABLE = (
    "SELECT 1 FROM sqlite_master AS made, pragma_table_xinfo('Packages') AS has "
    "WHERE made.name = 'Packages' AND made.type = 'table' AND made.rootpage > 0 AND has.name = 'blob' "
    "AND has.hidden = 0"
)


class Packages(NamedTuple):
    """Versions by name. Of a name that is installed more than once, every version is in its text."""

    manager: str
    versions: Mapping[str, str]


class Change(NamedTuple):
    """A package that came, went (one side is none) or changed its version."""

    name: str
    before: str | None
    after: str | None


def is_database(path: str) -> bool:
    """Tell whether the content of the file at ``path`` has to be known. Of pacman's, the names alone say enough."""
    return bool(_DPKG.fullmatch(path) or _RPM.fullmatch(path))


def packages(paths: Iterable[str], databases: Mapping[str, bytes]) -> Packages | None:
    """Return the packages of an image that shows ``paths``; none when it has no database that is known.

    ``databases`` are the contents of those paths that ``is_database``. Of several the one nearest to the root counts.
    Raises ``ValueError`` for a database that cannot be read.
    """
    local: dict[str, list[str]] = {}
    for path in paths:
        match = _PACMAN.fullmatch(path)
        if match:
            local.setdefault(match[1], []).append(match[2])
    if local:
        return Packages("pacman", _joined(_pacman(entry) for entry in local[_nearest(local)]))
    for manager, pattern, read in (("dpkg", _DPKG, _dpkg), ("rpm", _RPM, _rpm)):
        found = [path for path in databases if pattern.fullmatch(path)]
        if found:
            return Packages(manager, _joined(read(databases[_nearest(found)])))
    return None


def changes(before: Packages, after: Packages) -> list[Change]:
    """Return what changed from one image to the other, by name."""
    names = sorted({*before.versions, *after.versions})
    pairs = ((name, before.versions.get(name), after.versions.get(name)) for name in names)
    return [Change(name, was, is_now) for name, was, is_now in pairs if was != is_now]


def _nearest(paths: Iterable[str]) -> str:
    return min(paths, key=lambda path: (path.count("/"), path))


def _joined(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    versions: dict[str, set[str]] = {}
    for name, version in found:
        versions.setdefault(name, set()).add(version)
        if len(versions) > _MOST_PACKAGES:
            raise ValueError(f"it has more than {_MOST_PACKAGES} packages")
    return {name: ", ".join(sorted(several)) for name, several in versions.items()}


def _pacman(entry: str) -> tuple[str, str]:
    """Read ``mesa-1:25.2.1-2``: neither version nor release has a hyphen."""
    parts = entry.rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if len(parts) == 3 else (entry, "")


def _dpkg(content: bytes) -> Iterable[tuple[str, str]]:
    fields: dict[str, str] = {}
    for line in chain(io.BytesIO(content), [b""]):
        if line.strip():
            name, _colon, value = line.partition(b":")
            if name in (b"Package", b"Status", b"Version"):
                fields[name.decode()] = value.decode("utf-8", "replace").strip()
            continue
        if "Package" in fields and fields.get("Status", "").endswith(" installed"):
            yield fields["Package"], fields.get("Version", "")
        fields = {}


def _rpm(content: bytes) -> Iterable[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rpmdb.sqlite")
        path.write_bytes(content)
        try:
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                # A query that a hostile database makes endless is ended.
                budget = iter(range(_MOST_STEPS))
                connection.set_progress_handler(lambda: next(budget, None) is None, _STEPS_AT_A_TIME)
                yield from _rpm_rows(connection, len(content))
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise ValueError(f"the database of rpm cannot be read: {error}") from error


def _rpm_rows(connection: sqlite3.Connection, room: int) -> Iterable[tuple[str, str]]:
    if connection.execute(_HAS_TABLE).fetchone() is None:
        raise ValueError("the database of rpm has no table of packages")
    for (blob,) in connection.execute("SELECT blob FROM Packages LIMIT ?", (_MOST_PACKAGES + 1,)):
        if not isinstance(blob, bytes):
            raise ValueError("the database of rpm has a package that cannot be read")
        room -= len(blob)
        if room < 0:
            raise ValueError("the database of rpm has packages that are larger than itself")
        name, version = _rpm_header(blob)
        if name != "gpg-pubkey":
            yield name, version


def _rpm_header(blob: bytes) -> tuple[str, str]:
    """Read name and version of a header: two counts, an index of 16 bytes an entry, and the data."""
    try:
        count, _length = struct.unpack_from(">II", blob)
        index = [struct.unpack_from(">IIII", blob, 8 + 16 * entry) for entry in range(min(count, 65536))]
        data = blob[8 + 16 * count :]
        found: dict[int, str] = {}
        for tag, kind, offset, _count in index:
            if kind == _STRING and tag in _WANTED and tag not in found:
                found[tag] = data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
            elif kind == _INT32 and tag == _EPOCH:
                found[tag] = str(struct.unpack_from(">I", data, offset)[0])
        epoch = f"{found[_EPOCH]}:" if _EPOCH in found else ""
        return found[_NAME], f"{epoch}{found[_VERSION]}-{found[_RELEASE]}"
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise ValueError(f"the database of rpm has a package that cannot be read: {error!r}") from error
