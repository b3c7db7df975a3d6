# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan will cost: bytes and time per device, per wave and in total. Pure arithmetic.

Bytes are compressed and count whole layers, as bootc fetches them with both backends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .plan import Plan

DEFAULT_RATE = "6.25M"
"""50 Mbit/s, what a usual connection at home gives one device."""
REBOOT_SECONDS = 120
"""What a reboot and the checks after it are taken to last, apart from the settle time of the spec."""

UNREACHABLE = "unreachable"
"""Why nothing is known of a device that did not answer."""

Layers = Mapping[str, int]
"""Compressed bytes by digest."""


class Action(Enum):
    """What a rollout is expected to do with a device."""

    UPDATE = "update"
    CURRENT = "current"
    """It runs the target; only its checks are looked at."""
    REFUSED = "refused"
    DECIDED = "decided"
    """It has its verdict in the rollout already."""


@dataclass(frozen=True)
class Need:
    """What one device needs. ``layers`` are those it has to fetch.

    ``exact`` is False where what it has is not known, so that ``layers`` are the most it can be. ``reason`` is a stable
    word for scripts, ``message`` says the same to people. With the same ``site`` devices share a cache. A device that
    has to go through barriers needs more than one of ``reboots``; their whole images are ``barrier_bytes``.
    """

    host: str
    variant: str
    action: Action
    layers: Layers = field(default_factory=dict)
    exact: bool = True
    reason: str | None = None
    message: str | None = None
    notes: tuple[str, ...] = ()
    site: str | None = None
    reboots: int = 1
    barrier_bytes: int = 0

    @property
    def bytes(self) -> int:
        return sum(self.layers.values())

    @property
    def answered(self) -> bool:
        """Whether anything is known of what it runs."""
        return self.reason != UNREACHABLE


@dataclass(frozen=True)
class Tempo:
    """How many devices of a wave are worked on at a time when all goes well: ``start``, then ``factor`` times as many
    after each batch, and never more than ``most``."""

    start: int
    factor: int
    most: int

    def batches(self, seconds: Sequence[int]) -> list[Sequence[int]]:
        """Cut what the devices of a wave take into batches."""
        found = []
        size, begin = min(self.start, self.most), 0
        while begin < len(seconds):
            found.append(seconds[begin : begin + size])
            begin += size
            size = min(size * self.factor, self.most)
        return found


@dataclass(frozen=True)
class WaveInput:
    """One wave that is to be reckoned, its devices in their order.

    ``soak`` in seconds; ``spread`` are those over which ``pace.download_rate`` spreads its downloads.
    """

    name: str
    soak: int
    tempo: Tempo
    needs: Sequence[Need]
    approve: str = "never"
    spread: int = 0


