# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a repository stays, what goes, and why."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.channel_moves import digests_of_moves, read_moves
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.graph import Graph, Node, node_of, subject_of_tag
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import parse_manifest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.retention import (
    Fleet,
    Rules,
    decide,
    deletion_order,
    digests_in,
    fits_nothing,
    freed_bytes,
    moving_tags,
    ranks,
    read_fleet,
    refusal,
    remember,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.versions import version_key

NOW = 1_800_000_000.0
DAY = 86400.0
LABEL = "org.opencontainers.image.created"
REPOSITORY = parse_reference("r.example/os")


def sha(name: str) -> str:
    return "sha256:" + name.encode().hex().ljust(64, "0")[:64]


def node(name: str, *tags: str, children: tuple[str, ...] = (), about: tuple[str, ...] = (), **more: object) -> Node:
    kind = "index" if children else "artifact" if about else "image"
    return Node(sha(name), kind, tags, tuple(map(sha, children)), tuple(map(sha, about)), **more)  # type: ignore[arg-type]


def graph_of(*nodes: Node) -> Graph:
    return Graph({entry.digest: entry for entry in nodes})


def kept(graph: Graph, rules: Rules, fleet: Fleet | None = None) -> set[str]:
    return {x.node.digest for x in decide(graph, rules, fleet or Fleet(), NOW) if x.kept}


def rules_of(graph: Graph, rules: Rules, name: str, fleet: Fleet | None = None) -> list[str]:
    (found,) = [x for x in decide(graph, rules, fleet or Fleet(), NOW) if x.node.digest == sha(name)]
    return [reason.rule for reason in found.reasons]


TREE = graph_of(
    node("index", "kde-v1", children=("amd", "arm", "absent")),
    node("amd"),
    node("arm"),
    node("signature", subject_of_tag.__name__, about=("index",)),
    node("bundles", children=("bundle",), about=("arm",)),
    node("bundle", about=("arm",)),
    node("other", "gnome-v1"),
)


def test_what_is_kept_brings_its_images_and_all_that_is_about_any_of_them() -> None:
    everything = set(TREE.nodes) - {sha("other")}
    assert kept(TREE, Rules(tags=("kde-v1",))) == everything
    assert rules_of(TREE, Rules(tags=("kde-*",)), "index") == ["channel"]
    assert rules_of(TREE, Rules(tags=("kde-*",)), "arm") == ["listed", "subject", "subject"]
    assert rules_of(TREE, Rules(tags=("kde-*",)), "other") == ["no_rule"]


def test_the_index_of_an_image_that_a_device_runs_stays_with_its_signature() -> None:
    fleet = Fleet({sha("arm"): ("deck-01 (booted)",)})
    assert kept(TREE, Rules(), fleet) == set(TREE.nodes) - {sha("other")}
    assert rules_of(TREE, Rules(), "index", fleet) == ["lists"]


def test_a_signature_that_is_named_keeps_what_it_is_about() -> None:
    assert sha("arm") in kept(TREE, Rules(digests={sha("bundle"): "a file"}))


def test_a_device_that_reports_the_digest_of_the_configuration_is_understood() -> None:
    graph = graph_of(node("a", "v1", config=sha("config")), node("b", "v2"))
    assert kept(graph, Rules(), Fleet({sha("config"): ("deck-01 (booted)",)})) == {sha("a")}


def test_signatures_of_images_that_are_gone_go() -> None:
    graph = graph_of(node("a", "v1"), node("signature", "sha256-00.sig", about=("gone",)))
    decisions = decide(graph, Rules(tags=("v1",)), Fleet(), NOW)
    assert [x.reasons[0].detail for x in decisions if not x.kept] == [
        f"What it is about, {sha('gone')}, is not here any more."
    ]


def test_the_last_releases_of_each_variant_stay() -> None:
    tags = ["kde-v1.0.0", "kde-v1.9.0", "kde-v1.10.0", "kde-v1.10.0-rc1", "gnome-v1.0.0", "kde-latest"]
    graph = graph_of(*(node(f"n{number}", tag) for number, tag in enumerate(tags)))
    assert kept(graph, Rules(last=2)) == {sha("n2"), sha("n3"), sha("n4")}
    assert kept(graph, Rules(last=1)) == {sha("n2"), sha("n4")}
    (oldest,) = [x for x in decide(graph, Rules(last=2), Fleet(), NOW) if "kde-v1.0.0" in x.node.tags]
    assert oldest.reasons[0].detail == (
        "No rule keeps it: kde-v1.0.0 is number 4 of the releases of kde, counted from the newest."
    )


def test_images_for_one_architecture_are_no_releases_of_their_own() -> None:
    tags = ["kde-v2-amd64", "kde-v2-arm64", "kde-v2", "kde-v1", "kde-v1-arm64", "kde-v1-arm-v7"]
    assert {tag: place for tag, (_variant, _version, place) in ranks(tags, "{variant}-v{version}").items()} == {
        "kde-v2-amd64": 1,
        "kde-v2-arm64": 1,
        "kde-v2": 1,
        "kde-v1": 2,
        "kde-v1-arm64": 2,
        "kde-v1-arm-v7": 2,
    }


def test_a_variant_that_looks_like_a_version_of_another_is_one_of_its_own() -> None:
    tags = ["steam-v2-v1.0", "steam-v2-v2.0", "steam-v9.0", "steam-v1.0", "gone-v1.0"]
    graph = graph_of(*(node(f"n{number}", tag) for number, tag in enumerate(tags)))
    assert kept(graph, Rules(last=1, variants=("steam", "steam-v2"))) == {sha("n1"), sha("n2"), sha("n4")}
    # Without the names nobody knows, so both are kept, and take the place of no release.
    assert kept(graph, Rules(last=1)) == {sha("n0"), sha("n1"), sha("n2"), sha("n4")}
    assert rules_of(graph, Rules(last=1), "n0") == ["unknown_version"]


def test_a_variant_that_ends_like_a_version_pushes_no_release_of_another_out() -> None:
    tags = ["steam-1.0", "steam-1.1", "steam-2-1.0", "steam-2-1.1", "kde-53-2", "kde-53"]
    graph = graph_of(*(node(f"n{number}", tag) for number, tag in enumerate(tags)))
    both = "{variant}-{version}"
    assert kept(graph, Rules(last=1, release_tag=both)) == {sha(f"n{number}") for number in (1, 2, 3, 4, 5)}
    assert rules_of(graph, Rules(last=1, release_tag=both), "n2") == ["unknown_version"]
    # With the names it is known, and a version may have such a mark in it.
    named = Rules(last=1, release_tag=both, variants=("steam", "steam-2", "kde"))
    assert kept(graph, named) == {sha("n1"), sha("n3"), sha("n4")}


def test_a_release_whose_version_cannot_be_ordered_stays_while_releases_do() -> None:
    tags = ["kde-vf41.1", "kde-v2", "kde-v1", "kde-stable", "kde-vulkan-v1"]
    graph = graph_of(*(node(f"n{number}", tag) for number, tag in enumerate(tags)))
    assert kept(graph, Rules(last=1)) == {sha("n0"), sha("n1"), sha("n4")}
    assert kept(graph, Rules(last=1, variants=("kde",))) == {sha("n0"), sha("n1"), sha("n4")}
    assert rules_of(graph, Rules(last=1), "n0") == ["unknown_version"]
    assert kept(graph, Rules(tags=("kde-stable",))) == {sha("n3")}


def line(channel: str, operation: str, before: str | None, after: str, state: str = "done", *, undoes: str = "") -> str:
    names = {"from": before and sha(before), "to": sha(after), "verb": operation.partition("-")[2], "state": state}
    document = {**names, "image": "r.example/os", "tag": channel, "operation": operation, "undoes": undoes or None}
    return json.dumps(document) + "\n"


def back_to(journal: str, promotions: int, **current: str) -> dict[str, str]:
    has = {tag.replace("_", "-"): sha(name) for tag, name in current.items()}
    return digests_of_moves(read_moves(journal, REPOSITORY), promotions, has)


def test_what_channels_can_go_back_to_is_in_their_journal() -> None:
    moves = [
        line("kde-stable", "1-promote", None, "a"),
        line("kde-stable", "2-promote", "a", "b"),
        line("gnome-stable", "2-promote", None, "g"),
        line("kde-stable", "3-promote", "b", "c", "begun"),
        line("kde-stable", "3-promote", "b", "c", "failed"),
        line("kde-stable", "4-demote", "c", "b"),
    ]
    last = back_to("".join(moves), 1)
    assert set(last) == {*map(sha, "abcg")}, "the promotion that failed is none of the last"
    assert set(back_to("".join([*moves[:3], moves[5]]), 1)) == {*map(sha, "abcg")}
    assert set(back_to("".join(moves[:3]), 1)) == {*map(sha, "abg")}
    assert last[sha("g")] == "the channel gnome-stable, which 2-promote moved"
    assert set(back_to("".join(moves) + "torn", 2)) == {*map(sha, "abcg")}
    assert back_to("".join(moves), 0) == {}
    assert read_moves("".join(moves), parse_reference("r.example/other")) == {}
    assert set(read_moves("".join(moves), parse_reference("r.example:443/os"))) == {"kde-stable", "gnome-stable"}
    with pytest.raises(ValueError, match="line 2 is not one of a journal"):
        read_moves(moves[0] + "{}\n", REPOSITORY)


def test_promotions_that_were_taken_back_are_none_of_the_last() -> None:
    start = line("kde-stable", "0-promote", "z", "a") + line("kde-stable", "1-promote", "a", "b")
    undone = "".join(
        line("kde-stable", f"{name}-promote", "b", name)
        + line("kde-stable", f"{name}-undo", name, "b", undoes=f"{name}-promote")
        for name in "cde"
    )
    assert {sha("a"), sha("z")} <= set(back_to(start + undone, 2))
    assert sha("z") not in back_to(start + undone, 1)
    demoted = start + line("kde-stable", "2-promote", "b", "c") + line("kde-stable", "3-demote", "c", "b")
    assert set(back_to(demoted, 1)) == {*map(sha, "abc")}
    again = line("kde-stable", "4-undo", "b", "c", undoes="3-demote")
    assert set(back_to(demoted + again, 1)) == {*map(sha, "bc")}, "the demotion was undone, so the promotion stands"


def test_where_a_demotion_of_what_a_channel_has_now_would_go_stays() -> None:
    moves = line("kde-stable", "1-promote", "a", "b") + line("kde-stable", "2-promote", "x", "c")
    assert sha("a") not in back_to(moves, 1, kde_stable="c")
    assert back_to(moves, 1, kde_stable="b")[sha("a")] == "the channel kde-stable, which had it before what it has now"


def test_hosts_without_bootc_are_no_devices() -> None:
    assert read_fleet([{"host": "server", "bootc": {"is_bootc": False}}], REPOSITORY).devices == 0
    assert read_fleet([{"host": "asleep"}, {"host": "server", "bootc": {"is_bootc": False}}], REPOSITORY).devices == 1


def test_of_a_release_file_only_images_count() -> None:
    variant = {
        **{"name": "kde", "digest": sha("image"), "config_digest": sha("config"), "input_hash": sha("input")},
        "layers": [{"digest": sha("layer"), "size": 7}],
    }
    assert digests_in(json.dumps({"version": "1", "variants": [variant]})) == [sha("image")]
    plan = {"variants": [variant], "targets": [{"accept": [sha("before")]}]}
    assert digests_in(json.dumps(plan)) == [sha("before"), sha("image")]
    assert digests_in(json.dumps({"layers": [sha("a")]})) == [sha("a")]


def test_tags_of_signatures_are_no_releases() -> None:
    assert ranks([f"sha256-{'1' * 64}.sig", "x-2"], "{variant}-{version}") == {"x-2": ("x", "2", 1)}


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("1.0.0-rc1", "1.0.0"), ("1.0.0", "1.0.0.1"), ("53-2", "53-3"), ("20261101", "20261123")],
)
def test_versions_are_ordered_part_by_part(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


@pytest.mark.parametrize("template", ["{variant}", "v1", "{version}{version}", "{variant}{variant}-{version}"])
def test_a_template_without_a_version_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="no template of release tags"):
        ranks([], template)


