# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout spec: what a person asks for, validated and with every default filled in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...module_utils._oci.versions import is_older
from . import schema
from .errors import RolloutError
from .quantities import parse_duration, parse_rate
from .windows import Windows, longest_wait, parse_windows

LAST_WAVE = "rest"
"""Name of the implicit last wave: everyone whom no earlier wave took."""


@dataclass(frozen=True)
class Barrier:
    """Devices whose version is ``below`` have to boot ``digest``, which is ``version``, before anything newer."""

    digest: str
    version: str
    below: str
    reason: str | None = None


@dataclass(frozen=True)
class Variant:
    """One image line. ``image`` is a repository without tag; ``digest`` is what its devices shall boot.

    A rollout that takes others back has variants for ``only`` some devices of the inventory's variant ``line``, and
    begins with those in ``first``.
    """

    name: str
    image: str
    digest: str
    version: str | None = None
    size: int | None = None
    created: str | None = None
    barriers: tuple[Barrier, ...] = ()
    line: str | None = None
    only: tuple[str, ...] | None = None
    first: tuple[str, ...] = ()

    @property
    def of_line(self) -> str:
        """What its devices have as ``bootc_variant``."""
        return self.name if self.line is None else self.line


@dataclass(frozen=True)
class Analysis:
    """A command on the controller that judges a wave at the end of its soak; ``timeout`` in seconds."""

    name: str
    command: tuple[str, ...]
    timeout: int


@dataclass(frozen=True)
class WaveRules:
    """When a wave may pass, in whole percents, seconds and devices."""

    success_threshold: int
    min_coverage: int
    min_sample: int
    max_failures: int | str
    soak: int
    coverage_timeout: int
    on_coverage_timeout: Literal["hold", "accept"]
    accept_floor: int
    approve: Literal["never", "before", "after"]
    analysis: tuple[Analysis, ...] = ()


@dataclass(frozen=True)
class Wave:
    """How large a wave is (per variant) and when it may pass. The last wave has neither count nor percent."""

    name: str
    rules: WaveRules
    count: int | None = None
    percent: int | None = None
    select: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pace:
    """How many devices of a wave are worked on at a time: at most ``parallel``, and at first ``start``.

    After as many successes in a row as that it grows by ``factor``; after a failure it is halved, unless ``on_failure``
    is ``keep``. ``overshoot`` is how many devices, or which share of the wave, may fail beyond the failure budget.
    Downloads of the whole fleet begin at ``download_rate`` bytes per second at most, if that is given.
    """

    parallel: int
    start: int
    factor: int
    on_failure: Literal["halve", "keep"]
    overshoot: int | str
    download_rate: int | None = None


@dataclass(frozen=True)
class Abort:
    """A rollout is given up when ``percent`` of at least ``min_executed`` verdicts are failures."""

    percent: int
    min_executed: int


@dataclass(frozen=True)
class Budget:
    """How much of a group of devices may be down at a time. Groups have the same values of the ``group_by`` variables.

    ``max_unavailable`` and ``min_available`` are counts or ``"p%"`` of the group; with ``count_offline`` devices that
    do not answer count as down.
    """

    group_by: tuple[str, ...]
    max_unavailable: int | str | None
    min_available: int | str | None
    count_offline: bool


@dataclass(frozen=True)
class CatchUp:
    """For devices that no wave counts: ``time`` seconds after the rollout completed nobody is updated any more."""

    time: int
    max_failures: int | str


@dataclass(frozen=True)
class Stage:
    """With ``ahead`` a device downloads before it may be rebooted, where it can park what it downloaded."""

    timeout: int
    attempts: int
    ahead: bool = False


@dataclass(frozen=True)
class Apply:
    """``notify_user`` is how many seconds people get before a reboot that no longer waits for them."""

    reboot_timeout: int
    contact_grace: int
    stagger: bool = False
    notify_user: int = 600


@dataclass(frozen=True)
class Inhibit:
    """What a device is spared for: names of ``INHIBITORS``. The soft ones expire ``defer_deadline`` seconds later."""

    soft: tuple[str, ...]
    hard: tuple[str, ...]
    battery_min: int
    disk_min: int
    allow_unknown: bool
    defer_deadline: int
    starve_alert: int

    def active(self, *, overdue: bool) -> tuple[str, ...]:
        """Those that count."""
        return self.hard if overdue else (*self.soft, *self.hard)


