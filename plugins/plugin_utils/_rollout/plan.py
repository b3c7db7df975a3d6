# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollout: digests frozen per variant, every device in exactly one wave.

Assignment is a pure function of spec and membership. Devices of a variant are ranked by their tier, if the spec names a
variable for it, and by ``uint64(sha256(salt, NUL, host)[:8])``, so that no device is always first; the salt is the
rollout's id unless the spec has another. The ranking is cut per variant: a count ``c`` cuts at ``min(N, K + c)``, a
percent ``p`` at ``max(K, min(N, ceil(p * N / 100)))``, the last wave at N.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...module_utils._oci.versions import is_older
from .errors import RolloutError, some
from .quantities import percent_of, share
from .spec import Barrier, Spec, Variant, Wave, canonical, load_spec, timing_warnings

ABSENT = "!exists"
"""In ``selection.labels``: the host must not have the variable."""


@dataclass(frozen=True)
class Candidate:
    """A host the spec's pattern matches. ``labels`` holds the inventory variables that the spec names."""

    host: str
    variant: str | None
    labels: Mapping[str, Any] = field(default_factory=dict)


def not_comparable(version: str | None) -> str:
    """Why a device with barriers before it is left out when nobody can tell which of them it passed."""
    return f"{version or 'no version'} cannot be compared with the barriers of its variant"


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

    def line_of(self, variant: str) -> str:
        """What the devices of a variant have as ``bootc_variant``."""
        return next((entry.of_line for entry in self.spec.variants if entry.name == variant), variant)

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
            f"No host of the inventory matches selection.hosts {spec.hosts!r}"
            f"{' and has the selection.labels' if spec.wanted else ''}.",
            "Check the inventory given with -i and the selection in the spec.",
            "no_hosts",
        )
    nameless = [candidate.host for candidate in everyone if candidate.variant is None]
    if nameless:
        raise RolloutError(
            f"{_each(nameless)} has no variable bootc_variant, so which image it runs is unknown.",
            "Set bootc_variant in the inventory for it or its group, or leave it out with selection.hosts.",
            "no_variant",
        )
    strata = {variant.name: [c for c in everyone if _takes(variant, c)] for variant in spec.variants}
    if not any(strata.values()):
        found = sorted({str(candidate.variant) for candidate in everyone})
        raise RolloutError(
            f"None of the {len(everyone)} matching hosts runs a variant of this rollout (they run {', '.join(found)}).",
            f"The spec knows {', '.join(strata)}: correct bootc_variant in the inventory or the names in the spec.",
            "no_hosts",
        )
    return strata


def is_wanted(spec: Spec, labels: Mapping[str, Any]) -> bool:
    """Whether a host with these inventory variables takes part, as far as ``selection.labels`` is concerned."""
    return all(_has(labels.get(key), asked) for key, asked in spec.wanted.items())


def _has(value: Any, asked: Any) -> bool:
    if asked == ABSENT:
        return value is None
    return any(_equal(value, one) for one in (asked if isinstance(asked, list) else [asked]))


def _equal(value: Any, asked: Any) -> bool:
    """For Python True is 1; for whoever writes a spec it is not."""
    return bool(value == asked) and isinstance(value, bool) is isinstance(asked, bool)


def _takes(variant: Variant, candidate: Candidate) -> bool:
    return candidate.variant == variant.of_line and (variant.only is None or candidate.host in variant.only)