def test_what_is_young_stays_and_what_does_not_tell_too() -> None:
    graph = graph_of(
        node("young", "a", created=NOW - DAY),
        node("old", "b", created=NOW - 40 * DAY),
        node("silent", "c"),
        node("index", "d", children=("child", "attestation")),
        node("child", created=NOW - 50 * DAY),
        node("attestation"),
        node("signature", about=("old",)),
    )
    assert kept(graph, Rules(younger=30 * DAY)) == {sha("young"), sha("silent")}
    assert rules_of(graph, Rules(younger=30 * DAY), "silent") == ["unknown_age"]
    assert kept(graph, Rules(younger=45 * DAY)) == {sha("young"), sha("silent"), sha("old"), sha("signature")}


def test_indexes_go_before_their_images_and_images_before_their_signatures() -> None:
    order = [x.node.digest for x in deletion_order(decide(TREE, Rules(), Fleet(), NOW))]
    assert len(order) == len(TREE.nodes)
    assert order.index(sha("index")) < min(order.index(sha("amd")), order.index(sha("arm")))
    assert max(order.index(sha("amd")), order.index(sha("arm"))) < order.index(sha("bundles"))
    assert order.index(sha("bundles")) < order.index(sha("bundle"))


def test_only_blobs_that_nothing_kept_has_are_freed() -> None:
    graph = graph_of(
        node("a", "v1", blobs={sha("base"): 100, sha("one"): 10}),
        node("b", "v2", blobs={sha("base"): 100, sha("two"): 7}),
    )
    assert freed_bytes(decide(graph, Rules(tags=("v2",)), Fleet(), NOW)) == 10


