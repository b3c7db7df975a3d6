# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout spec may say, what it means when it says nothing, and how it is refused."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import read_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.quantities import (
    parse_duration,
    percent_of,
    share,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import (
    Abort,
    Budget,
    Pace,
    Spec,
    load_spec,
    parse_spec,
)

from tests.fleet_model import digest

KDE = {"name": "kde", "image": "registry.example/os", "digest": digest("a")}
GNOME = {"name": "gnome", "image": "registry.example:5000/team/gnome", "digest": digest("b")}


def document(**changes: Any) -> dict[str, Any]:
    return {"schema": 1, "id": "r1", "variants": [copy.deepcopy(KDE)], **changes}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in document().items() if name != key}


def waves(*entries: dict[str, Any]) -> dict[str, Any]:
    return document(waves=list(entries))


def variant(**changes: Any) -> dict[str, Any]:
    return document(variants=[{**KDE, **changes}])


def night(**changes: Any) -> dict[str, Any]:
    return document(windows={"apply": [{"start": "03:00", "length": "2h", **changes}]})


def refused(spec: object, **options: Any) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        parse_spec(spec, "spec.yml", **options)
    return caught.value


def test_defaults_of_everything_but_waves() -> None:
    spec = parse_spec(document())
    assert (spec.id, spec.hosts, spec.supersedes) == ("r1", "all", ())
    assert spec.pace == Pace(parallel=10, start=1, factor=2, on_failure="halve", overshoot=0)
    assert spec.abort == Abort(percent=20, min_executed=20)
    assert spec.budget == Budget(group_by=(), max_unavailable=None, min_available=None, count_offline=False)
    assert (spec.stage.timeout, spec.stage.attempts) == (7200, 3)
    assert (spec.apply.reboot_timeout, spec.apply.contact_grace) == (1200, 86400)
    assert (spec.verify.systemd, spec.verify.commands, spec.verify.timeout, spec.verify.settle) == (True, (), 600, 120)
    assert (spec.registry.insecure, spec.registry.auth_file) == (False, None)


def test_by_default_any_time_is_good_for_whoever_does_not_play_and_has_power() -> None:
    spec = parse_spec(document())
    assert (spec.windows.download, spec.windows.apply, spec.apply.stagger, spec.apply.notify_user) == (
        (),
        (),
        False,
        600,
    )
    assert (spec.inhibit.soft, spec.inhibit.hard) == (("game_running",), ("battery_low",))
    assert (spec.inhibit.battery_min, spec.inhibit.disk_min, spec.inhibit.allow_unknown) == (40, 5 * 1024**3, False)
    assert (spec.inhibit.defer_deadline, spec.inhibit.starve_alert) == (14 * 86400, 5 * 86400)


@pytest.mark.parametrize(
    ("section", "soft", "hard"),
    [
        ({"soft": []}, (), ("battery_low",)),
        ({"hard": []}, ("game_running",), ()),
        ({"hard": ["game_running"]}, (), ("game_running",)),
        ({"soft": ["battery_low"]}, ("battery_low",), ()),
        ({"soft": ["session_active"], "hard": ["metered"]}, ("session_active",), ("metered",)),
    ],
)
def test_what_is_named_replaces_the_default(section: Any, soft: Any, hard: Any) -> None:
    inhibit = parse_spec(document(inhibit=section)).inhibit
    assert (inhibit.soft, inhibit.hard) == (soft, hard)
    assert inhibit.active(overdue=False) == (*soft, *hard)
    assert inhibit.active(overdue=True) == hard


def test_what_is_there_may_be_written_out() -> None:
    assert parse_spec(document(mode="push", on_failure="hold")).id == "r1"


def test_a_window_as_it_is_written() -> None:
    spec = parse_spec(night(days=["sat", "sun"], tz="Europe/Berlin"))
    (window,) = spec.windows.apply
    assert (window.days, window.start, window.length) == (frozenset({5, 6}), 180, 7200)
    assert window.zone == "Europe/Berlin"
    assert parse_spec(night(tz="device")).windows == parse_spec(night()).windows


MIDDLE = {
    "success_threshold": 90,
    "min_coverage": 60,
    "min_sample": 1,
    "max_failures": "5%",
    "soak": 1800,
    "coverage_timeout": 72 * 3600,
    "on_coverage_timeout": "hold",
    "accept_floor": 20,
    "approve": "never",
    "analysis": (),
}
CANARY = {**MIDDLE, "min_coverage": 100, "max_failures": 0, "soak": 7200}
LAST = {**MIDDLE, "min_coverage": 90, "coverage_timeout": 14 * 86400, "on_coverage_timeout": "accept"}


