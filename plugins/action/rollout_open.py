# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a rollout or pick it up again, and say who is due."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.loader import lookup_loader
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import (
    CLOCK,
    Opened,
    Takeover,
    note_answers,
    open_rollout,
    read_spec,
    worth_asking,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet_reach import who_answers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import ledger_directory
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.knock import Reach
from ansible_collections.skorionos.bootc.plugins.plugin_utils._release import resolve_targets
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import rollout_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import batches
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.own_windows import (
    check_own_windows,
    heeds_windows,
    own_timing_warnings,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, is_wanted
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.quantities import parse_duration
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.timing import OWN_WINDOWS
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import Windows, need_zone
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import (
    PLANNING,
    RolloutAction,
    inventory_variable,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_reports import refresh_reports

_PATTERN_CHARACTERS = re.compile(r"[\s,*?\[\]{}!&~]")
"""In a play's `hosts`, a name with one of these would not mean the host of that name."""


class ActionModule(RolloutAction):
    _supports_check_mode = True
    OPTIONS: ClassVar[dict[str, Any]] = {
        **PLANNING,
        "patience": {"type": "str", "default": "15m"},
        "probe": {"type": "bool", "default": True},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        deadline = CLOCK.now() + parse_duration(str(options["patience"]), "patience")
        root, candidates, opened, warnings = self._opened(options, task_vars, deadline, dry_run=self._task.check_mode)
        # A play knows only hosts of the inventory, and its batches must add up.
        gone = set(opened.rollout.devices) - {candidate.host for candidate in candidates}
        due = batches(opened.rollout, skip=gone) if opened.epoch is not None else ()
        silent: set[str] = set()
        if due and options["probe"]:
            asked = worth_asking(opened.rollout, [host for batch in due for host in batch])
            answers = who_answers(task_vars["hostvars"], asked)
            silent = {host for host, answer in answers.items() if answer.reach is Reach.ASLEEP}
            opened = note_answers(root, opened, answers)
            due = batches(opened.rollout, skip=gone | silent)
        summary = summarize(opened.rollout, opened.wait, CLOCK.now())
        if self._task.check_mode:
            self._display.display(rollout_text(summary))
        return {
            "changed": bool(opened.recorded),
            "id": opened.rollout.plan.spec.id,
            "ledger": str(root),
            "epoch": opened.epoch,
            "fence": opened.fence,
            "deadline": deadline,
            "hosts": [host for batch in due for host in batch],
            "batches": [len(batch) for batch in due],
            "asleep": len(silent),
            "summary": summary,
            "warnings": warnings,
        }

    def _opened(
        self, options: dict[str, Any], task_vars: dict[str, Any], deadline: float, *, dry_run: bool
    ) -> tuple[Path, list[Candidate], Opened, list[str]]:
        """Where the ledgers are, the hosts of the inventory that take part, the rollout, and what may surprise."""
        path = Path(str(options["spec"]))
        spec = read_spec(path)
        everybody = self._members(spec, task_vars, device_windows=options["device_windows"])
        members = [each for each in everybody if is_wanted(spec, each.candidate.labels)]
        candidates = [member.candidate for member in members]
        root = ledger_directory(options)
        heeded = [member for member in members if member.windows is not None]
        own = _checked_windows({member.candidate.host: member.windows for member in heeded}, spec, root)
        zones = {member.candidate.host: member.timezone for member in members}
        opened = open_rollout(
            root,
            spec,
            candidates,
            lambda asked: resolve_targets(anchored(asked, path.parent)),
            dry_run=dry_run,
            deadline=deadline,
            accept_removed=options["accept_removed"],
            takeover=Takeover(tuple(name.strip() for name in options["supersedes"]), str(options["why"])),
        )
        for ledger in opened.took_from:
            trouble = refresh_reports(root, ledger)
            if trouble:
                self._display.warning(trouble)
        surprises = own_timing_warnings(opened.rollout, own, zones, CLOCK.now())
        return root, candidates, opened, [*opened.warnings, *surprises]

    def _members(self, spec: Spec, task_vars: dict[str, Any], *, device_windows: bool) -> list[_Member]:
        lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        try:
            names = [str(name) for name in lookup.run([spec.hosts], variables=task_vars)]
        except (IndexError, re.error) as error:  # what ansible-core makes of a pattern that ends too early
            raise RolloutError(
                f"selection.hosts {spec.hosts!r} is not a host pattern.",
                "Mend it; `all` means everybody.",
                "invalid_spec",
            ) from error
        odd = [name for name in names if _is_unclear(name, task_vars["groups"])]
        if odd:
            raise RolloutError(
                f"The host name {odd[0]!r} reads as a pattern or is the name of a group.",
                "Rename it in the inventory, without spaces, commas, colons and the characters * ? [ ] { } ! & ~. "
                "An address may stand without its interface (%eth0), which belongs into ansible_host.",
                "invalid_host",
            )
        return [_member(name, task_vars["hostvars"][name], spec, device_windows) for name in names]


@dataclass(frozen=True)
class _Member:
    """A host that may take part, windows of its own as the inventory has them if they matter, and its zone then."""

    candidate: Candidate
    windows: Any
    timezone: str | None


def _checked_windows(given: Mapping[str, Any], spec: Spec, root: Path) -> dict[str, Windows]:
    """What is wrong in the windows of a host stops a run only where it might begin something on that host."""
    try:
        return check_own_windows(given, spec)
    except RolloutError:
        known = derive(open_stores(root).rollout(spec.id).read())
        return check_own_windows({host: each for host, each in given.items() if heeds_windows(known, host)}, spec)


def _member(name: str, variables: Mapping[str, Any], spec: Spec, device_windows: bool) -> _Member:
    windows = inventory_variable(variables, name, OWN_WINDOWS) if device_windows else None
    zone = None
    if windows or need_zone((*spec.windows.download, *spec.windows.apply)):
        try:
            zone = inventory_variable(variables, name, "bootc_timezone")
        except RolloutError:
            if windows:
                raise  # else it is only for a warning, which is no reason to leave devices in the middle of an update
    return _Member(_candidate(name, variables, spec.labels), windows, str(zone) if zone else None)


def _candidate(name: str, variables: Mapping[str, Any], labels: Sequence[str]) -> Candidate:
    try:
        variant = variables.get("bootc_variant")
        values = {label: variables.get(label) for label in labels}
    except AnsibleError as error:
        raise RolloutError(
            f"A variable of the host {name} cannot be read: {error}.",
            "Mend bootc_variant, and what selection and waves of the spec name, in the inventory.",
            "invalid_host",
        ) from error
    return Candidate(name, None if variant is None else str(variant), values)


def _is_unclear(name: str, groups: Collection[str]) -> bool:
    """Whether a play that is told to run on this host may run on others, or on none."""
    if _PATTERN_CHARACTERS.search(name) or name in groups:
        return True
    if ":" not in name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return bool(split_host_pattern(name) != [name])  # such as of an address with its interface, fe80::1%eth0


def anchored(spec: Spec, directory: Path) -> Spec:
    """The spec with its files found from where it lies, as the release file is."""
    if spec.registry.auth_file is None:
        return spec
    auth_file = str(directory / Path(spec.registry.auth_file).expanduser())
    return replace(spec, registry=replace(spec.registry, auth_file=auth_file))