def test_every_digest_of_a_device_counts_and_the_tag_it_follows() -> None:
    status = {
        "is_bootc": True,
        "booted": {"digest": sha("a")},
        "staged": None,
        "rollback": {"digest": sha("b")},
        "others": [{"digest": sha("c")}],
        "pinned": [sha("d")],
        "spec_image": {"image": "r.example/os:kde-stable", "transport": "registry"},
    }
    elsewhere = {**status, "spec_image": {"image": "r.example/other:x"}, "others": [], "pinned": []}
    fleet = read_fleet(
        [
            {"host": "deck-01", "bootc": status},
            {"host": "deck-02", "bootc": elsewhere},
            {"host": "asleep", "bootc": None},
            {"host": "server", "bootc": {"is_bootc": False}},
        ],
        REPOSITORY,
    )
    assert fleet.digests == {
        sha("a"): ("deck-01 (booted)", "deck-02 (booted)"),
        sha("b"): ("deck-01 (rollback)", "deck-02 (rollback)"),
        sha("c"): ("deck-01 (kept)",),
        sha("d"): ("deck-01 (pinned)",),
    }
    assert fleet.follows == {"kde-stable": ("deck-01",)}
    assert fleet.unknown == ("asleep",)
    graph = graph_of(node("stable", "kde-stable"), node("x", "kde-v1"))
    assert rules_of(graph, Rules(), "stable", fleet) == ["followed"]