@pytest.mark.parametrize(("index", "name", "rules"), [(0, "canary", CANARY), (1, "early", MIDDLE), (2, "rest", LAST)])
def test_default_rules_of_a_wave(index: int, name: str, rules: dict[str, Any]) -> None:
    spec = parse_spec(waves({"name": "canary", "count": 1}, {"name": "early", "percent": 10}))
    assert len(spec.waves) == 3
    assert spec.waves[index].name == name
    assert vars(spec.waves[index].rules) == rules


def test_without_waves_everyone_is_in_the_last_one() -> None:
    (wave,) = parse_spec(document()).waves
    assert (wave.name, wave.count, wave.percent) == ("rest", None, None)
    assert vars(wave.rules) == LAST


def test_a_wave_of_100_percent_is_the_last_one_under_its_own_name() -> None:
    spec = parse_spec(waves({"name": "canary", "count": 1}, {"name": "all", "percent": 100, "soak": "5m"}))
    assert [wave.name for wave in spec.waves] == ["canary", "all"]
    assert vars(spec.waves[1].rules) == {**LAST, "soak": 300}
    assert spec.waves[1].percent is None


def test_a_wave_overrides_wave_defaults_and_these_override_ours() -> None:
    named = [{"name": "canary", "count": 1, "soak": "1h"}, {"name": "early", "percent": 10}]
    spec = parse_spec(document(waves=named, wave_defaults={"soak": "1m", "min_coverage": 70}))
    assert [wave.rules.soak for wave in spec.waves] == [3600, 60, 60]
    assert [wave.rules.min_coverage for wave in spec.waves] == [70, 70, 70]


def test_an_abort_of_no_percent_never_happens() -> None:
    assert parse_spec(document(abort={"percent": 0})).abort is None


