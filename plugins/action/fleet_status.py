# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say who runs what, from the answers of bootc_status and from what was seen before."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import (
    is_written,
    refuse_standard_stream,
    replace_file,
    why,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.answers import complaint, tidy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.history import History
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.ledgers import OnRecord, read_ledgers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.listing import fleet_csv, fleet_json
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.memory import (
    Memory,
    Places,
    Seen,
    beside,
    load_memory,
    locked,
    moved_in,
    remember,
    save_memory,
    shares,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.rows import recalled
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import fleet_html, fleet_text, plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import inventory_variable


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "hosts": {"type": "list", "elements": "str", "required": True},
                "variable": {"type": "str", "required": True},
                "asleep": {"type": "dict", "default": {}},
                "memory": {"type": "path"},
                "beside_inventory": {"type": "bool", "default": False},
                "ledger": {"type": "path"},
                "format": {"type": "str", "choices": ["table", "json", "csv"], "default": "table"},
                "output": {"type": "path"},
                "page": {"type": "path"},
            }
        )
        hostvars = (task_vars or {})["hostvars"]
        asleep = options["asleep"]
        answers: list[dict[str, Any]] = []
        places: dict[str, Path | None] = {}
        try:
            for host in options["hosts"]:
                variables = hostvars[host]
                answers.append(_answer(host, variables, options["variable"], asleep.get(host)))
                places[host] = _place(host, variables, options)
            record = self._on_record(options)
            seen = self._look_back(places, answers, record.wanted, frozenset(hostvars))
            rows = recalled(answers, seen)
            changed = self._tell(options, rows)
            if options["page"] is not None:
                self._write_page(Path(options["page"]), rows, record.history, options["ledger"])
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        return {**result, "changed": changed, "fleet": rows}

    def _on_record(self, options: Mapping[str, Any]) -> OnRecord:
        if options["ledger"] is None:
            return OnRecord()
        record = read_ledgers(options["ledger"], with_history=options["page"] is not None)
        for doubt in record.doubts:
            self._display.warning(plain(doubt))
        return record

    def _look_back(
        self,
        places: Places,
        answers: list[dict[str, Any]],
        meant: Mapping[str, Collection[str]] | None,
        known: frozenset[str],
    ) -> dict[str, Seen]:
        """What is known of everybody now. It is kept for the next time, if that can be written."""
        seen: dict[str, Seen] = {}
        kept = [load_memory(path) for path, _hosts in shares(places) if path is not None]
        for path, hosts in shares(places):
            # Of those who are not asked now it is not known here who is in which inventory: they stay where they are.
            here = known.difference(places).union(hosts)
            theirs = [answer for answer in answers if answer["host"] in here]
            with contextlib.nullcontext() if path is None or self._task.check_mode else locked(path):
                before = {} if path is None else moved_in(load_memory(path), hosts, kept)
                seen.update(self._renew(path, before, theirs, meant, here))
        return seen

    def _renew(
        self,
        path: Path | None,
        before: Memory,
        answers: list[dict[str, Any]],
        meant: Mapping[str, Collection[str]] | None,
        known: Collection[str],
    ) -> dict[str, Seen]:
        now = time.time()
        after = remember(before, answers, meant, known, now)
        if path is not None and not self._task.check_mode:
            try:
                save_memory(path, after, now)
            except RolloutError as error:
                self._display.warning(str(error))
        return after

    def _tell(self, options: Mapping[str, Any], rows: list[dict[str, Any]]) -> bool:
        """Show the fleet, or write it to a file; returns whether that changed."""
        form = {"json": fleet_json, "csv": fleet_csv}.get(options["format"])
        text = fleet_text(rows) + "\n" if form is None else form(rows)
        if options["output"] is None:
            self._display.display(f"\n{text}" if form is None else text)
            return False
        path = Path(options["output"])
        try:
            if is_written(path, text):
                return False
            if not self._task.check_mode:
                replace_file(path, text)
        except (OSError, ValueError) as error:
            raise _unwritable(path, error, "bootc_status_output") from error
        return True

    def _write_page(self, path: Path, rows: list[dict[str, Any]], history: History | None, ledger: str | None) -> None:
        page = fleet_html(rows, history, time.time(), _links(path, ledger))
        try:
            refuse_standard_stream(path)
            if self._task.check_mode:
                return
            replace_file(path, page)
        except OSError as error:
            raise _unwritable(path, error, "bootc_status_page") from error
        self._display.display(f"Page: {plain(path)}\n")


def _unwritable(path: Path, error: Exception, variable: str) -> RolloutError:
    remedy = f"Name another file, or a named pipe, with -e {variable}=FILE."
    return RolloutError(f"Cannot write the status of the fleet to {path}: {why(error)}.", remedy, "unwritable")


def _links(page: Path, ledger: str | None) -> dict[str, str]:
    """Addresses of the reports of rollouts, relative to the folder of the page so that both can be moved together."""
    reports = [] if ledger is None else sorted(Path(ledger).glob("*/report.html"))
    return {report.parent.name: f"./{quote(os.path.relpath(report, page.parent))}" for report in reports}


def _variant(variables: Mapping[str, Any]) -> str | None:
    try:
        variant = variables.get("bootc_variant")
    except AnsibleError:  # one host's broken variable must not cost the table of all
        return "?"
    return None if variant is None else str(variant)


def _place(host: str, variables: Mapping[str, Any], options: Mapping[str, Any]) -> Path | None:
    """Where what was seen of a host is kept."""
    given = options["memory"]
    if options["beside_inventory"]:
        folder, source = str(variables.get("inventory_dir")), variables.get("inventory_file")
        if "bootc_status_memory" in variables:
            given = inventory_variable(variables, host, "bootc_status_memory")
        elif source and Path(folder).is_absolute():  # that of a list of hosts is "None", a text
            return beside(Path(folder) / Path(str(source)).name)
    return Path(os.path.expandvars(str(given))).expanduser() if given else None


def _answer(host: str, variables: Mapping[str, Any], variable: str, asleep: str | None) -> dict[str, Any]:
    answer = variables.get(variable) if asleep is None else None
    answer = answer if isinstance(answer, Mapping) else {"unreachable": True}
    status = answer.get("bootc")
    return {
        "host": host,
        "variant": _variant(variables),
        "reachable": not answer.get("unreachable", False),
        **tidy({**status, "space": answer.get("space")} if isinstance(status, Mapping) else None),
        "message": asleep or complaint(answer),
    }
