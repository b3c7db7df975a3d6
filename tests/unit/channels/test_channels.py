# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels move by digest, only when nothing speaks against it, and can be taken back."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.guards import evidence_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.journal import open_journal, read_journal
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.model import ChannelError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import open_rollout, read_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, Target

ABSENT = "sha256:" + "0" * 64


class Killed(BaseException):
    """The end of a process, at a moment of the test's choice."""


def summary(phase="completed", canary="passed", devices=None, reverted_by=None, **digests):
    """A rollout that brought the digests; ``devices`` are variant, wave, whether it is proven and catches up."""
    brought = [(name, "canary", True, False) for name in digests]
    return {
        "id": "r1",
        "phase": phase,
        "reverted_by": reverted_by,
        "devices": [
            {"variant": variant, "wave": wave, "proven": proven, "catching_up": late}
            for variant, wave, proven, late in (brought if devices is None else devices)
        ],
        "variants": [{"name": name, "digest": digest} for name, digest in digests.items()],
        "waves": [{"name": "canary", "phase": canary}, {"name": "rest", "phase": "open"}],
    }


def test_a_promotion_is_predicted_done_and_then_left_alone(site):
    new = site.publish("1.1", "kde-testing")
    predicted = site.move("promote", dry_run=True)
    assert ([step.after.digest for step in predicted.steps], site.at("kde-stable")) == ([new], None)
    assert not site.journal.exists()
    done = site.move("promote", why="the soak was quiet")
    assert site.at("kde-stable") == new
    assert [line["state"] for line in site.lines()] == ["begun", "done"]
    line = site.lines()[-1]
    assert (line["from"], line["to"], line["version"], line["tag"]) == (None, new, "1.1", "kde-stable")
    assert (line["operation"], line["why"]) == (done.operation, "the soak was quiet")
    assert "@" in line["by"]
    again = site.move("promote")
    assert (again.steps, again.operation, len(site.lines())) == ([], None, 2)


def test_a_release_does_not_skip_a_channel(site):
    new = site.publish("1.1", "kde-latest")
    site.publish("1.0", "kde-testing")
    with pytest.raises(ChannelError, match="is not in the channel testing") as raised:
        site.move("promote", source="latest")
    assert (raised.value.reason, site.at("kde-stable")) == ("refused", None)
    with pytest.raises(ChannelError, match="takes a reason") as raised:
        site.move("promote", source="latest", force=True)
    assert raised.value.reason == "invalid"
    site.move("promote", source="latest", force=True, why="a security fix")
    assert site.at("kde-stable") == new
    assert site.lines()[-1]["overruled"][0].startswith("skips: ")


@pytest.mark.parametrize(
    ("has", "gets", "refused"),
    [
        (("1.10", "2"), ("1.9", "3"), True),
        (("1.9", "3"), ("1.10", "2"), False),
        (("1.0.0", "2"), ("1.0.0-rc1", "3"), True),
        (("1.0.0-rc1", "3"), ("1.0.0", "2"), False),
        (("1.1", "2026-02-01T00:00:00Z"), ("1.1", "2026-01-01T00:00:00Z"), True),
        (("1.1", "2026-01-01T00:00:00Z"), ("1.1", "2026-02-01T00:00:00Z"), False),
        (("", "2026-02-01T00:00:00Z"), ("1.1", "2026-01-01T00:00:00Z"), True),
        (("1.1", "2026-01-01T23:30:00Z"), ("1.1", "2026-01-02T00:00:00+02:00"), True),
        (("1.1", "2026-01-02T00:00:00+02:00"), ("1.1", "2026-01-01T23:30:00.5Z"), False),
        (("1.1", "2026-02-01T00:00:00Z"), ("1.1", "1970-01-01T00:00:00Z"), False),
        (("1.2", "same"), ("next", "same"), False),
    ],
)
def test_an_older_release_is_refused_as_far_as_that_can_be_told(site, has, gets, refused):
    current = site.publish(has[0], "kde-stable", created=has[1])
    new = site.publish(gets[0], "kde-testing", created=gets[1])
    if refused:
        with pytest.raises(ChannelError, match="is older than"):
            site.move("promote")
        assert site.at("kde-stable") == current
    else:
        site.move("promote")
        assert site.at("kde-stable") == new