REFUSALS = [
    # document, what the message says is wrong (with its path), part of the remedy
    ([], "spec.yml does not hold a mapping", "schema: 1"),
    (None, "spec.yml does not hold a mapping", "schema: 1"),
    ({}, "the key 'id' is missing", "never used before"),
    ({}, "the key 'schema' is missing", "`schema: 1`"),
    (without("schema"), "the top level: the key 'schema' is missing", "`schema: 1`"),
    (without("id"), "the top level: the key 'id' is missing", "never used before"),
    (document(schema=2), "schema: 1 was expected", "`schema: 1`"),
    (document(id="R 1"), "id: 'R 1'", "never used before"),
    (document(id="../r1"), "id: '../r1'", "never used before"),
    (document(id="r1\n"), "id: 'r1\\n'", "never used before"),
    (document(wave=[]), "the top level: unknown key 'wave'. Did you mean 'waves'?", "Known keys there: abort, apply"),
    (document(zzz=1), "unknown key 'zzz'.", "Known keys there"),
    (document(apply={"reboot_timeot": "5m"}), "apply: unknown key 'reboot_timeot'", "reboot_timeout"),
    (waves({"name": "c", "cuont": 1}), "waves[0]: unknown key 'cuont'. Did you mean 'count'?", "Known keys there"),
    (document(waves="all"), "waves: 'all' is not of type 'array'", "a list"),
    (document(selection="all"), "selection: 'all' is not of type 'object'", "a mapping"),
    (document(selection={"hosts": ["a"]}), "selection.hosts: ['a'] is not of type 'string'", "a text"),
    (document(selection={"hosts": ""}), "selection.hosts:", "empty"),
    (document(pace={"parallel": 0}), "pace.parallel: 0 is less than 1", "not less than 1"),
    (
        document(budget={"max_unavailable": 0}),
        "budget.max_unavailable: 0 is neither a count of at least 1 nor a percentage of at least 1",
        "from 1 on",
    ),
    (document(selection={"labels": {"d": None}}), "selection.labels.d: None is neither a value nor a list", "a text"),
    (document(selection={"labels": {"d": []}}), "selection.labels.d: [] is neither a value nor a list", "one entry"),
    (document(pace={"overshoot": -1}), "pace.overshoot: -1 is neither a count nor a percentage", '"5%"'),
    (document(pace={"on_failure": "stop"}), "pace.on_failure: 'stop' is not one of", "Choose one of halve, keep"),
    (document(abort={"percent": 101}), "abort.percent: 101 is more than 100", "With 0 no rollout is ever given up"),
    (document(budget={"max_unavailable": 0}), "budget.max_unavailable: 0 is neither", "Write a whole number"),
    (document(budget={"group_by": ["site"]}), "budget names no limit", "Add max_unavailable or min_available"),
    (document(wave_defaults={"approve": "always"}), "approve: 'always' is not one of", "never, before, after"),
    (document(pace={"parallel": 5.0}), "pace.parallel: 5.0 is not of type 'integer'", "a whole number"),
    (document(pace={"parallel": True}), "pace.parallel: True is not of type 'integer'", "a whole number"),
    (document(verify={"commands": ["true"]}), "verify.commands[0]: 'true' is not of type 'array'", "a list"),
    (document(verify={"commands": [[]]}), "verify.commands[0]:", "empty"),
    (document(supersedes=["r0", "r0"]), "supersedes:", "twice"),
    (waves({"name": "c", "percent": 101}), "waves[0].percent: 101 is more than 100", "from 1 to 100"),
    (waves({"name": "c", "percent": 0}), "waves[0].percent: 0 is less than 1", "from 1 to 100"),
    (waves({"name": "c", "percent": 10.0}), "waves[0].percent: 10.0", "from 1 to 100"),
    (waves({"name": "c", "percent": "10%"}), "waves[0].percent: '10%'", "from 1 to 100"),
    (waves({"name": "c", "count": 0}), "waves[0].count: 0 is less than 1", "not less than 1"),
    (waves({"name": "c", "count": 1.0}), "waves[0].count: 1.0", "a whole number"),
    (waves({"name": "Canary", "count": 1}), "waves[0].name: 'Canary'", "lower-case"),
    (waves({"count": 1}), "waves[0]: the key 'name' is missing", "lower-case"),
    (waves({"name": 17, "count": 1}), "waves[0].name: 17 is not of type 'string'", "in quotes"),
    (waves({"name": "c", "count": 1, "select": {}}), "waves[0].select:", "empty"),
    (waves({"name": "c", "count": 1, "select": {"since": datetime.date(2026, 1, 1)}}), "waves[0].select.since:", ""),
    (waves({"name": "c", "count": 1, "select": {"ring": ["a", "b"]}}), "waves[0].select.ring: ['a', 'b']", "a text"),
    (waves({"name": "c", "count": 1, "select": {1: "a"}}), "waves[0].select: 1 is not of type 'string'", "a text"),
    (waves({"name": "c"}), "waves[0] (c) must have exactly one of count and percent", "add one"),
    (waves({"name": "c", "count": 1, "percent": 5}), "waves[0] (c) must have exactly one of", "Remove one"),
    (
        waves({"name": "a", "percent": 50}, {"name": "b", "percent": 10}),
        "waves[1] (b): percent 10 is not more than the 50 before it",
        "cumulative",
    ),
    (
        waves({"name": "a", "percent": 10}, {"name": "b", "count": 2}, {"name": "c", "percent": 10}),
        "waves[2] (c): percent 10",
        "cumulative",
    ),
    (
        waves({"name": "a", "percent": 100}, {"name": "b", "count": 1}),
        "waves[1] (b) comes after a wave of 100 percent",
        "lower the percent",
    ),
    (waves({"name": "a", "count": 1}, {"name": "a", "percent": 9}), "waves: 'a' appears twice", "name of its own"),
    (waves({"name": "rest", "count": 1}), "waves: 'rest' appears twice", "implicit last"),
    (waves({"name": "c", "count": 1, "soak": "30"}), "waves[0].soak: '30' is not a duration", "90s, 30m, 2h or 14d"),
    (waves({"name": "c", "count": 1, "soak": 30}), "waves[0].soak: 30 is not of type 'string'", "90s, 30m"),
    (document(wave_defaults={"soak": "1 h"}), "wave_defaults.soak: '1 h' is not a duration", "90s, 30m"),
    (document(wave_defaults={"soak": "1h30m"}), "wave_defaults.soak: '1h30m' is not a duration", "90s, 30m"),
    (document(wave_defaults={"soak": "30m\n"}), "wave_defaults.soak: '30m\\n' is not a duration", "90s, 30m"),
    (document(stage={"timeout": "0s"}), "stage.timeout leaves no time", "a second at least"),
    (document(apply={"reboot_timeout": "0m"}), "apply.reboot_timeout leaves no time", "a second at least"),
    (document(verify={"timeout": "0s"}), "verify.timeout leaves no time", "a second at least"),
    (
        document(wave_defaults={"analysis": [{"name": "e", "command": ["a"], "timeout": "0s"}]}),
        "wave rest: analysis: e: timeout leaves no time",
        "a second at least",
    ),
    (document(apply={"contact_grace": "1w"}), "apply.contact_grace: '1w' is not a duration", "90s, 30m"),
    (document(apply={"contact_grace": "9999999d"}), "apply.contact_grace: '9999999d' is longer than", "90s, 30m"),
    (
        waves({"name": "c", "count": 1, "soak": "2d", "coverage_timeout": "1d"}),
        "wave c: soak is longer than coverage_timeout",
        "lengthen coverage_timeout",
    ),
    (document(stage={"rate": "1M"}), "stage: unknown key 'rate'", "`pace.download_rate` spreads"),
    (document(pace={"download_rate": 50}), "pace.download_rate: 50 is not of type 'string'", '"50M"'),
    (document(pace={"download_rate": "fast"}), "pace.download_rate: 'fast' is no number of bytes", "6.25M, 800k"),
    (document(pace={"download_rate": "0"}), "pace.download_rate: '0' is no number of bytes", "6.25M, 800k"),
    (
        document(wave_defaults={"analysis": [{"name": "e", "command": "check"}]}),
        "wave_defaults.analysis[0].command: 'check' is not of type 'array'",
        "Write a list there",
    ),
    (
        document(wave_defaults={"analysis": [{"name": "e", "command": ["a"]}, {"name": "e", "command": ["b"]}]}),
        "analysis: 'e' appears twice",
        "a name of its own",
    ),
    (
        document(wave_defaults={"analysis": [{"name": "e", "command": ["a"], "timeout": "5"}]}),
        "'5' is not a duration",
        "90s, 30m",
    ),
    (document(mode="pull"), "mode: 'pull' is not there yet, only 'push'", "run the rollout often"),
    (document(mode="mixed"), "mode: 'mixed' is not there yet", "the controller has to reach"),
    (document(gate="time_only"), "unknown key 'gate'", "fetch their releases by themselves"),
    (document(policy={}), "unknown key 'policy'", "fetch their releases by themselves"),
    (document(registry={"ring_tags": ["ring-0"]}), "registry: unknown key 'ring_tags'", "is not there yet"),
    (document(on_failure="revert_all"), "on_failure: 'revert_all' is not there yet", "the order `revert`"),
    (document(apply={"method": "natural"}), "apply: unknown key 'method'", "the user's own reboot"),
    (document(stage={"policy": "ahead"}), "stage.policy: 'ahead' is not one of", "with_reboot, parked"),
    (night(start="3:00"), "windows.apply[0].start: '3:00'", '"03:00"'),
    (night(start=180), "windows.apply[0].start: 180 is not of type 'string'", '"03:00"'),
    (night(start="24:00"), "windows.apply[0].start: '24:00'", '"03:00"'),
    (night(days=["Mon"]), "windows.apply[0].days[0]: 'Mon' is not one of", "one of mon, tue"),
    (night(days=[]), "windows.apply[0].days:", "empty"),
    (night(length="2"), "windows.apply[0].length: '2' is not a duration", "90m or 2h"),
    (night(tz="Europe/Berlim"), "windows.apply[0].tz: 'Europe/Berlim' is not a time zone", "tzdata"),
    (night(length="31m"), "windows.apply[0] is open for 31 minutes, and one device may take 32", "Lengthen the window"),
    (document(windows={"apply": [{"start": "03:00"}]}), "windows.apply[0]: the key 'length' is missing", "90m or 2h"),
    (document(inhibit={"soft": ["game"]}), "inhibit.soft[0]: 'game' is not one of", "one of session_active, game_"),
    (document(inhibit={"hard": ["metered"], "soft": ["metered"]}), "inhibit: 'metered' is both soft and hard", "never"),
    (document(inhibit={"battery_min": 0}), "inhibit.battery_min: 0 is less than 1", "not less than 1"),
    (document(inhibit={"disk_min": "5G"}), "inhibit.disk_min: '5G' is not of type 'integer'", "bytes"),
    (document(inhibit={"probe_error": "proceed"}), "inhibit.probe_error: 'proceed'", "one of defer, ignore"),
    (document(apply={"notify_user": "2d"}), "apply.notify_user: '2d' is longer than a day", "a day at most"),
    (waves({"name": "c", "count": 1, "max_failures": "5 %"}), "waves[0].max_failures: '5 %' is neither", '"5%"'),
    (waves({"name": "c", "count": 1, "max_failures": "101%"}), "waves[0].max_failures: '101%' is neither", '"5%"'),
    (waves({"name": "c", "count": 1, "max_failures": -1}), "waves[0].max_failures: -1 is neither", '"5%"'),
    (waves({"name": "c", "count": 1, "max_failures": 1.0}), "waves[0].max_failures: 1.0 is neither", '"5%"'),
    (waves({"name": "c", "count": 1, "on_coverage_timeout": "pass"}), "waves[0].on_coverage_timeout:", "one of"),
    (without("variants"), "spec.yml must say what to roll out in exactly one way", "`release:`"),
    (document(release="r.json"), "spec.yml must say what to roll out in exactly one way", "`variants:`"),
    (document(variants=[]), "variants:", "empty"),
    (document(variants=[{"name": "kde", "image": "r.example/os"}]), "variants[0]: the key 'digest' is", "release file"),
    (document(variants=[{"name": "kde", "digest": digest("a")}]), "variants[0]: the key 'image' is missing", "tag"),
    (variant(digest="sha256:abc"), "variants[0].digest: 'sha256:abc' is not a digest", "release file"),
    (variant(digest=digest("A")), "is not a digest", "release file"),
    (variant(digest=digest("a") + "\n"), "is not a digest", "release file"),
    (variant(version=44.2), "variants[0].version: 44.2 is not of type 'string'", "quotes"),
    (variant(image="registry.example/os:44"), "variant kde: image 'registry.example/os:44'", "without a tag"),
    (variant(image="registry.example:5000/os:44"), "is not a repository", "without a tag"),
    (variant(image="registry.example/os@" + digest("a")), "is not a repository", "without a tag"),
    (variant(image="os"), "variant kde: image 'os' is not a repository", "without a tag"),
    (document(variants=[KDE, KDE]), "variants: 'kde' appears twice", "name of its own"),
]


