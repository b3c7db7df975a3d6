# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one device needs of a rollout, judged from what it and the registry say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .forecast import UNREACHABLE, Action, Layers, Need
from .plan import Hop, Target, not_comparable
from .port import Observation

_UNFIT = {
    "not_bootc": "It is not booted by bootc.",
    "read_only": "It runs from a read-only medium.",
    "unsupported_version": "Its bootc is too old.",
    "incompatible": "Its image was modified locally.",
    "local": "Its connection is local: it is the machine that runs the playbook.",
}
"""Reasons for which a rollout leaves a device out."""


@dataclass(frozen=True)
class Image:
    """The image of one architecture, spelled as in indexes. ``names`` are digests that a device may report for it."""

    architecture: str
    names: frozenset[str]
    layers: Layers

    @property
    def bytes(self) -> int:
        return sum(self.layers.values())


@dataclass(frozen=True)
class Held:
    """What a slot of a device holds. ``image`` is the reference it came by, with a tag perhaps."""

    digest: str | None
    image: str | None = None
    architecture: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came of asking a device.

    ``seen`` is None when it told nothing; then ``reason`` and ``message`` say why. ``held`` are its slots, the booted
    first. When it told something, there is at least that one.
    """

    seen: Observation | None
    held: tuple[Held, ...] = ()
    reason: str | None = None
    message: str | None = None


Find = Callable[[Held], Image | None]
"""The image a slot holds, None when the registries do not know it."""

OfBarrier = Callable[[str], Sequence[Image]]
"""The images of the barrier with a digest, one of each architecture."""


def judge(
    host: str,
    target: Target,
    images: Sequence[Image],
    answer: Answer,
    find: Find,
    *,
    site: str | None = None,
    of_barrier: OfBarrier = lambda _digest: (),
) -> Need:
    """What ``host`` needs in order to run one of ``images``, those of the target for each architecture.

    ``of_barrier`` gives those of the barrier with a digest: of each on its way a device fetches what it adds.
    """
    refusal = _refusal(images, answer) or _lost_way(target, answer)
    if refusal is not None:
        return Need(host, target.variant, Action.REFUSED, reason=refusal[0], message=refusal[1], site=site)
    if answer.seen is None:
        return _at_most(host, target, _most_layers(target, images, of_barrier), answer, site)
    if answer.seen.booted in target.accept:
        return Need(host, target.variant, Action.CURRENT, site=site)
    booted = answer.held[0]
    hops = target.hops_from(answer.seen.booted, answer.seen.booted_version) or ()
    wanted = [
        image.layers for image in _way(hops, _fitting(images, booted.architecture), booted.architecture, of_barrier)
    ]
    found = [_find(slot, images, find) for slot in answer.held]
    have = {digest for image in found if image is not None for digest in image.layers}
    # What only a rollback slot holds is seldom wanted, so that its image may be forgotten without spoiling the figure.
    exact = found[0] is not None
    return Need(
        host,
        target.variant,
        Action.UPDATE,
        {digest: size for layers in wanted for digest, size in layers.items() if digest not in have},
        exact,
        None if exact else "image_unknown",
        None if exact else "no registry knows what it runs",
        (*_notes(target, booted), *map(_passage, hops)),
        site,
        1 + len(hops),
        sum(hop.size or 0 for hop in hops),
    )


def _refusal(images: Sequence[Image], answer: Answer) -> tuple[str, str] | None:
    """Reason and message of why the device would not be updated, if so."""
    seen = answer.seen
    if seen is None:
        reason = answer.reason or ""
        return (reason, answer.message or _UNFIT[reason]) if reason in _UNFIT else None
    if not seen.is_bootc:
        return "not_bootc", _UNFIT["not_bootc"]
    if seen.obstacle is not None:
        return seen.obstacle
    booted = answer.held[0]
    if not _fitting(images, booted.architecture):
        offered = ", ".join(sorted(image.architecture for image in images))
        message = f"It is {booted.architecture}, the image is for {offered}: its update would fail, which is charged."
        return "architecture", message
    return None


def _lost_way(target: Target, answer: Answer) -> tuple[str, str] | None:
    seen = answer.seen
    if seen is None or seen.booted in target.accept or target.hops_from(seen.booted, seen.booted_version) is not None:
        return None
    return "unknown_version", f"{not_comparable(seen.booted_version)}."


def _passage(hop: Hop) -> str:
    why = f" ({hop.reason})" if hop.reason else ""
    return f"It is older than {hop.below} and has to boot {hop.version} first{why}."


def _fitting(images: Sequence[Image], architecture: str | None) -> list[Image]:
    return [image for image in images if architecture in (None, image.architecture)]


def _at_most(host: str, target: Target, layers: Layers, answer: Answer, site: str | None) -> Need:
    """A device of which nothing is known may have none of the layers, and all barriers before it."""
    reason = answer.reason or UNREACHABLE
    return Need(
        host,
        target.variant,
        Action.UPDATE,
        layers,
        exact=False,
        reason=reason,
        message=answer.message,
        site=site,
        reboots=1 + len(target.barriers),
        barrier_bytes=sum(hop.size or 0 for hop in target.barriers),
    )


def _most_layers(target: Target, images: Sequence[Image], of_barrier: OfBarrier) -> Layers:
    """Those of the architecture that has the most to fetch."""
    ways = [_way(target.barriers, [image], image.architecture, of_barrier) for image in images]
    wanted = [{digest: size for image in way for digest, size in image.layers.items()} for way in ways]
    return max(wanted, key=lambda layers: sum(layers.values()), default={})


def _way(hops: Sequence[Hop], images: Sequence[Image], architecture: str | None, of_barrier: OfBarrier) -> list[Image]:
    """What a device of that architecture boots one after the other; of an unknown one the largest."""
    stops = [*(_fitting(of_barrier(hop.digest), architecture) for hop in hops), images]
    return [_largest(stop) for stop in stops if stop]


def _largest(images: Sequence[Image]) -> Image:
    return max(images, key=lambda image: (image.bytes, image.architecture))


def _find(slot: Held, images: Sequence[Image], find: Find) -> Image | None:
    """What is staged or kept may be the target itself, which need not be asked for."""
    return next((image for image in images if slot.digest in image.names), None) or find(slot)


def _notes(target: Target, booted: Held) -> tuple[str, ...]:
    if booted.image is None or repository(booted.image) == target.image:
        return ()
    return (f"It follows {booted.image}; the rollout switches it to {target.image}.",)


def repository(image: str) -> str:
    """An image reference without tag and digest."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"