def test_all_variants_or_none(site):
    site.publish("1.1", "kde-testing")
    site.publish("1.0", "gnome-testing")
    site.publish("1.2", "gnome-stable")
    with pytest.raises(ChannelError, match=r"gnome: 1\.0"):
        site.move("promote", variants=["kde", "gnome"])
    assert site.at("kde-stable") is None
    with pytest.raises(ChannelError, match=r"nothing at .*hyprland-testing"):
        site.move("promote", variants=["kde", "hyprland"])
    assert site.at("kde-stable") is None
    assert not site.journal.read_text()


def test_a_channel_is_moved_only_from_what_was_expected(site):
    new, old = site.publish("1.1", "kde-testing"), site.publish("1.0", "kde-stable")
    for wrong in ("absent", ABSENT):
        with pytest.raises(RegistryError, match="was expected to be") as raised:
            site.move("promote", expected={"kde": wrong})
        assert (raised.value.kind, site.at("kde-stable")) == ("conflict", old)
    site.move("promote", expected={"kde": old})
    assert site.at("kde-stable") == new


def test_nothing_is_taken_out_where_a_variant_is_expected_that_is_not_meant(site):
    old, new = site.publish("1.0", "kde-v1.0"), site.publish("1.1", "kde-stable")
    back = {"version": "1.1", "why": "it hangs", "digests": {"kde": old}}
    with pytest.raises(ChannelError, match="expected of KDE") as raised:
        site.move("demote", **back, expected={"KDE": old})
    assert (raised.value.reason, site.at("kde-stable")) == ("invalid", new)
    site.move("demote", **back, expected={"kde": new})
    assert site.at("kde-stable") == old


def test_a_release_file_says_what_is_meant(site):
    new = site.publish("1.1", "kde-v1.1")
    release = site.folder / "release.json"
    others = {"name": "gnome-of-old", "digest": new, "image": "registry.other.example/os"}
    kde = {"name": "kde", "digest": new, "image": site.repository}
    release.write_text(json.dumps({"version": "1.1", "variants": [kde, others]}))
    site.move("promote", "latest", release=str(release))
    assert site.at("kde-latest") == new
    with pytest.raises(ChannelError, match="Which release of gnome"):
        site.move("promote", "latest", variants=["gnome"], release=str(release))
    with pytest.raises(ChannelError, match="Nothing comes before the channel latest"):
        site.move("promote", "latest")
    release.write_text(json.dumps({"version": "1.2", "variants": []}))
    for verb in ("promote", "demote"):
        with pytest.raises(ChannelError, match="has no variants"):
            site.move(verb, "latest", release=str(release), version="1.1", why="it hangs")
    release.write_text("[]")
    with pytest.raises(ChannelError, match="is not a release file"):
        site.move("promote", "latest", release=str(release))


@pytest.mark.parametrize("verb", ["promote", "demote"])
def test_a_release_file_of_another_repository_moves_no_channel_of_this_one(site, verb):
    old, new = site.publish("1.1", "kde-stable"), site.publish("1.2", "kde-testing")
    release = site.folder / "release.json"
    wanted = {"release": str(release), "version": "1.1", "why": "it hangs"}
    elsewhere = dict.fromkeys((f"{site.repository}/kde", "r.example/os"), "is of a release in")
    refused = {**elsewhere, "os": "is not a release file"}
    for image, said in refused.items():
        release.write_text(json.dumps({"variants": [{"name": "kde", "digest": new, "image": image}]}))
        with pytest.raises(ChannelError, match=said) as raised:
            site.move(verb, **wanted)
        assert (raised.value.reason, site.at("kde-stable")) == ("invalid", old)
    for place in ({"image": site.repository}, {}):
        release.write_text(json.dumps({"variants": [{"name": "kde", "digest": new, **place}]}))
        assert len(site.move(verb, **wanted, dry_run=True).steps) == 1


def test_a_rollout_has_to_have_brought_the_very_image(site):
    new = site.publish("1.1", "kde-testing")
    path = site.folder / "summary.json"
    cases = {
        "is held": summary("held", kde=new),
        "is running, not completed": summary("running", kde=new),
        "was taken back by r1-revert": summary(reverted_by="r1-revert", kde=new),
        "no device was seen to run": summary(devices=[("kde", "rest", False, False)], kde=new),
        "did not bring this variant": summary(gnome=new),
        f"brought {ABSENT}": summary(kde=ABSENT),
    }
    for said, document in cases.items():
        path.write_text(json.dumps(document))
        with pytest.raises(ChannelError, match=said):
            site.move("promote", rollout=str(path))
    path.write_text(json.dumps(summary(kde=new)))
    site.move("promote", rollout=str(path))
    assert site.at("kde-stable") == new


