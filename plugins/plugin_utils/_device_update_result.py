# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role device_update says of a device, made from its evidence and the last decision. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._device_answer import Answer, text, texts
from ._device_update import (
    APPLY,
    PHASES,
    PREFLIGHT,
    REBOOT_NEEDED,
    ROLLBACK,
    SETTLE,
    STAGE,
    UNREACHABLE,
    UPDATED,
    VERIFY,
    Evidence,
    Policy,
    Step,
    before,
    decide,
    latest,
)

# What to say when somebody asks for one phase only and then stops.
_STOPPED = {
    STAGE: "it was looked at only",
    APPLY: "a reboot would apply it",
    VERIFY: "nobody has looked at its health yet",
    SETTLE: "it is well, but was not watched for the settle time",
    ROLLBACK: "it was not taken back",
}


class InvalidEvidence(Exception):
    """What was given is not what this role collects."""


def read_evidence(given: Mapping[str, Any]) -> tuple[Evidence, float | None]:
    """Answers by phase, and when the first of them was asked for. Raises InvalidEvidence.

    An answer that is older than that of an earlier phase is of an update before this one.
    """
    unknown = sorted(set(map(str, given)) - {*PHASES, "begun"})
    if unknown:
        raise InvalidEvidence(f"There is no phase {', '.join(unknown)}. Known are {', '.join(PHASES)}.")
    seen: dict[str, Answer] = {}
    for name in PHASES:
        entry = given.get(name)
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or not isinstance(entry.get("result"), Mapping):
            raise InvalidEvidence(f"The evidence of {name} has no result.")
        answer = Answer(entry["result"], float(entry.get("ended") or 0))
        if all(answer.ended >= earlier.ended for earlier in seen.values()):
            seen[name] = answer
    begun = given.get("begun")
    return seen, None if begun is None else float(begun)


def assess(seen: Evidence, begun: float | None, policy: Policy) -> dict[str, Any]:
    """The next step and, as ``result``, what is to be told when nobody takes it."""
    step = decide(seen, policy)
    return {"next": step.next, "how": dict(step.how), "result": _result(seen, begun, policy, step)}


def _result(seen: Evidence, begun: float | None, policy: Policy, step: Step) -> dict[str, Any]:
    told = latest(seen)
    former, now = before(seen), None if told is None else told.slot("booted")
    why = step.why if step.next is None else "; ".join(filter(None, (step.why, _STOPPED.get(step.next))))
    return {
        "verdict": step.verdict,
        "reason": step.reason,
        "why": why or "nothing was found",
        "before": None if former is None else former.as_dict(),
        "after": None if now is None else now.as_dict(),
        "next_boot": _next_boot(told, step),
        "predicted": policy.check_mode and step.verdict in (UPDATED, REBOOT_NEEDED),
        "phases": _phases(seen, begun),
        "evidence": _details(seen),
    }


def _next_boot(told: Answer | None, step: Step) -> str | None:
    """The slot an orderly reboot boots, None when that is not known."""
    return None if told is None or step.verdict == UNREACHABLE else told.next_boot


def _phases(seen: Evidence, begun: float | None) -> list[dict[str, Any]]:
    """Phases in the order in which they ended. A reboot has measured itself."""
    phases = []
    last = begun
    for name, answer in sorted(seen.items(), key=lambda item: (item[1].ended, PHASES.index(item[0]))):
        own = answer.result.get("boot_seconds")
        seconds = own if isinstance(own, (int, float)) else None if last is None else max(answer.ended - last, 0.0)
        last = answer.ended
        phases.append(
            {
                "phase": name,
                "seconds": None if seconds is None else round(seconds, 1),
                "answered": not answer.lost,
                "failed": answer.failed or answer.lost,
                "changed": answer.result.get("changed") is True,
            }
        )
    return phases


def _details(seen: Evidence) -> dict[str, Any]:
    health = [seen[name] for name in (SETTLE, VERIFY) if name in seen]
    reboot = seen[APPLY].result if APPLY in seen else {}
    return {
        "notes": [note for name in PHASES if name in seen for note in seen[name].notes],
        "commands": [command for name in PHASES if name in seen for command in _commands(seen[name])],
        "failed_checks": health[0].failed_checks if health else [],
        "failed_units_before": seen[PREFLIGHT].failed_units if PREFLIGHT in seen else [],
        "boot": {
            "verdict": text(reboot.get("verdict")),
            "detail": text(reboot.get("detail")),
            "kind": text(reboot.get("reboot_kind")),
            "why": text(reboot.get("why")),
            "lines": texts(reboot.get("evidence")),
            "inhibited_by": [dict(each) for each in _entries(reboot.get("inhibited_by"))],
            "id_before": text(reboot.get("boot_id_before")),
            "id_after": text(reboot.get("boot_id_after")),
        },
    }


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _commands(answer: Answer) -> list[list[str]]:
    commands = answer.result.get("commands")
    entries = commands if isinstance(commands, list) else []
    return [[str(word) for word in command] for command in entries if isinstance(command, list)]