@pytest.mark.parametrize(("spec", "cause", "remedy"), REFUSALS, ids=lambda value: str(value)[:60])
def test_refusal_says_where_what_and_the_remedy(spec: object, cause: str, remedy: str) -> None:
    error = refused(spec)
    assert error.reason == "invalid_spec"
    assert cause in error.cause
    assert error.remedy
    assert remedy in error.remedy
    assert str(error) == f"{error.cause} {error.remedy}"


def test_all_violations_are_told_at_once() -> None:
    error = refused(document(id="R", pace={"parallel": 0}, zzz=1))
    assert [mark in error.cause for mark in ("(1)", "(2)", "(3)", "(4)")] == [True, True, True, False]
    assert "never used before" in error.remedy
    assert "not less than 1" in error.remedy


def test_a_repository_on_a_port_is_no_tag() -> None:
    spec = parse_spec(document(variants=[GNOME]))
    assert spec.variants[0].image == "registry.example:5000/team/gnome"


RELEASE = {"version": "1.1.0", "variants": [{**KDE, "version": "1.1.0", "size": 5, "created": None}, GNOME]}
FOR_OTHERS = {"tags": ["kde-v1", "kde-latest"], "moving_tags": ["kde-latest"], "parent": None, "platforms": {}}


def test_a_release_file_supplies_the_variants() -> None:
    spec = parse_spec({"schema": 1, "id": "r1", "release": "release.json"}, release=RELEASE)
    assert [(v.name, v.digest, v.version, v.size) for v in spec.variants] == [
        ("kde", digest("a"), "1.1.0", 5),
        ("gnome", digest("b"), None, None),
    ]
    assert spec.document["variants"][0] == {**KDE, "version": "1.1.0", "size": 5}
    more = {**RELEASE, "variants": [{**one, **FOR_OTHERS} for one in RELEASE["variants"]]}
    same = parse_spec({"schema": 1, "id": "r1", "release": "release.json"}, release=more)
    assert same.fingerprint == spec.fingerprint


