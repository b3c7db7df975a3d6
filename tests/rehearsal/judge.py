# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a rollout remembers of a device is true of that device. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong with a device: the fault it is given, and where its update has to end for it.

    ``boots`` counts those of a whole rehearsal, the one it was made with included. ``mended_when`` is the state in
    which somebody mends it, as a person does who finds a device that does not come up.
    """

    name: str
    fault: tuple[str, ...]
    verdict: str
    boots: int
    mended_when: str | None = None


SOUND = Flaw("sound", (), "succeeded", 2)
FLAWS = (
    Flaw("unhealthy", ("unhealthy", "broken for the rehearsal"), "rolled_back", 3),
    Flaw("its boot loader falls back", ("falls-back",), "rolled_back", 2),
    Flaw("no room for the image", ("disk-full",), "failed", 1),
    Flaw("never comes back by itself", ("silent-after-reboot",), "succeeded", 2, mended_when="lost"),
    Flaw("its update is not finalised once", ("finalize-failure",), "succeeded", 3),
)


@dataclass(frozen=True)
class Truth:
    """What a device itself is: the digest it runs, how often it booted."""

    booted: str
    boots: int


@dataclass(frozen=True)
class Releases:
    """Digests before and after, of one variant."""

    old: str
    new: str


_UNTOUCHED = frozenset({"pending", "unreachable", "deferred"})
_ON_OLD = frozenset({*_UNTOUCHED, "rolled_back", "failed"})
_ON_NEW = frozenset({"succeeded", "already_current"})


def reboots_asked(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """By host, the intents on record to reboot it."""
    asked: dict[str, int] = {}
    for event in events:
        back = event["kind"] == "rolling_back" and "boot_id" in event.get("data", {})
        if event["kind"] == "applying" or back:
            asked[event["host"]] = asked.get(event["host"], 0) + 1
    return asked


def untrue(told: Mapping[str, Any], truth: Truth, releases: Releases, asked: int) -> list[str]:
    """What is not true of one device in ``told``, its entry of the summary; ``asked`` are the reboots on record."""
    host, state = told["host"], told["state"]
    found = []
    if state in _ON_NEW and truth.booted != releases.new:
        found.append(f"{host} is recorded as {state} and runs {truth.booted}, not the new image")
    if state in _ON_OLD and truth.booted != releases.old:
        found.append(f"{host} is recorded as {state} and runs {truth.booted}, not its old image")
    if told["booted_digest"] is not None and told["booted_digest"] != truth.booted:
        found.append(f"{host} is recorded to run {told['booted_digest']} and runs {truth.booted}")
    if told["previous_digest"] is not None and told["previous_digest"] != releases.old:
        found.append(f"{host} is recorded to have run {told['previous_digest']} before, and ran {releases.old}")
    if truth.boots - 1 > asked:
        found.append(f"{host} was rebooted {truth.boots - 1} times for {asked} intents on record")
    return found


def wrong_end(told: Mapping[str, Any], truth: Truth, flaw: Flaw) -> list[str]:
    """How the end of one device differs from the one its flaw leads to."""
    host, found = told["host"], []
    if told["state"] != flaw.verdict:
        found.append(f"{host} ({flaw.name}) ended as {told['state']} and not as {flaw.verdict}: {told['message']}")
    if truth.boots != flaw.boots:
        found.append(f"{host} ({flaw.name}) booted {truth.boots} times and not {flaw.boots}")
    return found


def miscounted(
    summary: Mapping[str, Any], replayed: Mapping[str, str], columns: Mapping[str, Sequence[str]]
) -> list[str]:
    """Where the summary differs from the ledger or from its own devices. ``replayed`` are states derived anew."""
    states = {device["host"]: device["state"] for device in summary["devices"]}
    found = [
        f"{host} is {states.get(host)} in the summary and {replayed.get(host)} in the ledger"
        for host in sorted({*states, *replayed})
        if states.get(host) != replayed.get(host)
    ]
    for column, members in columns.items():
        counted = sum(state in members for state in states.values())
        if summary["totals"][column] != counted:
            found.append(f"the summary counts {summary['totals'][column]} as {column}, and lists {counted}")
    return found