@dataclass(frozen=True)
class Verify:
    systemd: bool
    commands: tuple[tuple[str, ...], ...]
    timeout: int
    settle: int


@dataclass(frozen=True)
class Registry:
    insecure: bool
    auth_file: str | None


@dataclass(frozen=True)
class Spec:
    """A whole rollout. ``fingerprint`` identifies its content; ``document`` is the validated input.

    With ``per_variant`` every variant is cut into waves of its own, so that each has a canary. ``wanted`` are inventory
    variables that decide who takes part besides ``hosts``. Devices are ordered by the variable ``tier_var``, if any,
    and the hash with ``salt``. ``reverts`` is the rollout whose devices go back to what they ran before; its variants
    are known when it is planned.
    """

    id: str
    variants: tuple[Variant, ...]
    hosts: str
    per_variant: bool
    waves: tuple[Wave, ...]
    pace: Pace
    abort: Abort | None
    budget: Budget
    stage: Stage
    apply: Apply
    verify: Verify
    registry: Registry
    supersedes: tuple[str, ...]
    document: Mapping[str, Any]
    fingerprint: str
    windows: Windows
    inhibit: Inhibit
    salt: str
    late_joiners: Literal["catch_up", "own_wave", "ignore"]
    catch_up: CatchUp
    wanted: Mapping[str, Any] = field(default_factory=dict)
    tier_var: str | None = None
    reverts: str | None = None

    @property
    def apply_estimate(self) -> int:
        """Seconds a device may take from its reboot until its verdict, when all goes well."""
        return self.apply.reboot_timeout + self.verify.timeout + self.verify.settle

    @property
    def labels(self) -> tuple[str, ...]:
        """The inventory variables by which it tells devices apart."""
        tier = () if self.tier_var is None else (self.tier_var,)
        selects = (key for wave in self.waves for key in wave.select)
        return tuple(sorted({*self.budget.group_by, *selects, *self.wanted, *tier}))


_ANY_WAVE: dict[str, Any] = {
    "success_threshold": 90,
    "min_coverage": 60,
    "min_sample": 1,
    "max_failures": "5%",
    "soak": "30m",
    "coverage_timeout": "72h",
    "on_coverage_timeout": "hold",
    "accept_floor": 20,
    "approve": "never",
    "analysis": [],
}
_CANARY: dict[str, Any] = {"min_coverage": 100, "max_failures": 0, "soak": "2h"}
_PACE: dict[str, Any] = {"parallel": 10, "start": 1, "factor": 2, "on_failure": "halve", "overshoot": 0}
_ABORT: dict[str, Any] = {"percent": 20, "min_executed": 20}
_SOFT = ("game_running",)
_HARD = ("battery_low",)
_LONGEST_NOTICE = 86400
_FOR_OTHERS = frozenset({"config_digest", "input_hash", "layers", "moving_tags", "parent", "platforms", "tags"})
"""What a release file says of its variants besides what a rollout needs."""
_LAST: dict[str, Any] = {"min_coverage": 90, "coverage_timeout": "14d", "on_coverage_timeout": "accept"}


def parse_spec(document: object, source: str = "the rollout spec", release: object = None) -> Spec:
    """Validate a spec as loaded from YAML (plain dicts, lists and scalars) and fill in the defaults.

    ``release`` is the loaded content of the file that ``release:`` names, when it does; ``source`` names the spec's
    file in errors. Raises RolloutError naming every wrong path and its remedy.
    """
    if not isinstance(document, Mapping):
        raise RolloutError(f"{source} does not hold a mapping.", "Start it with `schema: 1` and `id:`.", "invalid_spec")
    schema.check(document, schema.SPEC, source)
    spec = load_spec({**document, "variants": _variants(document, source, release)}, source)
    _check_timeouts(spec, source)
    return spec


def _check_timeouts(spec: Spec, source: str) -> None:
    """Devices that are given no time fail, whatever they do. Plans that are on record may have such timeouts."""
    timeouts = {
        "stage.timeout": spec.stage.timeout,
        "apply.reboot_timeout": spec.apply.reboot_timeout,
        "verify.timeout": spec.verify.timeout,
        **{
            f"wave {wave.name}: analysis: {analysis.name}: timeout": analysis.timeout
            for wave in spec.waves
            for analysis in wave.rules.analysis
        },
    }
    none = [name for name, seconds in timeouts.items() if not seconds]
    if none:
        raise RolloutError(
            f"{source}: {none[0]} leaves no time, and who is given up counts as failed.",
            "Give it a second at least, such as 10m.",
            "invalid_spec",
        )