@pytest.mark.parametrize(
    ("release", "cause"),
    [
        (None, "release.json (named as release in spec.yml) is not a release file"),
        ([], "is not a release file"),
        ({"variants": {}}, "is not a release file"),
        ({"variants": []}, "release.json"),
        ({"variants": [{"name": "kde", "image": "r.example/os"}]}, "variants[0]: the key 'digest' is missing"),
        ({"variants": [{**KDE, "image": "r.example/os:1"}]}, "is not a repository"),
        ({"variants": [KDE, KDE]}, "'kde' appears twice"),
    ],
)
def test_a_bad_release_file_is_refused_by_name(release: object, cause: str) -> None:
    error = refused({"schema": 1, "id": "r1", "release": "release.json"}, release=release)
    assert cause in error.cause
    assert error.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "r2"},
        {"variants": [{**KDE, "digest": digest("b")}]},
        {"variants": [KDE, GNOME]},
        {"selection": {"hosts": "all"}},
        {"waves": [{"name": "canary", "count": 1}]},
        {"pace": {"parallel": 10}},
        {"apply": {"contact_grace": "24h"}},
        {"verify": {"commands": [["true"]]}},
        {"windows": {"apply": [{"start": "03:00", "length": "2h"}]}},
        {"inhibit": {"soft": []}},
        {"supersedes": ["r0"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_any_change_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert parse_spec(document(**changes)).fingerprint != parse_spec(document()).fingerprint


def test_the_order_of_keys_does_not_change_the_fingerprint() -> None:
    turned = dict(reversed(list(document().items())))
    assert parse_spec(turned).fingerprint == parse_spec(document()).fingerprint


def test_another_release_file_under_the_same_name_changes_the_fingerprint() -> None:
    named = {"schema": 1, "id": "r1", "release": "release.json"}
    other = {"variants": [{**KDE, "digest": digest("c")}, GNOME]}
    assert parse_spec(named, release=RELEASE).fingerprint != parse_spec(named, release=other).fingerprint


def test_text_that_is_no_valid_unicode_has_a_fingerprint_too() -> None:
    assert parse_spec(document(verify={"commands": [["echo", "\udcff"]]})).fingerprint


def _read(path: Path, content: str) -> Spec:
    path.write_text(content, encoding="utf-8")
    return read_spec(path)


def test_a_spec_file_finds_its_release_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text(
        f'{{"variants": [{{"name": "kde", "image": "r.example/os", "digest": "{digest("a")}"}}]}}', encoding="utf-8"
    )
    spec = _read(tmp_path / "spec.yml", "schema: 1\nid: r1\nrelease: release.json\n")
    assert spec.variants[0].digest == digest("a")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("schema: [", "is not YAML"),
        ("version: 2026-02-30", "is not YAML"),
        ("schema: 1\nschema: 1\nid: r1", "appears twice"),
        ("\x00", "is not YAML"),
        ("schema: 1\nid: r1\nrelease: gone.json", "Cannot read the release file"),
        ("- a", "does not hold a mapping"),
        ("", "does not hold a mapping"),
    ],
)
def test_a_file_that_is_no_spec_is_named(tmp_path: Path, content: str, cause: str) -> None:
    with pytest.raises(RolloutError) as caught:
        _read(tmp_path / "spec.yml", content)
    assert caught.value.reason == "invalid_spec"
    assert cause in caught.value.cause
    assert str(tmp_path) in caught.value.cause
    assert caught.value.remedy


