# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried on every device that can be tried on it, and what has to come of it.

The expectations follow from what the modules document and from what bootc does with its deployments. They know nothing
of how the modules decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .model import Expected, Holding, Host, Operation, Start
from .starts import PARKING

Rule = Callable[[Host, Start, Holding], Expected]

OPERATIONS: list[tuple[Operation, Rule]] = []

# Newest content of the tracked tag, by the repository it is in.
NEWEST = {"os/moves": "N", "os/withdrawn": "B"}


def operation(name: str, module: str, **options: object) -> Callable[[Rule], Rule]:
    """Add an operation; the function below says what is to come of it on a host without trouble."""

    def add(rule: Rule) -> Rule:
        OPERATIONS.append((Operation(name, module, options), rule))
        return rule

    return add


def unchanged(holding: Holding) -> Expected:
    return Expected("ok", holding)


def becomes(holding: Holding) -> Expected:
    return Expected("ok", holding, changed=True)


def refused(reason: str, holding: Holding) -> Expected:
    return Expected(reason, holding)


def expect(host: Host, start: Start, wanted: Operation, rule: Rule) -> Expected:
    """What is to come of an operation: of the trouble the device is in, or else by its own rule."""
    holding = Holding.read(start.holding)
    expected = rule(host, start, holding)
    if wanted.module in ANSWERS_ANYWHERE:
        return expected
    if start.name in ("no bootc host", "without bootc"):
        return unchanged(holding) if wanted.module == "bootc_status" else refused("not_bootc", holding)
    if start.name == "busy":
        return refused("busy", holding)
    if start.name in REGISTRY_TROUBLE and asks_registry(wanted, expected):
        return refused(REGISTRY_TROUBLE[start.name], holding)
    if start.name == "disk full" and expected.holding.staged and expected.changed:
        return refused("no_space", holding)
    return expected


ANSWERS_ANYWHERE = ("device_facts", "device_health")
REGISTRY_TROUBLE = {"offline": "network", "unauthorized": "auth"}


def asks_registry(wanted: Operation, expected: Expected) -> bool:
    """Whether there is no way to know, or to do, what is wanted without asking."""
    return wanted.options.get("state") == "available" or (bool(expected.holding.staged) and expected.changed)


def newest(start: Start) -> str:
    return NEWEST[start.repository]


def staged_again(host: Host, holding: Holding, letter: str, *, parked: bool = False) -> Expected:
    """Content is staged that the device may have in another slot, which composefs hosts refuse."""
    if host.composefs and letter in (holding.booted, holding.rollback, *holding.others):
        return refused("already_deployed", holding)
    return becomes(holding.with_staged(letter, parked=parked))


def dropped(host: Host, holding: Holding) -> Expected:
    if host.composefs and not host.has(1, 11, 0):
        return refused("unsupported_version", holding)
    return becomes(holding.without_staged())


# -- bootc_status ------------------------------------------------------------------------------------------------------


@operation("status", "bootc_status")
def status(_host: Host, _start: Start, holding: Holding) -> Expected:
    return unchanged(holding)


# -- bootc_update ------------------------------------------------------------------------------------------------------


@operation("update available", "bootc_update", state="available")
def available(_host: Host, _start: Start, holding: Holding) -> Expected:
    return unchanged(holding)


@operation("update staged", "bootc_update", state="staged")
def update(host: Host, start: Start, holding: Holding) -> Expected:
    return _update(host, start, holding, parked=False)


@operation("update downloaded", "bootc_update", state="downloaded")
def download(host: Host, start: Start, holding: Holding) -> Expected:
    return _update(host, start, holding, parked=True)


def _update(host: Host, start: Start, holding: Holding, *, parked: bool) -> Expected:
    wanted = newest(start)
    if holding.queued and not parked:
        # Somebody, or the boot loader, decided what boots next; an update would overrule that, a download does not.
        return unchanged(holding)
    if holding.queued and holding.rollback == wanted:
        return unchanged(holding)
    if holding.staged == wanted:
        return becomes(replace(holding, parked=False)) if holding.parked and not parked else unchanged(holding)
    if holding.booted == wanted:
        return unchanged(holding) if parked or not holding.staged else dropped(host, holding)
    expected = staged_again(host, holding, wanted, parked=parked)
    if parked and expected.outcome == "ok" and not host.has(*PARKING[host.backend]):
        return refused("unsupported_version", holding)
    return expected