def test_the_ledger_of_a_rollout_is_looked_up_by_its_spec(site):
    new = site.publish("1.1", "kde-testing")
    spec = site.folder / "rollout.yml"
    variants = [{"name": "kde", "image": site.repository, "digest": new}]
    spec.write_text(json.dumps({"schema": 1, "id": "r2", "variants": variants}))
    with pytest.raises(RolloutError, match="There is no rollout in"):
        site.move("promote", rollout=str(spec))
    targets = {"kde": Target("kde", site.repository, new, (new,))}
    hosts = [Candidate("deck", "kde")]
    opened = open_rollout(
        site.folder / "rollouts", read_spec(spec), hosts, lambda _spec: targets, dry_run=False, deadline=0
    )
    with pytest.raises(ChannelError, match="the rollout r2 is running, not completed"):
        site.move("promote", rollout=str(spec))
    ledger = Ledger(site.folder / "rollouts", "r2")
    ledger.append([Event("completed", 1.0)], opened.epoch)
    with pytest.raises(ChannelError, match="no device was seen to run"):
        site.move("promote", rollout=str(spec))
    ledger.append([Event("succeeded", 1.0, "deck")], opened.epoch)
    site.move("promote", rollout=str(spec))
    assert site.at("kde-stable") == new


def test_a_rollout_that_was_taken_back_is_no_proof_whoever_has_its_devices_now(site):
    new = site.publish("1.1", "kde-testing")
    spec = site.folder / "rollout.yml"
    variants = [{"name": "kde", "image": site.repository, "digest": new}]
    spec.write_text(json.dumps({"schema": 1, "id": "r2", "variants": variants}))
    targets = {"kde": Target("kde", site.repository, new, (new,))}
    opened = open_rollout(
        site.folder / "rollouts",
        read_spec(spec),
        [Candidate("deck", "kde")],
        lambda _spec: targets,
        dry_run=False,
        deadline=0,
    )
    taken = {"hosts": ["deck"]}
    Ledger(site.folder / "rollouts", "r2").append(
        [
            Event("succeeded", 1.0, "deck"),
            Event("completed", 1.0),
            Event("hosts_superseded", 2.0, data={**taken, "by": "r2-revert", "reverts": True}),
            Event("hosts_superseded", 3.0, data={**taken, "by": "r3"}),
        ],
        opened.epoch,
    )
    with pytest.raises(ChannelError, match="the rollout r2 was taken back by r2-revert"):
        site.move("promote", rollout=str(spec))


def test_only_a_device_of_the_wave_that_was_named_proves_something_by_it(site):
    new = {variant: site.publish("1.1", f"{variant}-testing") for variant in ("kde", "gnome")}
    path = site.folder / "summary.json"
    elsewhere = [("gnome", "rest", True, False), ("gnome", "canary", True, True), ("gnome", "canary", False, False)]
    path.write_text(json.dumps(summary("running", devices=[("kde", "canary", True, False), *elsewhere], **new)))
    with pytest.raises(ChannelError, match=r"1 objection\. gnome: no device of its wave canary was seen to run 1\.1"):
        site.move("promote", variants=["kde", "gnome"], rollout=str(path), wave="canary")
    site.move("promote", rollout=str(path), wave="canary")
    assert site.at("kde-stable") == new["kde"]


@pytest.mark.parametrize(
    ("phase", "canary", "enough"),
    [
        ("running", "passed", True),
        ("running", "open", False),
        ("aborted", "passed", False),
        ("held", "passed", False),
        ("superseded", "passed", False),
    ],
)
def test_a_wave_that_passed_its_soak_can_be_enough(phase, canary, enough):
    assert (not evidence_of(summary(phase, canary), "canary").lacking) is enough


def test_what_is_no_summary_is_refused():
    with pytest.raises(ChannelError, match="neither a summary"):
        evidence_of({"phase": "completed"}, None)
    with pytest.raises(ChannelError, match="has no wave 'canry'; it has canary, rest"):
        evidence_of(summary(), "canry")


