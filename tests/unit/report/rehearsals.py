# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts to report on, made by the real engine: a plan, the events of scripted devices, the state they lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import advance
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, make_plan, target_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize

START = 1785564600.0  # 2026-08-01 06:10 UTC
UNHEALTHY = "systemd: sddm.service failed (code=exited, status=1/FAILURE); greenboot 10-network.sh: exit status 1"


@dataclass
class Report:
    """What the caller of a report hands over."""

    summary: dict[str, Any]
    events: list[dict[str, Any]]
    ledger: list[Event]


@dataclass
class Rehearsal:
    """Drives a rollout over scripted devices until it comes to rest.

    ``fates`` says what becomes of a device: updated when it is not named, else asleep, lost, unhealthy, silent or
    current. ``message`` is what unhealthy devices say.
    """

    hosts: Mapping[str, str]
    version: str = "v1.1.0"
    waves: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "canary", "count": 1, "soak": "10m"}, {"name": "early", "percent": 40}]
    )
    rules: Mapping[str, Any] = field(default_factory=lambda: {"max_failures": "20%", "min_coverage": 60, "soak": "5m"})
    fates: Mapping[str, str] = field(default_factory=dict)
    message: str = UNHEALTHY
    previous_version: str = "v1.0.0"
    boot_seconds: Any = None
    patience: float = 90000.0
    contact_grace_seconds: int = 3600
    start: float = START

    def run(self) -> Report:
        spec = parse_spec(
            {
                "schema": 1,
                "id": f"skorion-{self.version.removeprefix('v')}",
                "variants": [
                    {
                        "name": name,
                        "image": f"registry.example/skorionos/{name}",
                        "digest": digest(f"{name}-{self.version}"),
                        "version": self.version,
                        "size": 6_600_000_000 + 300_000_000 * at,
                    }
                    for at, name in enumerate(sorted(set(self.hosts.values())))
                ],
                "waves": self.waves,
                "wave_defaults": dict(self.rules),
                "apply": {"contact_grace": f"{self.contact_grace_seconds}s"},
            }
        )
        targets = {v.name: target_of(v, [], None, None) for v in spec.variants}
        plan = make_plan(spec, [Candidate(host, variant) for host, variant in self.hosts.items()], targets)
        events = [Event("planned", self.start, data={"plan": plan.as_dict()})]
        now, seen, wait = self.start, set(), None
        while now < self.start + self.patience:
            rollout = derive(events)
            assert rollout is not None
            rollout, recorded, decisions = advance(rollout, now)
            events += recorded
            wait = decisions.wait
            todo = [host for host in decisions.touch if host not in seen]
            if todo:
                batch = todo[: spec.pace.parallel]
                seen.update(batch)
                told = [event for host in batch for event in self._device(host, rollout.devices[host].variant, now)]
                events += sorted(told, key=lambda event: event.at)
                now = max(event.at for event in told) + 1
            elif decisions.confirm:
                events += [Event("confirmed", now, host) for host in decisions.confirm]
            elif wait is not None and wait.until is not None:
                now = wait.until
            else:
                break
        final = derive(events)
        assert final is not None
        told = [event.as_dict() for event in events if event.kind != "planned"]
        return Report(summarize(final, wait), told, events)

    def _device(self, host: str, variant: str, now: float) -> list[Event]:
        fate = self.fates.get(host, "updated")
        chance = hashlib.sha256(host.encode()).digest()
        boot = 24 + chance[0] % 30 + (40 if chance[1] > 235 else 0) if self.boot_seconds is None else self.boot_seconds
        old, new = digest(f"{variant}-old"), digest(f"{variant}-{self.version}")
        at = now + chance[2] / 64
        if fate == "asleep":
            return [Event("unreachable", at, host)]
        if fate == "current":
            return [Event("already_current", at, host, data={"booted_digest": new})]
        before = {"boot_id": f"{host}-1", "previous_digest": old, "previous_version": self.previous_version}
        staged = at + 40 + chance[4] / 3
        booted = staged + 30 + chance[0] % 30
        events = [
            Event("staging", at, host, data=before),
            Event("staged", staged, host, data=before),
            Event("applying", staged + 0.2, host, data={"boot_id": f"{host}-1", "previous_digest": old}),
        ]
        if fate in ("lost", "silent"):
            data = {"reason": "silent", "message": "no answer after its reboot"}
            silent = Event("silent", staged + 1200, host, data=data)
            lost = Event("lost", silent.at + self.contact_grace_seconds, host, data=data)
            return [*events, silent, lost] if fate == "lost" else [*events, silent]
        events.append(Event("booted", booted, host, data={"booted_digest": new, "boot_seconds": boot}))
        if fate == "unhealthy":
            data = {"reason": "unhealthy", "message": self.message}
            return [
                *events,
                Event("rolling_back", booted + 20, host, data=data),
                Event("rolling_back", booted + 21, host, data={**data, "boot_id": f"{host}-2"}),
                Event("rolled_back", booted + 60, host, data={**data, "booted_digest": old}),
            ]
        return [*events, Event("succeeded", booted + 30, host, data={"booted_digest": new})]


def digest(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode(errors="replace")).hexdigest()


def fleet(size: int = 24) -> dict[str, str]:
    """Hosts and their variants."""
    variants = ("kde", "gnome", "hyprland")
    return {f"{variants[at % 3]}-{at // 3 + 1:02}": variants[at % 3] for at in range(size)}


PAYLOADS = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "{{ 7*7 }}{% raw %}",
    "\x1b[31mred\x1b[0m\x1b]0;owned\x07\x9b2J",
    "\u202eesrever\u2066\u200b",
    "</style><style>*{display:none}</style>",
    "line\r\nbreak\x00\udce9",
)
"""What devices and registries might put into names, versions and messages."""
