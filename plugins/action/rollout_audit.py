# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say who rolled out what, when, on whose orders, with what outcome, and whether the ledgers are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.account import audit, read_channels
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.lines import audit_lines, witnesses
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.scope import make_scope
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK, read_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import is_written, replace_file, why
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import WHICH, ledger_directory
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.audit_html import audit_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.audit_text import audit_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.chain import Head
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.examine import Examined, examine
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger, rollouts_in
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import RolloutAction

_ON_THE_TERMINAL = 200
"""Entries of the time line that are shown; the files have all."""


class ActionModule(RolloutAction):
    _supports_check_mode = True
    OPTIONS: ClassVar[dict[str, Any]] = {
        **WHICH,
        "start": {"type": "str"},
        "end": {"type": "str"},
        "devices": {"type": "list", "elements": "str", "default": []},
        "journal": {"type": "path"},
        "witness": {"type": "path"},
        "dest": {"type": "path"},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        scope = make_scope(options["start"], options["end"], options["devices"], CLOCK.now())
        journal = None if options["journal"] is None else read_channels(Path(str(options["journal"])))
        told = audit(_examined(options), journal, scope)
        changed, files = self._written(told, options["dest"])
        pages = [path for path in files if path.suffix == ".html" and not self._task.check_mode]
        where = "".join(f"\n\nReport: {plain(path)}" for path in pages)
        self._display.display(f"\n{audit_text(told, newest=_ON_THE_TERMINAL)}{where}\n")
        return {
            "changed": changed,
            "intact": told["intact"],
            "ledgers": told["ledgers"],
            "rollouts": [
                {key: rollout[key] for key in rollout if key not in ("devices", "events")}
                for rollout in told["rollouts"]
            ],
            "strangers": told["strangers"],
            "files": [str(path) for path in files],
        }

    def _written(self, told: dict[str, Any], dest: str | None) -> tuple[bool, list[Path]]:
        """Write what is not there already; whether there was any, and the files."""
        if dest is None:
            return False, []
        directory = Path(dest)
        texts = {
            directory / "audit.txt": audit_text(told) + "\n",
            directory / "audit.html": audit_html(told),
            directory / "audit.jsonl": audit_lines(told),
        }
        try:
            stale = {path: text for path, text in texts.items() if not is_written(path, text)}
            if not self._task.check_mode:
                for path, text in stale.items():
                    replace_file(path, text)
        except (OSError, ValueError) as error:
            raise RolloutError(
                f"The audit could not be written to {directory}: {why(error)}.",
                "Choose a directory in which files can be made.",
                "unwritable",
            ) from error
        return bool(stale), list(texts)


def _examined(options: dict[str, Any]) -> list[Examined]:
    """The ledger that is meant, or every one in the directory; and those that an earlier audit saw there."""
    if options["spec"] is None and options["ledger"] is None:
        raise RolloutError(
            "Which ledgers are meant is not said.",
            "Give bootc_rollout_ledger, the directory of the ledgers, or bootc_rollout_spec.",
            "not_planned",
        )
    root = ledger_directory(options)
    _insist_on_a_kept_witness(options["witness"], options["dest"])
    seen = _seen_before(options["witness"])
    name = options["id"] if options["spec"] is None else read_spec(Path(str(options["spec"]))).id
    if name is None:
        missing = set(seen) - {ledger.directory.name for ledger in rollouts_in(root)}
        ledgers = [*rollouts_in(root), *(Ledger(root, gone) for gone in sorted(missing))]
    else:
        ledger = Ledger(root, str(name))
        ledgers = [ledger] if ledger.directory.exists() or name in seen else []
    if not ledgers:
        raise RolloutError(
            f"There is no rollout {name or ''} in {root}.".replace("  ", " "),
            "Say where the ledgers are with bootc_rollout_ledger.",
            "not_planned",
        )
    return [examine(ledger, seen.get(ledger.directory.name)) for ledger in ledgers]


def _insist_on_a_kept_witness(witness: str | None, dest: str | None) -> None:
    """This audit would write over it, and with it what it proves."""
    if witness is not None and dest is not None and Path(dest).resolve() in Path(witness).resolve().parents:
        raise RolloutError(
            f"The earlier audit {witness} is in {dest}, where this audit is written.",
            "Keep it elsewhere, best where whoever writes ledgers cannot write.",
            "invalid_witness",
        )


def _seen_before(witness: str | None) -> dict[str, Head]:
    if witness is None:
        return {}
    try:
        return witnesses(Path(witness).read_text("utf-8"), witness)
    except (OSError, UnicodeDecodeError) as error:
        raise RolloutError(
            f"The earlier audit {witness} cannot be read: {error}.",
            "Name an audit.jsonl that this playbook wrote.",
            "invalid_witness",
        ) from error