def test_a_release_is_taken_out_of_a_channel_and_does_not_come_back_unasked(site):
    old = site.publish("1.0", "kde-stable")
    bad = site.publish("1.1", "kde-testing")
    site.move("promote")
    assert site.at("kde-stable") == bad
    with pytest.raises(ChannelError, match="without a reason"):
        site.move("demote", version="1.1")
    with pytest.raises(ChannelError, match="Which release is taken out"):
        site.move("demote", why="it hangs")
    site.move("demote", version="v1.1", why="it hangs")
    assert site.at("kde-stable") == old
    assert site.move("demote", version="1.1", why="it hangs").steps == [], "taking it out twice is taking it out"
    with pytest.raises(ChannelError, match=r"was taken out of stable on .*: it hangs"):
        site.move("promote")
    site.move("promote", force=True, why="the firmware was to blame")
    assert site.at("kde-stable") == bad


def test_a_promotion_that_was_undone_does_not_come_back_unasked(site):
    site.publish("1.0", "kde-stable")
    new = site.publish("1.1", "kde-testing")
    site.move("promote")
    undo = site.move("undo", None, why="it hangs")
    with pytest.raises(ChannelError, match=r"was taken out of stable on .*: it hangs"):
        site.move("promote")
    site.move("undo", None, operation=undo.operation)
    site.publish("1.0", "kde-stable", created="by somebody else")
    site.move("promote")
    assert site.at("kde-stable") == new, "what was undone by mistake was never taken out"


def test_a_demotion_that_was_undone_took_nothing_out(site):
    site.publish("1.0", "kde-stable")
    new = site.publish("1.1", "kde-testing")
    site.move("promote")
    site.move("demote", version="1.1", why="it hangs")
    site.move("undo", None)
    assert site.at("kde-stable") == new
    site.publish("1.0", "kde-stable", created="by somebody else")
    site.move("promote")
    assert site.at("kde-stable") == new


def test_a_channel_that_is_not_there_is_not_said_to_be_rid_of_a_release(site):
    site.publish("1.1", "kde-stable")
    for wrong in ({"variants": ["kdee"]}, {"repository": f"{site.repository}x"}):
        with pytest.raises(ChannelError, match="There is nothing at") as raised:
            site.move("demote", version="1.1", why="it hangs", **wrong)
        assert raised.value.reason == "not_found"


def test_a_channel_whose_image_misses_a_part_can_be_moved_on_but_not_from(site):
    broken = site.publish_index_of_nothing("kde-stable")
    new = site.publish("1.1", "kde-testing")
    with pytest.raises(ChannelError, match=f"bootc_channel_version={broken}") as raised:
        site.move("demote", version="1.1", why="it hangs", digests={"kde": new})
    assert raised.value.reason == "not_found"
    site.move("demote", version=broken, why="half of it is gone", digests={"kde": new})
    assert site.at("kde-stable") == new
    site.publish_index_of_nothing("kde-stable")
    assert [step.before.digest for step in site.move("promote").steps] == [broken]
    assert site.at("kde-stable") == new
    site.publish_index_of_nothing("kde-testing")
    with pytest.raises(RegistryError) as raised:
        site.move("promote")
    assert (raised.value.kind, site.at("kde-stable")) == ("not_found", new)


def test_nothing_is_moved_when_one_variant_misses_the_image_of_a_platform(site):
    site.publish_index("kde-testing", amd64=site.publish("1.1", "a"), arm64=site.publish("1.1", "b"))
    half = site.publish_index("gnome-testing", amd64=site.publish("1.1", "c"), arm64=ABSENT)
    for dry_run in (True, False):
        with pytest.raises(RegistryError, match=f"{half} is an index whose image for linux/arm64, {ABSENT}") as raised:
            site.move("promote", variants=["kde", "gnome"], dry_run=dry_run)
        assert (raised.value.kind, site.at("kde-stable")) == ("not_found", None)


def test_a_channel_that_misses_the_image_of_a_platform_still_says_its_version(site):
    old = site.publish("1.0", "kde-v1.0")
    site.publish_index("kde-stable", amd64=site.publish("1.1", "a"), arm64=ABSENT)
    site.move("demote", version="1.1", why="half of it is gone", digests={"kde": old})
    assert site.at("kde-stable") == old


