# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what images share and what their updates cost, and write it down."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.image_html import images_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.image_text import images_text

_NAME = "image-report"
_KEYS = ("images", "sharing", "storage", "updates", "absent", "contents_missing", "rate", "devices", "sites")


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "layers": {"type": "dict", "required": True},
                "dest": {"type": "path", "required": True},
            }
        )
        given = options["layers"]
        missing = [key for key in _KEYS if key not in given]
        if missing:
            cause = f"The option layers has no {', '.join(missing)}."
            return _failed(result, f"{cause} Give it what image_layers returned.", "invalid")
        report = {key: given[key] for key in _KEYS}
        text = images_text(report)
        directory = Path(str(options["dest"]))
        files = {
            directory / f"{_NAME}.json": json.dumps(report, indent=2) + "\n",
            directory / f"{_NAME}.txt": text + "\n",
            directory / f"{_NAME}.html": images_html(report),
        }
        try:
            changed = _write(files, pretend=self._task.check_mode)
        except OSError as error:
            cause = f"The report could not be written to {directory}: {error.strerror}."
            return _failed(result, f"{cause} Choose a directory in which files can be made.", "unwritable")
        written = "" if self._task.check_mode else f"\nReport: {plain(directory / f'{_NAME}.html')}\n"
        self._display.display(f"\n{text}\n{written}")
        return {**result, "changed": changed, "files": [str(path) for path in files]}


def _failed(result: dict[str, Any], msg: str, reason: str) -> dict[str, Any]:
    return {**result, "failed": True, "msg": msg, "reason": reason}


def _write(files: dict[Path, str], pretend: bool) -> bool:
    """Write what is not there already, each file whole or not at all; whether there was any."""
    stale = {path: text for path, text in files.items() if not path.is_file() or path.read_bytes() != text.encode()}
    if not pretend:
        for path, text in stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own, as another run may write the same report.
            unfinished = path.with_name(f".{path.name}.{os.getpid()}.new")
            try:
                unfinished.write_text(text, encoding="utf-8")
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    return bool(stale)
