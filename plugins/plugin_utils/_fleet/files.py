# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a fleet file with those it includes, and say on which line of which file something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .._rollout.errors import RolloutError
from .._rollout.schema import check
from .members import InvalidFleet, Member, members
from .schema import PART, whole

Place = Sequence[str | int]


@dataclass
class FleetFiles:
    """The sections of a file and of all it includes, as one document, and where each came from."""

    document: dict[str, Any] = field(default_factory=lambda: {"devices": [], "templates": {}})
    _devices_of: list[tuple[Path, int]] = field(default_factory=list)
    _file_of: dict[Place, Path] = field(default_factory=dict)

    def add(self, path: Path, part: Mapping[str, Any]) -> None:
        """Take the sections of one file in; raises InvalidFleet for what another has said already."""
        if "defaults" in part:
            self._claim(("defaults",), path)
            self.document["defaults"] = part["defaults"]
        for name, template in part.get("templates", {}).items():
            self._claim(("templates", name), path)
            self.document["templates"][name] = template
        for index, device in enumerate(part.get("devices", [])):
            self._devices_of.append((path, index))
            self.document["devices"].append(device)

    def where(self, place: Place) -> str:
        """File and line of a place in the document."""
        if place[:1] == ("devices",) and len(place) > 1:
            path, index = self._devices_of[int(place[1])]
            return position(path, ("devices", index, *place[2:]))
        path = self._file_of[tuple(place[:2]) if place[0] == "templates" else ("defaults",)]
        return position(path, place)

    def _claim(self, place: Place, path: Path) -> None:
        other = self._file_of.setdefault(place, path)
        if other is not path:
            raise InvalidFleet(
                place,
                f"{position(path, place)}: {'.'.join(map(str, place))} is in {other} already.",
                "Keep one of them.",
            )


def read_fleet(
    path: Path, content: object, read: Callable[[Path], object], options: Mapping[str, Any] | None = None
) -> list[Member]:
    """The devices of a fleet file with this ``content``. ``read`` gives the content of an included YAML file.

    ``options`` are the schemas of keys that it may have besides. Raises RolloutError (``invalid_fleet``), with file
    and line.
    """
    files = FleetFiles()
    pending: list[tuple[Path, object, Mapping[str, Any]]] = [(path, content, whole(options or {}))]
    seen = {path.resolve()}
    while pending:
        source, part, schema = pending.pop(0)
        sections = _checked(source, part, schema)
        try:
            files.add(source, sections)
        except InvalidFleet as error:
            cause, remedy = error.said
            raise RolloutError(cause, remedy, "invalid_fleet") from error
        for index, pattern in enumerate(sections.get("include", [])):
            for found in _included(source, index, pattern):
                if found.resolve() not in seen:
                    seen.add(found.resolve())
                    pending.append((found, read(found), PART))
    try:
        return members(files.document)
    except InvalidFleet as error:
        cause, remedy = error.said
        raise RolloutError(f"{files.where(error.place)}: {cause}", remedy, "invalid_fleet") from error


def _included(source: Path, index: int, pattern: str) -> list[Path]:
    asked = Path(pattern)
    found = [asked] if asked.is_absolute() and asked.exists() else []
    if not asked.is_absolute():
        try:
            found = sorted(source.parent.glob(pattern))
        except (ValueError, NotImplementedError, IndexError):  # such as ".", which is no pattern to some Pythons
            found = []
    found = [path for path in found if not path.is_dir()]
    if not found:
        raise RolloutError(
            f"{position(source, ('include', index))}: no file is named {pattern!r} there.",
            "Paths start at the folder of the file that includes; * stands for several files.",
            "invalid_fleet",
        )
    return found


def _checked(source: Path, part: object, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a file, which fits the schema; an empty file has no sections."""

    def line_of(place: Place) -> int | None:
        return line(source, place)

    content: Any = {} if part is None else part
    check(content, schema, str(source), kind="fleet file", line_of=line_of, reason="invalid_fleet")
    return dict(content)


def position(path: Path, place: Place) -> str:
    """``fleet.yml, line 12`` of a place in a YAML file, the file alone when it cannot be told."""
    number = line(path, place)
    return str(path) if number is None else f"{path}, line {number}"


def line(path: Path, place: Place) -> int | None:
    """The line of a key or list entry in a YAML file; of the nearest one above it that is there. None if unreadable."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    found = None if node is None else int(node.start_mark.line)
    for part in place:
        node, mark = _below(node, part)
        if node is None:
            break
        found = int(mark.line)
    return None if found is None else found + 1


def _below(node: Any, part: str | int) -> tuple[Any, Any]:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        entry = node.value[part]
        return entry, entry.start_mark
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark
    return None, None