def test_a_release_goes_back_to_what_is_named_where_the_journal_does_not_know(site):
    old = site.publish("1.0", "kde-v1.0")
    site.publish("1.1", "kde-stable")
    with pytest.raises(ChannelError, match="is not in the journal"):
        site.move("demote", version="1.1", why="it hangs")
    with pytest.raises(ChannelError, match="Which release of kde is meant is not said: it is not among gnome"):
        site.move("demote", version="1.1", why="it hangs", digests={"gnome": old})
    site.move("demote", version="1.1", why="it hangs", digests={"kde": old})
    assert site.at("kde-stable") == old


def test_a_second_demotion_goes_further_back_and_not_forward(site):
    first = site.publish("1.0", "kde-stable")
    second = site.publish("1.1", "kde-testing")
    site.move("promote")
    site.publish("1.2", "kde-testing")
    site.move("promote")
    site.move("demote", version="1.2", why="a")
    assert site.at("kde-stable") == second
    site.move("demote", version="1.1", why="b")
    assert site.at("kde-stable") == first


def test_an_operation_is_undone_once(site):
    old = {variant: site.publish("1.0", f"{variant}-stable") for variant in ("kde", "gnome")}
    for variant in ("kde", "gnome"):
        site.publish("1.1", f"{variant}-testing")
    done = site.move("promote", variants=["kde", "gnome"])
    assert len(site.move("undo", None, dry_run=True).steps) == 2
    site.move("undo", None)
    assert {variant: site.at(f"{variant}-stable") for variant in old} == old
    assert site.lines()[-1]["undoes"] == done.operation
    assert site.move("undo", None).steps == [], "undoing twice is undoing"
    assert site.move("undo", None, operation=done.operation).steps == []


def test_what_somebody_else_moved_since_is_not_undone(site):
    old = site.publish("1.0", "kde-stable", "gnome-stable")
    for variant in ("kde", "gnome"):
        site.publish("1.1", f"{variant}-testing")
    site.move("promote", variants=["kde", "gnome"])
    moved = site.at("kde-stable")
    theirs = site.publish("1.2", "gnome-stable")
    with pytest.raises(RegistryError, match="gnome-stable was expected") as raised:
        site.move("undo", None)
    assert raised.value.kind == "conflict"
    assert (site.at("kde-stable"), site.at("gnome-stable")) == (moved, theirs)
    assert old not in (moved, theirs)


def test_a_channel_that_was_not_there_before_cannot_go_back(site):
    site.publish("1.1", "kde-testing")
    site.move("promote")
    with pytest.raises(ChannelError, match="did not exist before") as raised:
        site.move("undo", None)
    assert raised.value.reason == "unsupported"


def test_an_operation_that_is_not_on_record_is_not_undone(site):
    with pytest.raises(ChannelError, match="no operation that could be undone"):
        site.move("undo", None)
    site.publish("1.1", "kde-testing")
    site.move("promote")
    with pytest.raises(ChannelError, match="no operation 'x'"):
        site.move("undo", None, operation="x")


def test_a_process_killed_in_the_middle_can_be_gone_on_with_and_undone(site, monkeypatch):
    old = site.publish("1.0", "kde-stable", "gnome-stable")
    new = {variant: site.publish("1.1", f"{variant}-testing") for variant in ("kde", "gnome")}
    put = RegistryClient.put_manifest

    def put_one_and_die(client, reference, manifest):
        put(client, reference, manifest)
        raise Killed

    monkeypatch.setattr(RegistryClient, "put_manifest", put_one_and_die)
    with pytest.raises(Killed):
        site.move("promote", variants=["kde", "gnome"])
    monkeypatch.setattr(RegistryClient, "put_manifest", put)
    assert [line["state"] for line in site.lines()] == ["begun"]
    assert (site.at("kde-stable"), site.at("gnome-stable")) == (new["kde"], old)
    killed = site.lines()[0]["operation"]
    site.move("promote", variants=["kde", "gnome"])
    assert {variant: site.at(f"{variant}-stable") for variant in new} == new
    site.move("undo", None)
    assert (site.at("kde-stable"), site.at("gnome-stable")) == (new["kde"], old)
    site.move("undo", None, operation=killed)
    assert site.at("kde-stable") == old


