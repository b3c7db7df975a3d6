# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a Host document as ``bootc edit`` does: JSON, or YAML of the shape bootc itself prints. Pure.

Of YAML: block mappings, block sequences of mappings and of scalars, and plain or quoted scalars on one line; comments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Tuple

from simulator.reference import ImageRef

_KEY = re.compile(r"(?P<key>[A-Za-z0-9_./-]+|'[^']*'|\"[^\"]*\"):(?: +(?P<value>.*))?\Z")
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
Line = Tuple[int, str]


class BadDocument(Exception):
    """The file holds no Host document; the text says why."""


@dataclass(frozen=True)
class Spec:
    """What may be edited: the image to follow, and whether the rollback boots first."""

    image: ImageRef | None
    boot_order: str


def read(text: str) -> Spec:
    """The spec of a Host document; raises BadDocument."""
    host = _load(text)
    if not isinstance(host, dict):
        raise BadDocument("invalid type: expected struct Host")
    for name in ("apiVersion", "kind"):
        if name not in host:
            raise BadDocument(f"missing field `{name}`")
    spec = host.get("spec", {})
    if not isinstance(spec, dict):
        raise BadDocument("spec: invalid type: expected struct HostSpec")
    order = spec.get("bootOrder", "default")
    if order not in ("default", "rollback"):
        raise BadDocument(f"spec.bootOrder: unknown variant `{order}`, expected `default` or `rollback`")
    return Spec(_reference(spec.get("image")), order)


def _reference(image: Any) -> ImageRef | None:
    if image is None:
        return None
    if not isinstance(image, dict):
        raise BadDocument("spec.image: invalid type: expected struct ImageReference")
    for name in ("image", "transport"):
        if not isinstance(image.get(name), str):
            raise BadDocument(f"spec.image: missing field `{name}`")
    signature = image.get("signature")
    if signature not in (None, "containerPolicy", "insecure"):
        raise BadDocument(f"spec.image.signature: not simulated: {json.dumps(signature)}")
    return ImageRef(image["image"], image["transport"], signature if signature == "containerPolicy" else None)


def _load(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as wrong:
            raise BadDocument(f"{wrong}") from wrong
    lines = [
        (len(line) - len(line.lstrip(" ")), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#") and line.strip() != "---"
    ]
    if not lines:
        raise BadDocument("EOF while parsing a value")
    value, rest = _block(lines, lines[0][0])
    if rest:
        raise BadDocument(f"did not find expected key: {rest[0][1]!r}")
    return value


def _block(lines: list[Line], indent: int) -> tuple[Any, list[Line]]:
    """The mapping or sequence that starts with the first line, and the lines after it."""
    return _sequence(lines, indent) if lines[0][1].startswith("- ") else _mapping(lines, indent)


def _mapping(lines: list[Line], indent: int) -> tuple[dict[str, Any], list[Line]]:
    found: dict[str, Any] = {}
    while lines and lines[0][0] == indent and not lines[0][1].startswith("- "):
        matched = _KEY.match(lines[0][1])
        if matched is None:
            raise BadDocument(f"could not find expected ':' in {lines[0][1]!r}")
        key, value = str(_scalar(matched["key"])), matched["value"]
        lines = lines[1:]
        # A sequence may stand as far left as its key.
        nested = lines and (lines[0][0] > indent or (lines[0][0] == indent and lines[0][1].startswith("- ")))
        if value is None and nested:
            found[key], lines = _block(lines, lines[0][0])
        else:
            found[key] = _scalar(value or "")
    return found, lines


def _sequence(lines: list[Line], indent: int) -> tuple[list[Any], list[Line]]:
    found: list[Any] = []
    while lines and lines[0][0] == indent and lines[0][1].startswith("- "):
        inner = lines[0][1][2:].strip()
        if _KEY.match(inner):
            item, lines = _mapping([(indent + 2, inner), *lines[1:]], indent + 2)
            found.append(item)
        else:
            found.append(_scalar(inner))
            lines = lines[1:]
    return found, lines


def _scalar(text: str) -> Any:
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError as wrong:
            raise BadDocument(f"found invalid quoted scalar {text}") from wrong
    if text in ("{}", "[]"):
        return json.loads(text)
    if text.startswith(("{", "[", "&", "*", "!", "|", ">", "%", "@", "`")):
        raise BadDocument(f"not simulated: YAML such as {text!r}; write it as bootc status prints it")
    plain = text.partition(" #")[0].rstrip()
    return _WORDS.get(plain, int(plain) if plain.isdigit() else plain)