def make_plan(spec: Spec, candidates: Sequence[Candidate], targets: Mapping[str, Target]) -> Plan:
    """Assign every candidate whose variant the spec knows to one wave. ``targets`` has an entry per variant."""
    strata = check_membership(spec, candidates)
    _check_known_sizes(spec, targets)
    groups = strata if spec.per_variant else {EVERYBODY: [c for group in strata.values() for c in group]}
    rank = _ranking(spec)
    split = {name: _cut(spec, sorted(group, key=rank), rank) for name, group in groups.items()}
    cuts = [members for members, _unused in split.values()]
    waves = tuple(
        tuple(c.host for c in sorted((c for cut in cuts for c in cut[index]), key=rank))
        for index in range(len(spec.waves))
    )
    warnings = [f"No host runs variant {name}." for name, members in strata.items() if not members]
    warnings += [
        caution for wave, hosts in zip(spec.waves, waves, strict=True) for caution in _cautions(wave, len(hosts))
    ]
    variant_of = {c.host: name for name, members in strata.items() for c in members}
    left_out = sorted(candidate.host for candidate in candidates if candidate.host not in variant_of)
    if left_out and spec.reverts:
        warnings.append(
            f"{_each(left_out)} is not taken back: it is not on the release of {spec.reverts}, what it ran before is "
            "not known, it went through a barrier, or another rollout took it over."
        )
    elif left_out:
        warnings.append(f"{_each(left_out)} runs a variant that this rollout does not update.")
    untried = sorted(set(variant_of.values()) - {variant_of[host] for host in waves[0]})
    if untried:
        warnings.append(f"No device of {', '.join(untried)} is in the first wave.")
    warnings += timing_warnings(spec)
    groups_of = {c.host: _group(spec, c) for members in strata.values() for c in members} if _limits(spec) else {}
    ends = {name: ends for name, (_unused, ends) in split.items()} if spec.late_joiners == "own_wave" else {}
    return Plan(spec, dict(targets), variant_of, waves, tuple(warnings), groups_of, ends)


def natural_wave(plan: Plan, candidate: Candidate) -> int:
    """The wave whose part of the order the device falls into, had it been there when the plan was made."""
    key, _unused = _ranking(plan.spec)(candidate)
    stratum = str(candidate.variant) if plan.spec.per_variant else EVERYBODY
    ends = plan.cuts.get(stratum, ())
    return next((index for index, end in enumerate(ends) if end is not None and key <= end), len(plan.waves) - 1)


def budget_group(spec: Spec, candidate: Candidate) -> str | None:
    """Which disruption budget the device falls under; None where the spec limits nothing."""
    return _group(spec, candidate) if _limits(spec) else None


def _check_known_sizes(spec: Spec, targets: Mapping[str, Target]) -> None:
    """To spread downloads over time it takes to know how large they are."""
    unknown = sorted(
        name for name, target in targets.items() if None in (target.size, *(hop.size for hop in target.barriers))
    )
    if spec.pace.download_rate is not None and unknown:
        raise RolloutError(
            f"The compressed size of {', '.join(unknown)} is not known, which pace.download_rate goes by.",
            "Give variants[].size in bytes (the release file has it) and barriers by the digest of one architecture, "
            "or remove pace.download_rate.",
            "invalid_spec",
        )


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


def _cut(
    spec: Spec, members: Sequence[Candidate], rank: Ranking
) -> tuple[list[list[Candidate]], tuple[int | None, ...]]:
    """Split one stratum's devices, given in their order, into the waves of the spec.

    Also where each wave but the last ends in their order. Devices that a wave prefers come out of their order, so that
    it does not end with them.
    """
    waiting = list(members)
    total = len(waiting)
    cuts: list[list[Candidate]] = []
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
        cuts.append(chosen)
        in_order = [rank(each)[0] for each in chosen if not _matches(each, wave.select)]
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
    return bool(select) and all(_equal(candidate.labels.get(key), value) for key, value in select.items())


_ORDINARY_TIER = 500
_LAST_TIER = 1000


Ranking = Callable[[Candidate], tuple[int, str]]


def _ranking(spec: Spec) -> Ranking:
    """The sort key of candidates: ``tier * 2**64 + hash``, with a tier of -1 for those who come first in any case."""
    first = frozenset(host for variant in spec.variants for host in variant.first)

    def rank(candidate: Candidate) -> tuple[int, str]:
        digest = hashlib.sha256(f"{spec.salt}\0{candidate.host}".encode()).digest()
        tier = -1 if candidate.host in first else _tier(spec, candidate)
        return (tier << 64) + int.from_bytes(digest[:8], "big"), candidate.host

    return rank


def _tier(spec: Spec, candidate: Candidate) -> int:
    """0 for the eager to 1000 for the wary, from the inventory."""
    given = None if spec.tier_var is None else candidate.labels.get(spec.tier_var)
    if given is None:
        return _ORDINARY_TIER
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _LAST_TIER:
        raise RolloutError(
            f"The variable {spec.tier_var} of the host {candidate.host} is {given!r}.",
            f"Give it a whole number from 0, for a device that comes first, to {_LAST_TIER} for one that comes last.",
            "invalid_host",
        )
    return given


def _each(hosts: Sequence[str]) -> str:
    return hosts[0] if len(hosts) == 1 else f"Each of {len(hosts)} hosts ({some(hosts, 3)})"


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