def test_a_failure_in_the_middle_says_what_was_moved(site, monkeypatch):
    site.publish("1.0", "kde-stable", "gnome-stable")
    for variant in ("kde", "gnome"):
        site.publish("1.1", f"{variant}-testing")
    put = RegistryClient.put_manifest

    def refuse_gnome(client, reference, manifest):
        if "gnome" in str(reference.tag):
            raise RegistryError("auth", "No.")
        put(client, reference, manifest)

    monkeypatch.setattr(RegistryClient, "put_manifest", refuse_gnome)
    with pytest.raises(ChannelError, match="kde-stable was moved") as raised:
        site.move("promote", variants=["kde", "gnome"])
    assert raised.value.reason == "auth"
    assert [line["state"] for line in site.lines()] == ["begun", "done", "begun", "failed"]


def test_a_move_that_came_to_be_though_the_registry_could_not_say_so_is_undone(site, monkeypatch):
    old = site.publish("1.0", "kde-stable", "gnome-stable")
    for variant in ("kde", "gnome"):
        site.publish("1.1", f"{variant}-testing")
    put = RegistryClient.put_manifest

    def put_and_lose_the_answer(client, reference, manifest):
        put(client, reference, manifest)
        if "gnome" in str(reference.tag):
            raise RegistryError("network", "The connection was lost.")

    monkeypatch.setattr(RegistryClient, "put_manifest", put_and_lose_the_answer)
    with pytest.raises(ChannelError, match="kde-stable was moved"):
        site.move("promote", variants=["kde", "gnome"])
    monkeypatch.setattr(RegistryClient, "put_manifest", put)
    assert [line["state"] for line in site.lines()] == ["begun", "done", "begun", "failed"]
    assert site.at("gnome-stable") not in (None, old)
    assert len(site.move("undo", None).steps) == 2
    assert (site.at("kde-stable"), site.at("gnome-stable")) == (old, old)


def test_a_move_that_failed_because_somebody_else_moved_it_does_not_keep_the_others_from_being_undone(
    site, monkeypatch
):
    old = site.publish("1.0", "kde-stable", "gnome-stable")
    for variant in ("kde", "gnome"):
        site.publish("1.1", f"{variant}-testing")
    get = RegistryClient.get_manifest
    theirs = []

    def get_while_somebody_moves_gnome(client, reference):
        found = get(client, reference)
        if any(line["variant"] == "gnome" for line in site.lines()) and not theirs:
            theirs.append(site.publish("1.2", "gnome-stable"))
        return found

    monkeypatch.setattr(RegistryClient, "get_manifest", get_while_somebody_moves_gnome)
    with pytest.raises(ChannelError, match="gnome-stable was expected"):
        site.move("promote", variants=["kde", "gnome"])
    site.move("undo", None)
    assert (site.at("kde-stable"), site.at("gnome-stable")) == (old, theirs[0])


@pytest.mark.parametrize("ending", [Killed(), RegistryError("network", "The connection was lost.")])
@pytest.mark.parametrize("reached", [False, True])
def test_an_undo_that_was_ended_in_the_middle_is_gone_on_with(site, monkeypatch, ending, reached):
    old = {variant: site.publish("1.0", f"{variant}-stable") for variant in ("kde", "gnome")}
    for variant in old:
        site.publish("1.1", f"{variant}-testing")
    done = site.move("promote", variants=list(old))
    put = RegistryClient.put_manifest

    def end_at_gnome(client, reference, manifest):
        if "gnome" not in str(reference.tag) or reached:
            put(client, reference, manifest)
        if "gnome" in str(reference.tag):
            raise ending

    with monkeypatch.context() as broken, pytest.raises((Killed, ChannelError)):
        broken.setattr(RegistryClient, "put_manifest", end_at_gnome)
        site.move("undo", None)
    assert site.lines()[-1]["undoes"] == done.operation
    assert len(site.move("undo", None).steps) == (0 if reached else 1)
    assert {variant: site.at(f"{variant}-stable") for variant in old} == old
    assert site.move("undo", None).steps == []


def fail_to_put(site, monkeypatch, ending, *move, **options):
    """Have a move end before the registry did anything."""

    def end(client, reference, manifest):
        raise ending

    with monkeypatch.context() as broken, pytest.raises((Killed, RegistryError)):
        broken.setattr(RegistryClient, "put_manifest", end)
        site.move(*move, **options)