def timing_warnings(spec: Spec) -> list[str]:
    """What of its windows will surprise whoever wrote them."""
    wait = longest_wait(spec.windows.apply)
    hasty = [wave.name for wave in spec.waves if wave.rules.coverage_timeout < wait]
    if not hasty:
        return []
    return [
        f"Up to {wait // 3600} hours pass from one apply window to the next, more than the coverage_timeout of wave "
        f"{', '.join(hasty)}."
    ]


def load_spec(document: Mapping[str, Any], source: str) -> Spec:
    """The spec of a document that was validated before, with its variants resolved."""
    variants = tuple(_variant(entry, source) for entry in document["variants"])
    waves = _waves(document, source)
    selection = document.get("selection", {})
    order = selection.get("order", {})
    reverts = document.get("reverts")
    stage = document.get("stage", {})
    apply = document.get("apply", {})
    verify = document.get("verify", {})
    registry = document.get("registry", {})
    abort = {**_ABORT, **document.get("abort", {})}
    catch_up = document.get("catch_up", {})
    spec = Spec(
        id=document["id"],
        variants=variants,
        hosts=selection.get("hosts", "all"),
        per_variant=bool(selection.get("stratify_by", ["variant"])),
        waves=waves,
        pace=_pace(document.get("pace", {}), source),
        abort=Abort(**abort) if abort["percent"] else None,
        budget=_budget(document.get("budget", {}), source),
        stage=Stage(
            parse_duration(stage.get("timeout", "2h"), "stage.timeout"),
            stage.get("attempts", 3),
            stage.get("policy") == "parked",
        ),
        apply=Apply(
            parse_duration(apply.get("reboot_timeout", "20m"), "apply.reboot_timeout"),
            parse_duration(apply.get("contact_grace", "24h"), "apply.contact_grace"),
            apply.get("stagger", False),
            _notice(apply.get("notify_user", "10m"), source),
        ),
        verify=Verify(
            verify.get("systemd", True),
            tuple(tuple(command) for command in verify.get("commands", [])),
            parse_duration(verify.get("timeout", "10m"), "verify.timeout"),
            parse_duration(verify.get("settle", "2m"), "verify.settle"),
        ),
        registry=Registry(registry.get("insecure", False), registry.get("auth_file")),
        supersedes=tuple(dict.fromkeys([*document.get("supersedes", []), *([reverts] if reverts else [])])),
        document=document,
        fingerprint=_fingerprint(document),
        windows=parse_windows(document.get("windows", {}), f"{source}: windows."),
        inhibit=_inhibit(document.get("inhibit", {}), source),
        salt=order.get("salt", document["id"]),
        wanted=dict(selection.get("labels", {})),
        tier_var=order.get("tier_var"),
        reverts=reverts,
        late_joiners=selection.get("late_joiners", "catch_up"),
        catch_up=CatchUp(
            parse_duration(catch_up.get("for", "90d"), "catch_up.for"), catch_up.get("max_failures", "5%")
        ),
    )
    check_room(spec, spec.windows, f"{source}: windows.")
    return spec


def _fingerprint(document: Mapping[str, Any]) -> str:
    """Of what a person wrote: the variants of a rollout that takes others back are found when it is planned."""
    given = {key: value for key, value in document.items() if key != "variants" or "reverts" not in document}
    return hashlib.sha256(canonical(given)).hexdigest()


def _pace(section: Mapping[str, Any], source: str) -> Pace:
    rate = section.get("download_rate")
    parsed = None if rate is None else parse_rate(rate, f"{source}: pace.download_rate", "invalid_spec")
    return Pace(**{**_PACE, **section, "download_rate": parsed})


def _variant(entry: Mapping[str, Any], source: str) -> Variant:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    values["barriers"] = tuple(Barrier(**barrier) for barrier in entry.get("barriers", ()))
    variant = Variant(**values)
    trouble = _barrier_trouble(variant)
    if trouble is not None:
        raise RolloutError(
            f"{source}: variant {variant.name}: barriers: {trouble}.",
            "List barriers in the order in which devices go through them: each `below` newer than the one before, each "
            "`version` at least its own `below`, each digest another one, and all versions written alike.",
            "invalid_spec",
        )
    return variant


