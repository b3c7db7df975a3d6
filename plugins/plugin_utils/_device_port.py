# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device of a rollout, reached through the device modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from ..module_utils._bootc.status import Status, version_tuple
from ..module_utils._bootc.transitions.supported import can_park
from ..module_utils._device.inhibitors import Inhibitor, parse_inhibitors
from ._boot_wait import INHIBITED, Calls, glance, wait_for_boot
from ._rollout.errors import RolloutError
from ._rollout.port import DeviceError, Health, Inhibited, Observation, Reboot, Unreachable
from ._rollout.spec import Spec
from ._rollout.states import NOT_ASKED
from ._survey import read_survey, survey_command

_MODULES = "skorionos.bootc."
_POLL_SECONDS = 2.5
_LONGEST_NAME = 300
_LONGEST_DETAIL = 800
_MOST_ENTRIES = 200
_KINDS = {
    "session_active": "session",
    "game_running": "game",
    "shutdown_blocked": "systemd",
    "battery_low": "battery",
    "metered": "metered",
    "disk_low": "disk",
}
"""The inhibitors of a spec, as bootc_apply calls them."""
_NAMES = {kind: name for name, kind in _KINDS.items()}
_IMAGES = "/sysroot"
_NOTICE = "This device restarts in {minutes} to install an update. Please save your work."