def test_a_missing_spec_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"Cannot read the rollout spec .*gone\.yml: No such file"):
        read_spec(tmp_path / "gone.yml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("30m", 1800), ("2h", 7200), ("14d", 1209600), ("007m", 420)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text, "soak") == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "1.5h", "-1s", "1H", " 1h", "1h ", "1h\n", "1h30m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(RolloutError, match=r"patience: .* is not a duration"):
        parse_duration(text, "patience")


@pytest.mark.parametrize(
    ("limit", "of", "devices"), [(3, 100, 3), ("5%", 19, 0), ("5%", 20, 1), ("5%", 39, 1), ("100%", 7, 7), ("0%", 9, 0)]
)
def test_a_failure_limit_is_rounded_down(limit: int | str, of: int, devices: int) -> None:
    assert share(limit, of) == devices


@pytest.mark.parametrize(("percent", "of", "devices"), [(60, 5, 3), (60, 6, 4), (1, 1, 1), (0, 9, 0), (100, 9, 9)])
def test_a_coverage_is_rounded_up(percent: int, of: int, devices: int) -> None:
    assert percent_of(percent, of) == devices


def test_a_plan_on_record_may_have_a_timeout_that_a_spec_may_not() -> None:
    assert load_spec(document(stage={"timeout": "0s"}), "the recorded plan").stage.timeout == 0