def test_a_device_that_sleeps_counts_with_what_it_told_before() -> None:
    status = {"is_bootc": True, "booted": {"digest": sha("a"), "image": "x"}, "rollback": None, "pinned": [sha("b")]}
    told = [{"host": "deck-01", "bootc": status}, {"host": "deck-02"}]
    memory = remember(told, {"deck-03": {"is_bootc": False}}, "2026-11-01T10:00:00Z")
    assert sorted(memory) == ["deck-01", "deck-03"]
    asleep = [{"host": "deck-01", "bootc": None}, {"host": "deck-02", "bootc": {"is_bootc": True, "booted": None}}]
    fleet = read_fleet(asleep, REPOSITORY, memory)
    assert fleet.digests == {
        sha("a"): ("deck-01 (booted, seen 2026-11-01)",),
        sha("b"): ("deck-01 (pinned, seen 2026-11-01)",),
    }
    assert (fleet.unknown, fleet.remembered) == (("deck-02",), ("deck-01",))
    assert remember(asleep, memory, "later") == memory


SILENT = {"digest": None, "image": None}
LAYERED = {**SILENT, "incompatible": True}


@pytest.mark.parametrize(
    "slots",
    [
        {"booted": LAYERED, "rollback": {"digest": sha("b")}},
        {"booted": SILENT, "rollback": {"digest": sha("b")}},
        {"booted": {"digest": sha("b")}, "rollback": LAYERED},
        {"booted": {"digest": sha("b")}, "staged": LAYERED},
        {"booted": {"digest": sha("b")}, "others": [LAYERED]},
        {"booted": {"digest": sha("b")}, "rollback": {"digest": "v1", "image": "r.example/os:x"}},
        {"booted": None, "rollback": {"digest": sha("b")}},
    ],
)
def test_a_device_that_does_not_name_the_image_of_each_deployment_is_unknown_and_keeps_all_it_ever_named(
    slots: dict[str, object],
) -> None:
    fleet = [{"host": "deck-01", "bootc": {"is_bootc": True, "spec_image": {"image": "r.example/os:kde"}, **slots}}]
    once = {"is_bootc": True, "booted": {"digest": sha("a")}, "rollback": {"digest": sha("b")}}
    memory = remember([{"host": "deck-01", "bootc": once}], {}, "2026-11-01T10:00:00Z")
    for before, digests in (({}, {sha("b")}), (memory, {sha("a"), sha("b")})):
        found = read_fleet(fleet, REPOSITORY, before)
        assert (found.unknown, found.remembered, found.devices) == (("deck-01",), (), 1)
        assert (set(found.digests), set(found.follows)) == (digests, {"kde"})
        after = remember(fleet, before, "later")
        assert remember(fleet, after, "later") == after
        for today in (None, {"is_bootc": False}):
            silent = read_fleet([{"host": "deck-01", "bootc": today}], REPOSITORY, after)
            assert (silent.unknown, silent.remembered, silent.devices) == (("deck-01",), (), 1)
            assert set(silent.digests) == digests
            assert remember([{"host": "deck-01", "bootc": today}], after, "even later") == after
        assert (
            read_fleet(
                [{"host": "deck-01"}], REPOSITORY, remember([{"host": "deck-01", "bootc": once}], after, "now")
            ).unknown
            == ()
        )


