# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator's action plugins share: which rollout is meant, who speaks, and having it on record."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._controller import CLOCK, controller_user, read_spec
from ._rollout.errors import RolloutError
from ._rollout.events import Event
from ._rollout.operate import Command, operate
from ._rollout.replay import derive
from ._rollout.states import Rollout
from ._rollout.store import Store, open_stores

WHICH: dict[str, Any] = {"spec": {"type": "path"}, "id": {"type": "str"}, "ledger": {"type": "path"}}
"""Options that say which rollout is meant."""


def find_rollout(options: Mapping[str, Any]) -> tuple[Store, Rollout]:
    """The ledger that ``spec``, or ``id`` and ``ledger``, mean, and what it says; raises RolloutError without one."""
    if options["spec"] is None and (options["id"] is None or options["ledger"] is None):
        raise RolloutError(
            "Which rollout is meant is not said.",
            "Give bootc_rollout_spec, or bootc_rollout_id together with bootc_rollout_ledger.",
            "not_planned",
        )
    name = str(options["id"]) if options["spec"] is None else read_spec(Path(str(options["spec"]))).id
    if options["id"] not in (None, name):
        raise RolloutError(
            f"Two rollouts are named: {options['id']}, and {name} by the spec {options['spec']}.",
            "Give bootc_rollout_spec, or bootc_rollout_id together with bootc_rollout_ledger.",
            "not_applicable",
        )
    ledger = open_stores(ledger_directory(options)).rollout(name)
    rollout = derive(ledger.read())
    if rollout is None:
        raise RolloutError(
            f"There is no rollout in {ledger.place}.",
            "Run the rollout playbook first, or say where its ledger is with bootc_rollout_ledger.",
            "not_planned",
        )
    return ledger, rollout


def ledger_directory(options: Mapping[str, Any]) -> Path:
    """Where the ledgers are: what ``ledger`` says, else beside the spec.

    Not in the current directory, which is another one in a timer than in a shell.
    """
    return Path(str(options["ledger"] or Path(str(options["spec"])).parent / "rollouts")).absolute()


def speaker() -> str:
    """``anna@admin-pc``: who runs this playbook, and where."""
    return f"{controller_user()}@{platform.node()}"


def command(ledger: Store, given: Command, *, dry_run: bool) -> tuple[Event, ...]:
    """Have the command carried out on the rollout as it stands when it is recorded; returns the events."""
    while True:
        position = ledger.position()
        rollout = derive(ledger.read())
        if rollout is None:
            raise RolloutError(f"{ledger.place} holds no plan.", "Run the rollout playbook first.", "not_planned")
        events = operate(rollout, given, CLOCK.now())
        # A run that is at work keeps its lease: it finds the order in the ledger, before it starts anything new.
        if dry_run or note(ledger, events, position):
            return events


def note(ledger: Store, events: Sequence[Event], expected: int | None = None) -> bool:
    """Add events in the turn of whoever has it, as ``Store.append`` does; a run may open at this very moment."""
    while True:
        epoch = ledger.last_epoch()
        try:
            return ledger.append(events, epoch, expected)
        except RolloutError as error:
            if error.reason != "superseded_controller" or ledger.last_epoch() == epoch:
                raise
