# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollout: digests frozen per variant, every device in exactly one wave.

Assignment is a pure function of spec and membership. Devices of a variant are ranked by
``uint64(sha256(rollout id, NUL, host)[:8])``, so that no device is always first, and the ranking is cut per variant:
a count ``c`` cuts at ``min(N, K + c)``, a percent ``p`` at ``max(K, min(N, ceil(p * N / 100)))``, the last wave at N.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import RolloutError
from .quantities import percent_of, share
from .spec import Barrier, Spec, Variant, Wave, canonical, load_spec, timing_warnings
from .versions import is_older


@dataclass(frozen=True)
class Candidate:
    """A host the spec's pattern matches. ``labels`` holds the inventory variables that the spec names."""

    host: str
    variant: str | None
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hop:
    """A barrier as it was when the plan was made; ``accept`` and ``size`` as those of a target."""

    digest: str
    accept: tuple[str, ...]
    version: str
    below: str
    reason: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Target:
    """What the devices of one variant shall boot. A booted digest in ``accept`` proves the update.

    ``accept`` holds the digest of the spec and, where that is an index, those of its per-architecture manifests;
    also the config digests, which bootc before 1.16.4 reports on composefs. ``size`` is in compressed bytes.
    """

    variant: str
    image: str
    digest: str
    accept: tuple[str, ...]
    version: str | None = None
    size: int | None = None
    barriers: tuple[Hop, ...] = ()

    @property
    def pinned(self) -> str:
        """The reference a device is switched to."""
        return f"{self.image}@{self.digest}"

    @property
    def every_accept(self) -> tuple[str, ...]:
        """The digests that devices may report on their way and at its end."""
        return (*self.accept, *(digest for barrier in self.barriers for digest in barrier.accept))

    def towards(self, hop: str | None) -> Target:
        """What its devices boot on the way: the barrier of that digest, without one the target itself."""
        for barrier in self.barriers:
            if barrier.digest == hop:
                version = barrier.version
                return Target(self.variant, self.image, barrier.digest, barrier.accept, version, barrier.size)
        return self

    def hops_from(self, booted: str | None, version: str | None) -> tuple[Hop, ...] | None:
        """The barriers that are left for a device which runs this; None when its version does not tell.

        One that runs a barrier has passed it, whatever it says its version is.
        """
        passed = [index for index, barrier in enumerate(self.barriers) if booted in barrier.accept]
        if passed:
            version = self.barriers[passed[-1]].version
        left = []
        for barrier in self.barriers[passed[-1] + 1 if passed else 0 :]:
            older = None if version is None else is_older(version, barrier.below)
            if older is None:
                return None
            if older:
                left.append(barrier)
                version = barrier.version
        return tuple(left)


@dataclass(frozen=True)
class Plan:
    """Everything a rollout has decided before it touches anything. ``waves`` and ``hosts`` have the same length.

    ``group_of`` says which disruption budget a device falls under; it is empty where the spec limits nothing.
    ``cuts`` has per stratum where each wave ends in the order of devices (None where it does nowhere); it is kept where
    devices that join later find their wave by it.
    """

    spec: Spec
    targets: Mapping[str, Target]
    variant_of: Mapping[str, str]
    hosts: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]
    group_of: Mapping[str, str] = field(default_factory=dict)
    cuts: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)

    @property
    def waves(self) -> tuple[Wave, ...]:
        return self.spec.waves

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(host for wave in self.hosts for host in wave)

    def as_dict(self) -> dict[str, Any]:
        """A JSON document that ``load_plan`` reads back."""
        return {
            "spec": dict(self.spec.document),
            "targets": [_as_dict(target) for target in self.targets.values()],
            "waves": [
                {"name": wave.name, "hosts": [{"host": host, "variant": self.variant_of[host]} for host in hosts]}
                for wave, hosts in zip(self.waves, self.hosts, strict=True)
            ],
            "warnings": list(self.warnings),
            **({"groups": dict(self.group_of)} if self.group_of else {}),
            **({"cuts": {stratum: list(ends) for stratum, ends in self.cuts.items()}} if self.cuts else {}),
        }

    @property
    def hash(self) -> str:
        """Identifies the plan: the same spec, membership and digests give the same hash on any machine."""
        return hashlib.sha256(canonical(self.as_dict())).hexdigest()


