# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON schema of a fleet file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._rollout.schema import WINDOWS

_TEXT = {"type": "string", "minLength": 1}
_LABEL = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z",
    "remedy": "Use letters (A to Z, a to z), digits, dots, dashes and underscores, at most 63, the first no sign.",
}
_HOST = {**_TEXT, "remedy": "Name the device as in `name: deck-01`, or many of them as in `name: deck-[01:40]`."}
_VARIABLES = {
    "type": "object",
    "propertyNames": {
        "type": "string",
        "pattern": r"^[A-Za-z_][A-Za-z0-9_]*\Z",
        "remedy": "Name a variable with letters (A to Z, a to z), digits and underscores, the first no digit.",
    },
}

_WAYS: dict[str, Any] = {
    "connection": _TEXT,
    "user": _TEXT,
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "jump": {
        "type": "string",
        "pattern": r"^[A-Za-z0-9][A-Za-z0-9@:._,-]*\Z",
        "remedy": "Write it as `ssh -J` takes it, such as gate.example.com or admin@gate.example.com:2222.",
    },
    "become": {"type": "boolean"},
    "python": _TEXT,
}

DESCRIBED: dict[str, Any] = {
    "variant": _LABEL,
    "site": _LABEL,
    "ring": _LABEL,
    "model": _TEXT,
    "timezone": _TEXT,
    "windows": WINDOWS,
    "reach": {"type": "object", "additionalProperties": False, "properties": _WAYS},
    "vars": _VARIABLES,
}
"""What may be said of a device, in a template and for all."""

_DEVICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {"name": _HOST, "address": _TEXT, "template": _LABEL, **DESCRIBED},
}

_TEMPLATE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"template": _LABEL, **DESCRIBED},
}

_SECTIONS: dict[str, Any] = {
    "defaults": {"type": "object", "additionalProperties": False, "properties": DESCRIBED},
    "templates": {"type": "object", "propertyNames": _LABEL, "additionalProperties": _TEMPLATE},
    "devices": {"type": "array", "items": _DEVICE},
    "include": {"type": "array", "items": _TEXT, "uniqueItems": True},
}

PART: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": _SECTIONS,
    "patternProperties": {"^x-": {}},
}
"""A file that another one includes. Keys that begin with ``x-`` are the admin's own, such as for anchors of YAML."""


def whole(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the file that names the plugin, which may have these ``options`` of the plugin as well."""
    return {**PART, "properties": {**options, **_SECTIONS}}