def test_a_memory_without_the_digest_of_what_was_booted_keeps_the_rest() -> None:
    memory = {
        "deck-01": {"is_bootc": True, "booted": {"digest": None}, "rollback": {"digest": sha("b")}, "seen": "2026"}
    }
    for today in (None, {"is_bootc": False}):
        fleet = [{"host": "deck-01", "bootc": today}]
        found = read_fleet(fleet, REPOSITORY, memory)
        assert (found.unknown, set(found.digests)) == (("deck-01",), {sha("b")})
        assert remember(fleet, memory, "later") == memory


def test_a_plain_system_from_before_the_first_switch_needs_no_image() -> None:
    status = {"is_bootc": True, "booted": {"digest": sha("a")}, "rollback": {**SILENT, "incompatible": False}}
    fleet = [{"host": "deck-01", "bootc": status}]
    assert read_fleet(fleet, REPOSITORY).unknown == ()
    memory = remember(fleet, {}, "2026-11-01T10:00:00Z")
    assert read_fleet([{"host": "deck-01"}], REPOSITORY, memory).remembered == ("deck-01",)


def test_that_a_device_once_ran_no_bootc_says_nothing_of_what_it_runs_now() -> None:
    server = [{"host": "server", "bootc": {"is_bootc": False}}]
    memory = remember(server, {}, "2026-11-01T10:00:00Z")
    assert read_fleet(server, REPOSITORY, memory).unknown == ()
    fleet = read_fleet([{"host": "server"}], REPOSITORY, memory)
    assert (fleet.unknown, fleet.remembered, fleet.devices) == (("server",), (), 1)


def test_a_device_that_runs_another_system_today_keeps_what_it_had() -> None:
    status = {"is_bootc": True, "booted": {"digest": sha("a")}, "rollback": {"digest": sha("b")}}
    memory = remember([{"host": "deck-01", "bootc": status}], {}, "2026-11-01T10:00:00Z")
    for today in ({"is_bootc": False}, {"is_bootc": False, "read_only": True}):
        other = [{"host": "deck-01", "bootc": today}]
        fleet = read_fleet(other, REPOSITORY, memory)
        assert set(fleet.digests) == {sha("a"), sha("b")}
        assert (fleet.remembered, fleet.unknown, fleet.devices) == (("deck-01",), (), 1)
        assert remember(other, memory, "later") == memory
    server = [{"host": "server", "bootc": {"is_bootc": False}}]
    assert read_fleet(server, REPOSITORY, remember(server, {}, "before")).devices == 0


def test_a_live_medium_says_nothing_of_the_disk() -> None:
    live = {"is_bootc": True, "booted": {"digest": sha("a")}, "read_only": True}
    assert read_fleet([{"host": "deck-01", "bootc": live}], REPOSITORY).unknown == ("deck-01",)
    assert remember([{"host": "deck-01", "bootc": live}], {}, "now") == {}


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("docker.io/os", "docker.io/library/os:stable"),
        ("docker.io/library/os", "index.docker.io/os:stable"),
        ("r.io/os", "r.io:443/os:stable"),
    ],
)
def test_a_followed_tag_is_known_by_any_name_of_its_repository(repository: str, image: str) -> None:
    status = {"is_bootc": True, "booted": {"digest": sha("a")}, "spec_image": {"image": image}}
    fleet = read_fleet([{"host": "deck-01", "bootc": status}], parse_reference(repository))
    assert fleet.follows == {"stable": ("deck-01",)}


def test_a_device_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="has no host"):
        read_fleet([{"bootc": {}}], REPOSITORY)