@dataclass(frozen=True)
class Assumptions:
    """``rate`` in bytes per second and device; ``reboot`` and ``settle`` in seconds.

    ``download_rate``, in bytes per second, is what the spec allows all devices together.
    """

    rate: int
    reboot: int
    settle: int
    download_rate: int | None = None

    def seconds(self, need: Need) -> int:
        """How long the update of a device takes, rounded up."""
        if need.action is not Action.UPDATE:
            return 0
        return -(-need.bytes // self.rate) + need.reboots * (self.reboot + self.settle)


@dataclass(frozen=True)
class WaveForecast:
    """One wave. ``site_bytes`` is what leaves the registry when every site has a cache; ``soak`` in seconds."""

    name: str
    needs: tuple[Need, ...]
    bytes: int
    site_bytes: int
    busy_seconds: int
    soak: int
    tempo: Tempo
    approve: str

    @property
    def seconds(self) -> int:
        """From its opening until the next wave may open, when every device is awake and well."""
        return self.busy_seconds + self.soak

    def count(self, action: Action) -> int:
        return sum(need.action is action for need in self.needs)

    @property
    def uncertain(self) -> int:
        """Devices for which the bytes are an upper bound."""
        return sum(not need.exact for need in self.needs)


@dataclass(frozen=True)
class Latecomer:
    """A device that came after the plan was made. ``wave`` is the one it joins, None when it catches up.

    ``on_record`` says that it joined already; else it does when the rollout is run next.
    """

    need: Need
    wave: str | None
    on_record: bool


@dataclass(frozen=True)
class Forecast:
    """All waves in order; a total is the sum over them."""

    waves: tuple[WaveForecast, ...]
    assumptions: Assumptions

    def as_dict(self) -> dict[str, Any]:
        """A JSON document with the keys waves, totals and assumptions."""
        return {
            "waves": [
                {
                    "name": wave.name,
                    "approve": wave.approve,
                    "parallel": wave.tempo.most,
                    **_sums([wave]),
                    "devices": [self.device(need) for need in wave.needs],
                }
                for wave in self.waves
            ],
            "totals": _sums(self.waves),
            "assumptions": {
                "rate_bytes_per_second": self.assumptions.rate,
                "reboot_seconds": self.assumptions.reboot,
                "settle_seconds": self.assumptions.settle,
                "download_rate_bytes_per_second": self.assumptions.download_rate,
                "granularity": "layer",
            },
        }

    def device(self, need: Need) -> dict[str, Any]:
        """What the document has of one device."""
        return {
            "host": need.host,
            "variant": need.variant,
            "site": need.site,
            "action": need.action.value,
            "answered": need.answered,
            "bytes": need.bytes,
            "exact": need.exact,
            "seconds": self.assumptions.seconds(need),
            "reason": need.reason,
            "message": need.message,
            "notes": list(need.notes),
        }


def forecast(waves: Iterable[WaveInput], assumptions: Assumptions) -> Forecast:
    """What the waves cost.

    A wave is worked off in batches, and a batch lasts as long as the slowest of its devices; all of it lasts as long as
    its downloads are spread at least. With nobody to be updated it passes without a soak. A cache keeps what an earlier
    wave fetched.
    """
    cached: dict[str, dict[str, int]] = {}
    found = []
    for wave in waves:
        busy = [assumptions.seconds(need) for need in wave.needs if need.action is Action.UPDATE]
        found.append(
            WaveForecast(
                wave.name,
                tuple(wave.needs),
                sum(need.bytes for need in wave.needs),
                sum(_fetch(cached, need) for need in wave.needs),
                max(sum(map(max, wave.tempo.batches(busy))), wave.spread),
                wave.soak if busy else 0,
                wave.tempo,
                wave.approve,
            )
        )
    return Forecast(tuple(found), assumptions)


def spread_of(plan: Plan, needs: Sequence[Need]) -> int:
    """Seconds over which the spec spreads the downloads of a wave, as the rollout reckons: whole images, rounded up."""
    rate = plan.spec.pace.download_rate
    due = [need for need in needs if need.action is Action.UPDATE]
    size = sum((plan.targets[need.variant].size or 0) + need.barrier_bytes for need in due)
    return 0 if rate is None else -(-size // rate)


def plan_document(
    plan: Plan, told: Forecast, phase: str | None, warnings: Sequence[str] = (), joining: Sequence[Latecomer] = ()
) -> dict[str, Any]:
    """The JSON document people review. ``phase`` is that of a rollout which is on record already, else None.

    Those that are ``joining`` such a one are in none of the sums: its plan is the same without them.
    """
    return {
        "schema": 1,
        "id": plan.spec.id,
        "plan_hash": plan.hash,
        "phase": phase,
        "variants": [
            {"name": target.variant, "image": target.image, "digest": target.digest, "version": target.version}
            for target in plan.targets.values()
        ],
        **told.as_dict(),
        "joining": [{**told.device(late.need), "wave": late.wave, "on_record": late.on_record} for late in joining],
        "warnings": [*plan.warnings, *warnings],
    }


def _fetch(cached: dict[str, dict[str, int]], need: Need) -> int:
    """Bytes that leave the registry for a device, and remember them in the cache of its site."""
    if need.site is None:
        return need.bytes
    have = cached.setdefault(need.site, {})
    new = {digest: size for digest, size in need.layers.items() if digest not in have}
    have.update(new)
    return sum(new.values())


def _sums(waves: Sequence[WaveForecast]) -> dict[str, Any]:
    return {
        "counts": {
            "total": sum(len(wave.needs) for wave in waves),
            **{action.value: sum(wave.count(action) for wave in waves) for action in Action},
            "uncertain": sum(wave.uncertain for wave in waves),
        },
        "bytes": sum(wave.bytes for wave in waves),
        "site_bytes": sum(wave.site_bytes for wave in waves),
        "seconds": sum(wave.seconds for wave in waves),
        "soak_seconds": sum(wave.soak for wave in waves),
    }
