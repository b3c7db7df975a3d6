# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device answered to bootc_status, as a plan reads it. It comes from the device and may be anything."""

from __future__ import annotations

from collections.abc import Mapping

from ._device_port import observation
from ._rollout.forecast import UNREACHABLE
from ._rollout.need import Answer, Held

_LONGEST = 300
_MOST_SLOTS = 50


def answer_of(result: object) -> Answer:
    """The registered result of the task that asked; one that was skipped was not to be asked."""
    if not isinstance(result, Mapping):
        return Answer(None, reason=UNREACHABLE, message="It was not asked.")
    said = _text(result.get("msg"))
    if result.get("unreachable"):
        # What ansible-core puts in front says nothing here.
        return Answer(None, reason=UNREACHABLE, message=(said or "").removeprefix("Task failed: ") or None)
    if result.get("skipped"):
        return Answer(None, reason="local")
    if result.get("failed"):
        return Answer(None, reason=_text(result.get("reason")) or "unexpected", message=said)
    status = result.get("bootc")
    status = status if isinstance(status, Mapping) else {}
    others = status.get("others")
    slots = [status.get("staged"), status.get("rollback"), *(others[:_MOST_SLOTS] if isinstance(others, list) else [])]
    held = [_held(slot) for slot in slots if isinstance(slot, Mapping)]
    booted = status.get("booted")
    return Answer(observation(result), (_held(booted if isinstance(booted, Mapping) else {}), *held))


def _held(slot: Mapping[str, object]) -> Held:
    # Only what came from a registry can be asked for there.
    image = _text(slot.get("image")) if slot.get("transport") in (None, "registry") else None
    return Held(_text(slot.get("digest")), image, _text(slot.get("architecture")))


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None