class ModulePort:
    """Runs one device module per call; what goes wrong becomes Unreachable or a DeviceError.

    ``changed`` says whether any of them changed the device. What they return comes from the device and may be anything.
    ``fence`` tells the device on whose behalf it is changed. It may refuse that: as a DeviceError where another rollout
    holds it, as a RolloutError where this rollout has a newer controller, which is the end of this run. The fence names
    only the last turns of a long rollout: ``knows`` tells whether the ledger has one that a device names before ours.
    """

    def __init__(
        self,
        calls: Calls,
        spec: Spec,
        fence: Mapping[str, Any] | None = None,
        knows: Callable[[str], bool] = lambda _turn: False,
    ) -> None:
        self._calls = calls
        self._spec = spec
        self._fence = fence
        self._knows = knows
        self.changed = False

    def observe(self, inhibitors: Sequence[str] = ()) -> Observation:
        """What the device says now."""
        entries = self._entries(inhibitors)
        parsed = parse_inhibitors(entries)
        command = survey_command(parsed)
        told = self._told(command, parsed) if command is not None else None
        return observation(told or self._run("bootc_status", {"inhibitors": entries} if entries else {}))

    def _told(self, command: str, inhibitors: Sequence[Inhibitor]) -> Mapping[str, Any] | None:
        printed = self._calls.ask(command)
        if printed is None:
            raise Unreachable(self._calls.said)
        if self._calls.refusal is not None:
            # Such as a wrong password of sudo: to try it again may lock the account.
            raise DeviceError(NOT_ASKED, self._calls.refusal)
        return read_survey(printed, inhibitors)

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        """Have ``reference`` boot next."""
        return self._stage(reference, accept, {})

    def park(self, reference: str, accept: Sequence[str]) -> Observation:
        """Have ``reference`` staged, and no reboot apply it."""
        return self._stage(reference, accept, {"parked": True})

    def _stage(self, reference: str, accept: Sequence[str], how: Mapping[str, Any]) -> Observation:
        options = {"image": reference, "accept_digests": list(accept), "timeout": self._spec.stage.timeout}
        result = self._run("bootc_switch", {**options, **how, **self._fenced()})
        if result.get("same_content") == "booted":
            raise DeviceError("same_content", "It runs this very content already, under another digest.")
        if result.get("same_content") is not None:
            raise DeviceError(
                "unexpected", "It has staged this very content under another digest, which proves nothing."
            )
        return observation(result)

    def drop(self) -> Observation:
        """Have nothing staged any more."""
        options = {"state": "absent", "timeout": self._spec.stage.timeout}
        return observation(self._run("bootc_update", {**options, **self._fenced(ends=True)}))

    def stay(self, reference: str, digest: str, came_back_from: str | None) -> Observation:
        """Have what it runs, ``reference`` with ``digest``, boot next too, and remember what it came back from."""
        options: dict[str, Any] = {
            "image": reference,
            "accept_digests": [digest],
            "timeout": self._spec.stage.timeout,
        }
        if came_back_from is not None:
            options["came_back_from"] = came_back_from
        return observation(self._run("bootc_switch", {**options, **self._fenced(ends=True)}))

    def queue_rollback(self, *, forward: bool = False) -> Observation:
        """Have the rollback slot boot next. The flow decides by digests, so the device's own memory is overridden."""
        options = {"discard_staged": True, "repeat": True, "forward": forward}
        return observation(self._run("bootc_rollback", {**options, **self._fenced()}))

    def reboot(self, expect: Sequence[str], inhibitors: Sequence[str] = (), notice: int = 0) -> Reboot:
        """Ask for the reboot; the device refuses when something else than expected would boot."""
        options: dict[str, Any] = {"expect_digests": list(expect), **self._fenced()}
        if inhibitors:
            options["inhibitors"] = self._entries(inhibitors)
        if notice:
            options["notify"] = {"text": _NOTICE.format(minutes=_minutes(notice)), "grace_seconds": notice}
        result = self._run("bootc_apply", options)
        if result.get("verdict") == INHIBITED:
            raise Inhibited(_inhibitions(result) or (("unknown", _text(result.get("detail")) or "not rebooted"),))
        if result.get("verdict") is not None:
            raise DeviceError("unexpected", f"It was not rebooted: {_text(result.get('detail'))}.")
        told = result.get("grace_seconds")
        grace = min(told, notice) if isinstance(told, int) and told > 0 else 0
        return Reboot(_text(result.get("boot_id")), _names(result.get("failed_units")), grace)

    def _entries(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Inhibitors as bootc_apply takes them. What cannot be found out about a hard one always inhibits."""
        inhibit = self._spec.inhibit
        limits: dict[str, dict[str, Any]] = {
            "battery_low": {"percent": inhibit.battery_min},
            "disk_low": {"path": _IMAGES, "free_bytes": inhibit.disk_min},
        }
        return [
            {
                "kind": _KINDS[name],
                "unknown": "allow" if inhibit.allow_unknown and name in inhibit.soft else "inhibit",
                **limits.get(name, {}),
            }
            for name in names
        ]

    def await_boot(self, boot_id: str | None, seconds: float) -> Observation | None:
        """Poll with little patience per attempt until another boot answers and says what it runs."""
        verdict = wait_for_boot(lambda: glance(self._calls), boot_id, (), None, seconds, poll_interval=_POLL_SECONDS)
        seen = verdict.observation
        if seen is None or seen.status is None or seen.boot_id == boot_id:
            return None
        return observation({"boot_id": seen.boot_id, "bootc": seen.status})

    def health(self, known_failed_units: Sequence[str], *, settle: bool = True) -> Health:
        """Run the checks of the image and those of the spec."""
        verify = self._spec.verify
        options = {
            "systemd": verify.systemd,
            "commands": [list(command) for command in verify.commands],
            "known_failed_units": list(known_failed_units),
            "timeout": verify.timeout,
            "settle": verify.settle if settle else 0,
        }
        result = self._run("device_health", {**options, **self._fenced(ends=True)})
        if result.get("bootc") is None:
            raise DeviceError("timeout", "Its bootc did not answer when its health was checked.")
        return Health(result.get("healthy") is True, observation(result), _checks(result.get("checks")))

    def _fenced(self, *, ends: bool = False) -> dict[str, Any]:
        """The option that names the rollout; ``ends`` when it is through with the device, if nothing else turns up."""
        if self._fence is None:
            return {}
        return {"fence": {**self._fence, "ends": True} if ends else dict(self._fence)}

    def _run(self, module: str, options: Mapping[str, Any]) -> dict[str, Any]:
        result = self._calls.execute(_MODULES + module, options)
        if result is None:
            raise Unreachable(self._calls.said)
        self.changed = self.changed or result.get("changed") is True
        if result.get("failed"):
            claim = result.get("claim")
            if result.get("reason") == "fenced" and self._was_overtaken(claim):
                if "fence" in options and self._learn(claim):
                    return self._run(module, {**options, **self._fenced(ends=options["fence"].get("ends") is True)})
                raise RolloutError(_message(result), "This run stops here.", "fenced")
            raise DeviceError(_text(result.get("reason")) or "unexpected", _message(result))
        return result

    def _learn(self, claim: Mapping[str, Any]) -> bool:
        """Show from now on the turn of a claim that was made long ago, if the ledger has it and it was not shown."""
        if self._fence is None:
            return False
        turn, shown = claim.get("turn"), self._fence["turns"]
        if not isinstance(turn, str) or turn in shown or not self._knows(turn):
            return False
        self._fence = {**self._fence, "turns": [*shown, turn]}
        return True

    def _was_overtaken(self, claim: object) -> TypeGuard[Mapping[str, Any]]:
        """Whether the claim is of this very rollout, by a turn of it that it was not shown."""
        return isinstance(claim, Mapping) and self._fence is not None and claim.get("rollout") == self._fence["rollout"]


def observation(result: Mapping[str, Any]) -> Observation:
    """The result of a device module, as the rollout looks at it."""
    status = result.get("bootc")
    status = status if isinstance(status, Mapping) else {}
    booted, rollback = _slot(status, "booted"), _slot(status, "rollback")
    return Observation(
        boot_id=_text(result.get("boot_id")),
        is_bootc=status.get("is_bootc") is True,
        backend=_text(status.get("backend")),
        booted=_text(booted.get("digest")),
        booted_version=_text(booted.get("version")),
        booted_deployment=_text(booted.get("deployment")),
        staged=_text(_slot(status, "staged").get("digest")),
        rollback=_text(rollback.get("digest")),
        rollback_deployment=_text(rollback.get("deployment")),
        next_boot=_text(status.get("next_boot")),
        failed_units=_names(result.get("failed_units")),
        obstacle=_obstacle(status, booted),
        timezone=_text(result.get("timezone")),
        inhibited_by=_inhibitions(result),
        parks=_parks(status),
    )


def _parks(status: Mapping[str, Any]) -> bool:
    """Where the version is not known nothing is parked: whether that worked could not be told."""
    version = _text(status.get("bootc_version"))
    known = version_tuple(version) is not None
    return known and can_park(Status(bootc_version=version, backend=_text(status.get("backend"))))


def _inhibitions(result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    value = result.get("inhibited_by")
    entries = value[:_MOST_ENTRIES] if isinstance(value, list) else []
    return tuple(
        (_NAMES.get(str(entry.get("kind")), "unknown"), _text(entry.get("detail")) or "no detail")
        for entry in entries
        if isinstance(entry, Mapping)
    )


def _minutes(seconds: int) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def _slot(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    slot = status.get(name)
    return slot if isinstance(slot, Mapping) else {}


def _text(value: object, limit: int = _LONGEST_NAME) -> str | None:
    """``value`` if it is a text of a sensible length: the start of it, if it is not."""
    return value[:limit] if isinstance(value, str) and value else None


def _names(value: object) -> tuple[str, ...]:
    entries = value[:_MOST_ENTRIES] if isinstance(value, list) else []
    return tuple(name for name in map(_text, entries) if name is not None)


def _checks(value: object) -> tuple[Mapping[str, Any], ...]:
    entries = value[:_MOST_ENTRIES] if isinstance(value, list) else []
    return tuple(
        {
            "name": _text(entry.get("name")) or "a check without a name",
            "passed": entry.get("passed") is True,
            "detail": _text(entry.get("detail"), _LONGEST_DETAIL) or "",
        }
        for entry in entries
        if isinstance(entry, Mapping)
    )


def _obstacle(status: Mapping[str, Any], booted: Mapping[str, Any]) -> tuple[str, str] | None:
    if status.get("read_only"):
        return "read_only", "It runs from a read-only medium, such as a live image, which cannot be updated."
    if booted.get("incompatible"):
        return "incompatible", "Its image was modified locally (rpm-ostree layering); `rpm-ostree reset` undoes that."
    return None


def _message(result: Mapping[str, Any]) -> str:
    text = result.get("msg") or result.get("exception") or result.get("module_stderr") or "the module failed"
    return str(text).strip()[:_LONGEST_DETAIL]