def check_membership(spec: Spec, candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """The candidates of every variant of the spec; raises RolloutError when that leaves nobody, or a host in doubt."""
    everyone = sorted(candidates, key=lambda candidate: candidate.host)
    if not everyone:
        raise RolloutError(
            f"No host of the inventory matches selection.hosts {spec.hosts!r}.",
            "Check the inventory given with -i and the pattern in the spec.",
            "no_hosts",
        )
    nameless = [candidate.host for candidate in everyone if candidate.variant is None]
    if nameless:
        raise RolloutError(
            f"{_some(nameless)} has no variable bootc_variant, so which image it runs is unknown.",
            "Set bootc_variant in the inventory for it or its group, or leave it out with selection.hosts.",
            "no_variant",
        )
    strata = {variant.name: [c for c in everyone if c.variant == variant.name] for variant in spec.variants}
    if not any(strata.values()):
        found = sorted({str(candidate.variant) for candidate in everyone})
        raise RolloutError(
            f"None of the {len(everyone)} matching hosts runs a variant of this rollout (they run {', '.join(found)}).",
            f"The spec knows {', '.join(strata)}: correct bootc_variant in the inventory or the names in the spec.",
            "no_hosts",
        )
    return strata


def make_plan(spec: Spec, candidates: Sequence[Candidate], targets: Mapping[str, Target]) -> Plan:
    """Assign every candidate whose variant the spec knows to one wave. ``targets`` has an entry per variant."""
    strata = check_membership(spec, candidates)
    groups = strata if spec.per_variant else {EVERYBODY: [c for group in strata.values() for c in group]}
    split = {name: _cut(spec, group) for name, group in groups.items()}
    cuts = [members for members, _unused in split.values()]
    waves = tuple(
        tuple(sorted((host for cut in cuts for host in cut[index]), key=lambda host: _rank(spec.id, host)))
        for index in range(len(spec.waves))
    )
    warnings = [f"No host runs variant {name}." for name, members in strata.items() if not members]
    warnings += [
        caution for wave, hosts in zip(spec.waves, waves, strict=True) for caution in _cautions(wave, len(hosts))
    ]
    left_out = sorted(candidate.host for candidate in candidates if candidate.variant not in strata)
    if left_out:
        warnings.append(f"{_some(left_out)} runs a variant that this rollout does not update.")
    variant_of = {c.host: c.variant for members in strata.values() for c in members if c.variant is not None}
    untried = sorted(set(variant_of.values()) - {variant_of[host] for host in waves[0]})
    if untried:
        warnings.append(f"No device of {', '.join(untried)} is in the first wave.")
    warnings += timing_warnings(spec)
    groups_of = {c.host: _group(spec, c) for members in strata.values() for c in members} if _limits(spec) else {}
    ends = {name: ends for name, (_unused, ends) in split.items()} if spec.late_joiners == "own_wave" else {}
    return Plan(spec, dict(targets), variant_of, waves, tuple(warnings), groups_of, ends)


def natural_wave(plan: Plan, candidate: Candidate) -> int:
    """The wave whose part of the order the device falls into, had it been there when the plan was made."""
    key = _rank(plan.spec.id, candidate.host)[0]
    stratum = str(candidate.variant) if plan.spec.per_variant else EVERYBODY
    ends = plan.cuts.get(stratum, ())
    return next((index for index, end in enumerate(ends) if end is not None and key <= end), len(plan.waves) - 1)


def budget_group(spec: Spec, candidate: Candidate) -> str | None:
    """Which disruption budget the device falls under; None where the spec limits nothing."""
    return _group(spec, candidate) if _limits(spec) else None


def load_plan(document: Mapping[str, Any]) -> Plan:
    """The plan that ``Plan.as_dict`` wrote."""
    spec = load_spec(document["spec"], "the recorded plan")
    targets = {entry["variant"]: load_target(entry) for entry in document["targets"]}
    hosts = tuple(tuple(entry["host"] for entry in wave["hosts"]) for wave in document["waves"])
    variant_of = {entry["host"]: entry["variant"] for wave in document["waves"] for entry in wave["hosts"]}
    cuts = {stratum: tuple(ends) for stratum, ends in document.get("cuts", {}).items()}
    return Plan(spec, targets, variant_of, hosts, tuple(document["warnings"]), document.get("groups", {}), cuts)


def load_target(document: Mapping[str, Any]) -> Target:
    """The target of its JSON form."""
    hops = tuple(Hop(**{**hop, "accept": tuple(hop["accept"])}) for hop in document.get("barriers", ()))
    return Target(**{**document, "accept": tuple(document["accept"]), "barriers": hops})


def _as_dict(target: Target) -> dict[str, Any]:
    document = asdict(target)
    if not target.barriers:
        del document["barriers"]
    return document


def hop_of(barrier: Barrier, accept: Sequence[str], size: int | None) -> Hop:
    """The frozen barrier, given what its registry says about the digest."""
    accepted = tuple(dict.fromkeys([barrier.digest, *accept]))
    return Hop(barrier.digest, accepted, barrier.version, barrier.below, barrier.reason, size)


def target_of(
    variant: Variant, accept: Sequence[str], size: int | None, version: str | None, hops: Iterable[Hop] = ()
) -> Target:
    """The frozen target of a variant, given what its registry says about the digest."""
    return Target(
        variant.name,
        variant.image,
        variant.digest,
        tuple(dict.fromkeys([variant.digest, *accept])),
        variant.version or version,
        variant.size if variant.size is not None else size,
        tuple(hops),
    )


EVERYBODY = "*"
"""The stratum of a fleet that is not cut by variants."""


def _cut(spec: Spec, members: Sequence[Candidate]) -> tuple[list[list[str]], tuple[int | None, ...]]:
    """Split one stratum's devices into the waves of the spec; also where each wave but the last ends in their order.

    Devices that a wave prefers come out of their order, so that it does not end with them.
    """
    waiting = sorted(members, key=lambda candidate: _rank(spec.id, candidate.host))
    total = len(waiting)
    cuts: list[list[str]] = []
    ends: list[int | None] = []
    for wave in spec.waves:
        taken = total - len(waiting)
        if wave.count is not None:
            until = min(total, taken + wave.count)
        elif wave.percent is not None:
            until = max(taken, min(total, percent_of(wave.percent, total)))
        else:
            until = total
        preferred = sorted(waiting, key=lambda candidate: not _matches(candidate, wave.select))
        chosen = preferred[: until - taken]
        cuts.append([candidate.host for candidate in chosen])
        in_order = [_rank(spec.id, each.host)[0] for each in chosen if not _matches(each, wave.select)]
        ends.append(max(in_order, default=None))
        taken_now = {candidate.host for candidate in chosen}
        waiting = [candidate for candidate in waiting if candidate.host not in taken_now]
    return cuts, tuple(ends[:-1])


def _limits(spec: Spec) -> bool:
    return spec.budget.max_unavailable is not None or spec.budget.min_available is not None


def _group(spec: Spec, candidate: Candidate) -> str:
    """``bootc_site=berlin``; devices without such a variable are a group together."""
    labels = [(key, candidate.labels.get(key)) for key in spec.budget.group_by]
    return ", ".join(f"{key}={'(none)' if value is None else value}" for key, value in labels) or "the fleet"


def _matches(candidate: Candidate, select: Mapping[str, Any]) -> bool:
    return bool(select) and all(candidate.labels.get(key) == value for key, value in select.items())


def _rank(salt: str, host: str) -> tuple[int, str]:
    digest = hashlib.sha256(f"{salt}\0{host}".encode()).digest()
    return int.from_bytes(digest[:8], "big"), host


def _some(hosts: Sequence[str]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    shown = ", ".join(hosts[:3])
    return f"Each of {len(hosts)} hosts ({shown}{', ...' if len(hosts) > 3 else ''})"


_MANY = 20
"""Of more devices than this one may be expected to fail for reasons of its own."""


def _cautions(wave: Wave, size: int) -> list[str]:
    """What the rules of a wave come to with this many devices, where that may surprise."""
    limit = wave.rules.max_failures
    found = []
    if size > _MANY and isinstance(limit, str) and share(limit, size) == 0:
        found.append(f"Wave {wave.name} may lose no device: {limit} of its {size} devices are less than one.")
    if 0 < size < wave.rules.min_sample:
        of = "1 device" if size == 1 else f"{size} devices"
        found.append(
            f"Wave {wave.name} asks for {wave.rules.min_sample} verdicts of {of}: all of them must have one then."
        )
    return found