def _barrier_trouble(variant: Variant) -> str | None:
    """Why devices could not go from one barrier to the next, and then to the target."""
    digests = [*(barrier.digest for barrier in variant.barriers), variant.digest]
    if len(set(digests)) < len(digests):
        return "a digest appears twice, or is that of the variant"
    for barrier in variant.barriers:
        if is_older(barrier.version, barrier.below) is not False:
            return f"the version {barrier.version!r} is older than {barrier.below!r}, or cannot be compared with it"
    for earlier, later in zip(variant.barriers, variant.barriers[1:], strict=False):
        if is_older(earlier.below, later.below) is not True:
            return f"{later.below!r} is not newer than {earlier.below!r}, or cannot be compared with it"
    last = variant.barriers[-1:]
    if last and variant.version is not None and is_older(variant.version, last[0].below) is not False:
        return (
            f"the variant's version {variant.version!r} is older than {last[0].below!r}, or cannot be compared with it"
        )
    return None


def _notice(text: str, source: str) -> int:
    seconds = parse_duration(text, "apply.notify_user")
    if seconds > _LONGEST_NOTICE:
        raise RolloutError(
            f"{source}: apply.notify_user: {text!r} is longer than a day.", "Give people a day at most.", "invalid_spec"
        )
    return seconds


def _inhibit(section: Mapping[str, Any], source: str) -> Inhibit:
    soft, hard = (tuple(section.get(key, default)) for key, default in (("soft", _SOFT), ("hard", _HARD)))
    if "soft" in section and "hard" not in section:
        hard = tuple(name for name in hard if name not in soft)
    elif "hard" in section and "soft" not in section:
        soft = tuple(name for name in soft if name not in hard)
    twice = sorted(set(soft).intersection(hard))
    if twice:
        raise RolloutError(
            f"{source}: inhibit: {', '.join(map(repr, twice))} is both soft and hard.",
            "Name it once: under `soft` if it may be overridden after defer_deadline, under `hard` if never.",
            "invalid_spec",
        )
    return Inhibit(
        soft,
        hard,
        section.get("battery_min", 40),
        section.get("disk_min", 5 * 1024**3),
        section.get("probe_error", "defer") == "ignore",
        parse_duration(section.get("defer_deadline", "14d"), "inhibit.defer_deadline"),
        parse_duration(section.get("starve_alert", "5d"), "inhibit.starve_alert"),
    )


def check_room(spec: Spec, windows: Windows, where: str) -> None:
    """A window in which not even one device can finish would be a trap; ``where`` stands before the path in errors."""
    for number, window in enumerate(windows.apply):
        if window.length < spec.apply_estimate:
            raise RolloutError(
                f"{where}apply[{number}] is open for {window.length // 60} minutes, and one device may take "
                f"{-(-spec.apply_estimate // 60)} (apply.reboot_timeout, verify.timeout and verify.settle).",
                "Lengthen the window, or shorten those three to what your devices need.",
                "invalid_spec",
            )


def _budget(given: Mapping[str, Any], source: str) -> Budget:
    limits = (given.get("max_unavailable"), given.get("min_available"))
    if limits == (None, None) and given:
        raise RolloutError(
            f"{source}: budget names no limit.",
            "Add max_unavailable or min_available, or remove the section.",
            "invalid_spec",
        )
    return Budget(tuple(given.get("group_by", [])), *limits, given.get("count_offline", False))


