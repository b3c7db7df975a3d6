# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a promotion, and what a rollout proved for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...module_utils._oci.dates import read_created
from ...module_utils._oci.versions import is_older
from .model import ChannelError, Entry, Evidence, Held, Objection, Wish
from .plan import taken_out


def objections(wish: Wish, evidence: Evidence | None, entries: Sequence[Entry]) -> list[Objection]:
    """Return everything that speaks against moving this channel forward; nothing for one that is there already."""
    if wish.current is not None and wish.current.digest == wish.wanted.digest:
        return []
    found = [_skips(wish), _older(wish), _unproven(wish, evidence), _taken_back(wish, entries)]
    return [objection for objection in found if objection is not None]


def _skips(wish: Wish) -> Objection | None:
    if wish.stage_before is None or wish.stage_before[1] == wish.wanted.digest:
        return None
    name, digest = wish.stage_before
    has = f"that has {digest}" if digest else "that has nothing yet"
    return Objection(wish.channel.variant, "skips", f"{wish.wanted} is not in the channel {name}; {has}.")


def _older(wish: Wish) -> Objection | None:
    current = wish.current
    if current is None or not _is_older(wish.wanted, current):
        return None
    return Objection(
        wish.channel.variant, "older", f"{wish.wanted} is older than {current}, which {wish.channel.name} has."
    )


def _is_older(one: Held, other: Held) -> bool:
    """By version where both have one that can be compared, else by when it was made; what is unknown is not older."""
    if one.version and other.version and one.version != other.version:
        by_version = is_older(one.version, other.version)
        if by_version is not None:
            return by_version
    made, made_other = read_created(one.created), read_created(other.created)
    return made is not None and made_other is not None and made < made_other


def _unproven(wish: Wish, evidence: Evidence | None) -> Objection | None:
    if evidence is None:
        return None
    brought = evidence.digests.get(wish.channel.variant)
    if brought is None:
        why = f"the rollout {evidence.rollout} did not bring this variant to any device."
    elif brought != wish.wanted.digest:
        why = f"the rollout {evidence.rollout} brought {brought}, not {wish.wanted}."
    elif evidence.lacking:
        why = f"the rollout {evidence.rollout} {evidence.lacking}."
    elif wish.channel.variant not in evidence.proven:
        where = f" of its wave {evidence.wave}" if evidence.wave else ""
        why = f"no device{where} was seen to run {wish.wanted} well in the rollout {evidence.rollout}."
    else:
        return None
    return Objection(wish.channel.variant, "unproven", why)


def _taken_back(wish: Wish, entries: Sequence[Entry]) -> Objection | None:
    """A release that was demoted from this very channel, or whose promotion was undone, comes back only on purpose."""
    current = wish.current.digest if wish.current else None
    for entry in reversed(taken_out(wish.channel, current, entries)):
        if entry.before == wish.wanted.digest:
            why = f": {entry.why}" if entry.why.strip() else "."
            return Objection(
                wish.channel.variant,
                "demoted",
                f"{wish.wanted} was taken out of {wish.channel.name} on {entry.at[:10]} by {entry.by}{why}",
            )
    return None


def insist(found: Iterable[Objection], *, force: bool, why: str) -> None:
    """Raise :exc:`ChannelError` when there are objections that nobody overrules, giving a reason."""
    against = list(found)
    if not against:
        return
    said = " ".join(str(objection) for objection in against)
    if not force:
        raise ChannelError(
            f"Nothing was moved, because of {len(against)} objection{'s' if len(against) > 1 else ''}. {said}",
            "To do it all the same, and have that on record, give bootc_channel_force=true and bootc_channel_why=...",
            "refused",
        )
    if not why.strip():
        raise ChannelError(f"To overrule this takes a reason. {said}", "Give bootc_channel_why=...", "invalid")


def evidence_of(summary: Mapping[str, Any], wave: str | None) -> Evidence:
    """Read what a rollout's summary proves: that it completed, or that the named wave passed its soak, and by whom.

    Of a named wave only devices count that were in it until it passed.
    """
    try:
        rollout = str(summary["id"])
        digests = {str(variant["name"]): str(variant["digest"]) for variant in summary["variants"]}
        waves = {str(entry["name"]): str(entry["phase"]) for entry in summary["waves"]}
        phase, reverted_by = str(summary["phase"]), summary["reverted_by"]
        proven = {
            str(device["variant"])
            for device in summary["devices"]
            if device["proven"] and (wave is None or (device["wave"] == wave and not device["catching_up"]))
        }
    except (KeyError, TypeError) as error:
        raise ChannelError(
            "What was given as the rollout is neither a summary nor the spec of one.",
            "Give the file that the rollout playbook wrote as summary, or its spec.",
            "invalid",
        ) from error
    if wave is not None and wave not in waves:
        raise ChannelError(
            f"The rollout {rollout} has no wave '{wave}'; it has {', '.join(waves)}.", "Give one of these.", "invalid"
        )
    if wave is not None:
        lacking = "" if waves[wave] == "passed" else f"has not passed its wave {wave}, which is {waves[wave]}"
    else:
        lacking = "" if phase == "completed" else f"is {phase}, not completed"
    # Devices of a rollout that was called off may have left the release again, whatever its waves once were.
    if phase in ("aborted", "canceled", "held", "superseded"):
        lacking = f"is {phase}"
    if reverted_by is not None:
        lacking = f"was taken back by {reverted_by}"
    return Evidence(rollout, digests, frozenset(proven), lacking, wave)