def test_digests_are_found_in_any_text() -> None:
    assert digests_in(f'{{"a": "{sha("a")}"}}\n{{"torn": "sha256:12') == [sha("a")]
    assert digests_in(f"{sha('a')}0") == []


@pytest.mark.parametrize(
    ("config", "created"),
    [
        ({"created": "1970-01-01T00:00:00Z"}, None),
        ({"created": "2026-11-01T10:00:00.123456789Z"}, 1793527200.0),
        ({"created": "1970-01-01T00:00:00Z", "config": {"Labels": {LABEL: "2026-11-01T12:00:00+02:00"}}}, None),
        ({"created": "yesterday", "config": None}, None),
        ({}, None),
    ],
)
def test_the_date_of_a_reproducible_build_is_none(config: dict[str, object], created: float | None) -> None:
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha("config"), "size": 2}
    raw = json.dumps({"schemaVersion": 2, "config": descriptor, "layers": []}).encode()
    assert node_of(parse_manifest(raw), ("v1",), config).created == created


def test_what_a_tag_tells_too_little_about_stays() -> None:
    graph = graph_of(node("signature", f"sha512-{'a' * 64}.sig"), node("old", "v1"), node("plain", "sha512-abc"))
    assert kept(graph, Rules(tags=("v2",))) == {sha("signature")}


def test_what_keeps_itself_does_not_stand_for_a_rule() -> None:
    graph = graph_of(node("signature", f"sha512-{'a' * 64}.sig"), node("old", "v1"))
    assert "the whole repository would go" in refused(graph, Rules(tags=("v2",)))
    assert not refused(graph, Rules(tags=("v1",)))


def refused(graph: Graph, rules: Rules, *devices: str) -> str:
    fleet = Fleet({sha(name): ("deck (booted)",) for name in devices}, devices=len(devices))
    decisions = decide(graph, rules, fleet, NOW)
    found = refusal(rules, fleet, decisions, told=True, no_devices=True, refuse_unknown=True)
    if found is None:
        return ""
    assert found.reason == "no_rules"
    return found.why


@pytest.mark.parametrize(
    ("fleet", "known", "reason"),
    [
        (Fleet(), {"told": False}, "no_fleet"),
        (Fleet(), {"no_devices": False}, "no_fleet"),
        (Fleet(), {}, None),
        (Fleet(unknown=("deck",), devices=1), {}, "unknown_devices"),
        (Fleet(unknown=("deck",), devices=1), {"refuse_unknown": False}, None),
    ],
)
def test_nothing_goes_before_it_is_known_what_devices_run(
    fleet: Fleet, known: dict[str, bool], reason: str | None
) -> None:
    rules = Rules(tags=("v1",))
    decisions = decide(graph_of(node("v1", "v1"), node("v2", "v2")), rules, fleet, NOW)
    found = refusal(rules, fleet, decisions, **{"told": True, "no_devices": True, "refuse_unknown": True, **known})
    assert (found and found.reason) == reason
    assert found is None or found.why.endswith("Nothing was deleted.")


def test_rules_that_fit_nothing_are_no_rules_whatever_devices_have() -> None:
    graph = graph_of(*(node(tag, tag) for tag in ("v1.0", "v1.1", "v0.9", "kde-stable")))
    for wrong in (Rules(("*-stabel",)), Rules(last=3), Rules(("*-stabel",), 3)):
        assert "fit nothing, so all would go but what devices have" in refused(graph, wrong, "v0.9")
    assert "no tag fits release_tag" in refused(graph, Rules(("*-stable",), 3), "v0.9")
    assert not refused(graph, Rules(("*-stabel",), 1, "v{version}"), "v0.9")
    assert not refused(graph, Rules(), "v0.9")
    assert fits_nothing(graph.tags(), Rules(("*-stabel", "v*"), 1)) == (["*-stabel"], True)
    only_channels = graph_of(node("kde-stable", "kde-stable"))
    assert not refused(only_channels, Rules(("*-stable",), 3))


def test_tags_of_releases_do_not_move_unless_somebody_names_or_follows_them() -> None:
    tags = ["kde-v1", "kde-v2", "kde-v3", "kde-v4", "kde-stable", "odd", f"sha256-{'1' * 64}.sig"]
    rules = Rules(("kde-v1", "kde-*"))
    moving = moving_tags(tags, rules, Fleet(follows={"kde-v2": ("deck",)}), ["kde-v3"])
    assert moving == {"kde-v1", "kde-v2", "kde-v3", "kde-stable", "odd"}