@pytest.mark.parametrize("ending", [Killed(), RegistryError("auth", "No.")])
def test_a_release_goes_back_to_what_it_replaced_last_though_taking_that_back_failed(site, monkeypatch, ending):
    first, bad, between = (site.publish(version, f"kde-v{version}") for version in ("1.0", "1.1", "1.2"))
    for digest in (first, bad, between, bad):
        site.move("promote", digests={"kde": digest}, force=True, why="for this test")
    fail_to_put(site, monkeypatch, ending, "undo", None)
    assert site.at("kde-stable") == bad
    site.move("demote", version="1.1", why="it hangs")
    assert site.at("kde-stable") == between


def test_a_release_goes_back_also_where_its_promotion_came_to_be_without_the_journal_knowing(site, monkeypatch):
    old = site.publish("1.0", "kde-stable")
    site.publish("1.1", "kde-testing")
    put = RegistryClient.put_manifest

    def put_and_die(client, reference, manifest):
        put(client, reference, manifest)
        raise Killed

    with monkeypatch.context() as broken, pytest.raises(Killed):
        broken.setattr(RegistryClient, "put_manifest", put_and_die)
        site.move("promote")
    assert site.move("promote").steps == []
    site.move("demote", version="1.1", why="it hangs")
    assert site.at("kde-stable") == old


def test_a_promotion_whose_undoing_was_undone_can_be_demoted(site):
    old = site.publish("1.0", "kde-stable")
    site.publish("1.1", "kde-testing")
    site.move("promote")
    undo = site.move("undo", None)
    site.move("undo", None, operation=undo.operation)
    site.move("demote", version="1.1", why="it hangs")
    assert site.at("kde-stable") == old


def test_a_release_that_was_to_be_taken_out_but_never_was_is_promoted_again_unasked(site, monkeypatch):
    site.publish("1.0", "kde-stable")
    new = site.publish("1.1", "kde-testing")
    site.move("promote")
    fail_to_put(site, monkeypatch, RegistryError("auth", "No."), "demote", version="1.1", why="it hangs")
    site.publish("1.0", "kde-stable", created="by somebody else")
    site.move("promote")
    assert site.at("kde-stable") == new


def test_nothing_is_moved_without_a_journal(site):
    site.publish("1.1", "kde-testing")
    (site.folder / "file").write_text("")
    with pytest.raises(ChannelError, match="Without a journal nothing is moved") as raised:
        site.move("promote", journal=str(site.folder / "file" / "channels.jsonl"))
    assert (raised.value.reason, site.at("kde-stable")) == ("journal", None)


def test_half_a_line_that_a_killed_process_left_is_dropped(site):
    site.publish("1.1", "kde-testing")
    site.move("promote")
    whole = site.journal.read_bytes()
    site.journal.write_bytes(whole + b'{"at": "20')
    assert len(read_journal(site.journal)) == 2
    with open_journal(site.journal) as journal:
        journal.append(journal.read()[-1:])
    assert site.journal.read_bytes() == whole + whole.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"at": 1}'])
def test_a_journal_that_somebody_spoilt_is_not_read_past(site, line):
    site.publish("1.1", "kde-testing")
    site.move("promote")
    site.journal.write_text(line + "\n" + site.journal.read_text())
    with pytest.raises(ChannelError, match="Line 1 of the journal"):
        site.move("promote")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tag": "{channel}", "variants": ["kde", "gnome"]}, "More than one variant"),
        ({"tag": "{variant} {channel}"}, "is not a tag"),
        ({"channels": ["edge"]}, "There is no channel 'stable' among edge"),
        ({"source": "edge"}, "There is no channel 'edge'"),
        ({"digests": {"kde": "v1"}}, "is not a digest"),
        ({"expected": {"kde": "v1"}}, "is not a digest"),
        ({"wave": "canary"}, "not the rollout that it is of"),
        ({"expected": {"KDE": "absent", "kde": "absent"}}, "expected of KDE, and what is meant is kde"),
    ],
)
def test_wrong_options_are_explained(site, options, said):
    site.publish("1.1", "kde-testing")
    with pytest.raises(ChannelError, match=said) as raised:
        site.move("promote", **options)
    assert (raised.value.reason, site.at("kde-stable")) == ("invalid", None)