def canonical(document: object) -> bytes:
    """The one byte string for a JSON-like document: sorted keys, no spaces, UTF-8 with the rest escaped."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def _variants(document: Mapping[str, Any], source: str, release: object) -> list[dict[str, Any]]:
    if sum(key in document for key in ("release", "variants", "reverts")) != 1:
        raise RolloutError(
            f"{source} must say what to roll out in exactly one way.",
            "Give either `release:` with the file that the publish playbook wrote, or a list of `variants:`, or "
            "`reverts:` with the id of the rollout whose devices shall go back.",
            "invalid_spec",
        )
    if "reverts" in document:
        return []
    if "variants" in document:
        entries = document["variants"]
    else:
        if not isinstance(release, Mapping) or not isinstance(release.get("variants"), list):
            raise RolloutError(
                f"{document['release']} (named as release in {source}) is not a release file.",
                "Name the JSON file that the publish playbook wrote.",
                "invalid_spec",
            )
        entries = [_for_rollouts(entry) for entry in release["variants"]]
        schema.check(
            {"variants": entries},
            {"properties": {"variants": schema.SPEC["properties"]["variants"]}},
            str(document["release"]),
        )
    _unique([entry["name"] for entry in entries], f"{source}: variants", "Give every variant a name of its own.")
    for entry in entries:
        image = entry["image"]
        if "@" in image or ":" in image.rsplit("/", 1)[-1] or "/" not in image:
            raise RolloutError(
                f"{source}: variant {entry['name']}: image {image!r} is not a repository.",
                schema.REMEDIES["image"],
                "invalid_spec",
            )
    return [{key: value for key, value in entry.items() if value is not None} for entry in entries]


def _for_rollouts(entry: object) -> object:
    """What a release file says of a variant, without what is there for CI and people."""
    if not isinstance(entry, Mapping):
        return entry
    return {key: value for key, value in entry.items() if key not in _FOR_OTHERS}


def _waves(document: Mapping[str, Any], source: str) -> tuple[Wave, ...]:
    named = list(document.get("waves", []))
    _unique(
        [wave["name"] for wave in named] + [LAST_WAVE],
        f"{source}: waves",
        f"Give every wave a name of its own; {LAST_WAVE!r} is the implicit last one.",
    )
    _check_sizes(named, source)
    last = named.pop() if named and named[-1].get("percent") == 100 else {"name": LAST_WAVE}
    defaults = document.get("wave_defaults", {})
    waves = [
        _wave(wave, {**_ANY_WAVE, **(_CANARY if index == 0 else {}), **defaults}, source)
        for index, wave in enumerate(named)
    ]
    return (*waves, _wave({**last, "percent": None}, {**_ANY_WAVE, **_LAST, **defaults}, source))


def _wave(wave: Mapping[str, Any], defaults: Mapping[str, Any], source: str) -> Wave:
    values = {key: wave.get(key, default) for key, default in defaults.items()}
    for key in ("soak", "coverage_timeout"):
        values[key] = parse_duration(values[key], f"wave {wave['name']}: {key}")
    if values["soak"] > values["coverage_timeout"]:
        raise RolloutError(
            f"{source}: wave {wave['name']}: soak is longer than coverage_timeout.",
            "Shorten soak or lengthen coverage_timeout; otherwise the wave would time out before it could pass.",
            "invalid_spec",
        )
    values["analysis"] = _analysis(values["analysis"], f"{source}: wave {wave['name']}: analysis")
    return Wave(wave["name"], WaveRules(**values), wave.get("count"), wave.get("percent"), dict(wave.get("select", {})))


def _analysis(entries: Sequence[Mapping[str, Any]], where: str) -> tuple[Analysis, ...]:
    _unique([entry["name"] for entry in entries], where, "Give every command of a wave a name of its own.")
    found = []
    for entry in entries:
        seconds = parse_duration(entry.get("timeout", "5m"), f"{where}: {entry['name']}: timeout")
        found.append(Analysis(entry["name"], tuple(entry["command"]), seconds))
    return tuple(found)


def _check_sizes(waves: list[Any], source: str) -> None:
    reached = 0
    for index, wave in enumerate(waves):
        where = f"{source}: waves[{index}] ({wave['name']})"
        if ("count" in wave) == ("percent" in wave):
            raise RolloutError(
                f"{where} must have exactly one of count and percent.", "Remove one, or add one.", "invalid_spec"
            )
        if reached == 100:
            raise RolloutError(
                f"{where} comes after a wave of 100 percent, so it would be empty.",
                "Remove it, or lower the percent before it.",
                "invalid_spec",
            )
        if "percent" in wave:
            if wave["percent"] <= reached:
                raise RolloutError(
                    f"{where}: percent {wave['percent']} is not more than the {reached} before it.",
                    "Percents are cumulative: each must be larger than the one before.",
                    "invalid_spec",
                )
            reached = wave["percent"]


def _unique(names: list[str], where: str, remedy: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RolloutError(f"{where}: {', '.join(map(repr, twice))} appears twice.", remedy, "invalid_spec")
