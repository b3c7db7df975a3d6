# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that build images have in common. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

BUILD_ARGUMENTS: dict[str, dict[str, Any]] = {
    "platform": {"type": "str"},
    "timestamp": {"type": "int", "default": 0},
    "network": {"type": "str", "choices": ["none", "host", "private"]},
    "secrets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "no_log": False,
        "options": {
            "id": {"type": "str", "required": True},
            "path": {"type": "path"},
            "env": {"type": "str"},
        },
        "mutually_exclusive": [("path", "env")],
        "required_one_of": [("path", "env")],
    },
    "engine": {"type": "str", "choices": ["auto", "podman", "buildah"], "default": "auto"},
    "auth_file": {"type": "path"},
}