@operation("update from downloaded", "bootc_update", state="staged", from_downloaded=True)
def arm(_host: Host, _start: Start, holding: Holding) -> Expected:
    if not holding.staged:
        return refused("not_found", holding)
    return becomes(replace(holding, parked=False)) if holding.parked else unchanged(holding)


@operation("update to tag of N", "bootc_update", tag="n")
def follow_tag(host: Host, start: Start, holding: Holding) -> Expected:
    return unchanged(holding) if holding.queued else switch_tag(host, start, holding)


@operation("update absent", "bootc_update", state="absent")
def absent(host: Host, _start: Start, holding: Holding) -> Expected:
    return dropped(host, holding) if holding.staged else unchanged(holding)


# -- bootc_switch ------------------------------------------------------------------------------------------------------


@operation("switch to tag of N", "bootc_switch", image="{moves}:n")
def switch_tag(host: Host, start: Start, holding: Holding) -> Expected:
    if holding.queued and holding.rollback == "N":
        return unchanged(holding)
    if holding.staged == "N" and host.composefs:
        return becomes(replace(holding, parked=False)) if holding.parked else unchanged(holding)
    if holding.booted == "N" and host.composefs:
        return unchanged(holding)
    return staged_again(host, holding, "N")


@operation("switch to N", "bootc_switch", image="{moves}@{N}")
def switch_newest(host: Host, _start: Start, holding: Holding) -> Expected:
    return _switch(host, holding, "N")


@operation("switch to B", "bootc_switch", image="{moves}@{B}")
def switch_booted(host: Host, _start: Start, holding: Holding) -> Expected:
    return _switch(host, holding, "B")


@operation("switch to A", "bootc_switch", image="{moves}@{A}")
def switch_older(host: Host, _start: Start, holding: Holding) -> Expected:
    return _switch(host, holding, "A")


def _switch(host: Host, holding: Holding, wanted: str) -> Expected:
    if holding.staged == wanted:
        return becomes(replace(holding, parked=False)) if holding.parked else unchanged(holding)
    if holding.booted == wanted:
        return _stay(host, holding)
    if holding.queued and holding.rollback == wanted:
        return unchanged(holding)
    return staged_again(host, holding, wanted)


def _stay(host: Host, holding: Holding) -> Expected:
    """What runs is to boot next."""
    if holding.staged and not holding.parked:
        return dropped(host, holding)
    return becomes(replace(holding, queued=False)) if holding.queued else unchanged(holding)


# -- bootc_rollback ----------------------------------------------------------------------------------------------------


@operation("rollback", "bootc_rollback")
def rollback(_host: Host, _start: Start, holding: Holding) -> Expected:
    if not holding.rollback:
        return refused("no_rollback", holding)
    if holding.staged and not holding.queued:
        return refused("would_discard", holding)
    return unchanged(holding) if holding.queued else becomes(replace(holding, queued=True))


@operation("rollback over staged", "bootc_rollback", discard_staged=True)
def rollback_over_staged(host: Host, _start: Start, holding: Holding) -> Expected:
    if not holding.rollback:
        return refused("no_rollback", holding)
    if holding.queued:
        return unchanged(holding)
    if holding.staged and host.composefs and not host.has(1, 11, 0):
        return refused("unsupported_version", holding)
    return becomes(replace(holding.without_staged(), queued=True))


# -- device_facts, device_health ---------------------------------------------------------------------------------------


@operation("facts", "device_facts")
def facts(_host: Host, _start: Start, holding: Holding) -> Expected:
    return unchanged(holding)


@operation("health", "device_health")
def health(_host: Host, _start: Start, holding: Holding) -> Expected:
    return unchanged(holding)


# -- bootc_apply -------------------------------------------------------------------------------------------------------


@operation("apply", "bootc_apply", reboot_timeout=60, poll_interval=0.2)
def apply(_host: Host, _start: Start, holding: Holding) -> Expected:
    if holding.staged and not holding.parked:
        return becomes(_rebooted_into_staged(holding))
    if holding.queued:
        return becomes(Holding(holding.rollback, holding.booted, others=holding.others, pinned=holding.pinned))
    return unchanged(holding)


def _rebooted_into_staged(holding: Holding) -> Holding:
    """What was booted is the way back; what was that goes, unless it is pinned."""
    kept = (holding.rollback,) if holding.rollback in holding.pinned else ()
    return Holding(holding.staged, holding.booted, others=(*kept, *holding.others), pinned=holding.pinned)
