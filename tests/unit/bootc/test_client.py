# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client and the flow around every change, with scripted answers instead of programs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import Client, device_lock
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.flow import carry_out
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.reference import parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.transitions import Switch, Update
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.wishes import (
    wish_to_roll_back,
    wish_to_switch,
    wish_to_update,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    CommandUnusable,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

DATA = Path(__file__).parent / "data"
NEW = "sha256:" + "5" * 64


class Script:
    """Answers commands by their first words; an answer can be a failure to raise, or a list of successive answers."""

    def __init__(self, answers):
        self.answers = {"bootc --version": "bootc 1.16.9", **answers}
        self.ran = []
        self.watched = None

    def __call__(self, argv, timeout, *, watch=None):
        line = " ".join(argv)
        self.ran.append(line)
        self.watched = watch or self.watched
        prefix = max((key for key in self.answers if line.startswith(key)), key=len)
        answer = self.answers[prefix]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Completed) else Completed(0, answer.encode())

    @property
    def changes(self):
        looking = ("bootc --version", "bootc status", "skopeo")
        return [line for line in self.ran if not line.startswith(looking)]


@contextlib.contextmanager
def no_lock(_wait):
    yield


def client(answers):
    script = Script(answers)
    return Client(script, no_lock), script


def document(name="ostree-booted-only", **staged):
    host = json.loads((DATA / f"{name}.json").read_text())
    if staged:
        entry = json.loads(json.dumps(host["status"]["booted"]))
        entry["image"]["imageDigest"] = staged["digest"]
        entry["image"]["image"]["image"] = staged.get("image", "quay.io/acme/kiosk:stable")
        host["status"]["staged"] = entry
        host["spec"]["image"] = entry["image"]["image"]
    return json.dumps(host)


@pytest.fixture(autouse=True)
def _device_root(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    (tmp_path / "run").mkdir()


def test_a_failure_names_cause_command_and_remedy():
    subject, _script = client({"bootc upgrade": Completed(1, b"", b"note\nerror: manifest unknown\n")})
    with pytest.raises(BootcError) as caught:
        subject.execute(("bootc", "upgrade"), 5)
    result = caught.value.as_result()
    assert result["reason"] == "not_found"
    assert "manifest unknown" in result["msg"]
    assert "Command: bootc upgrade." in result["msg"]
    assert result["msg"].endswith("image.")
    assert result["command"] == ["bootc", "upgrade"]


def test_a_crash_is_told_by_its_signal():
    subject, _script = client({"bootc rollback": Completed(-6)})
    with pytest.raises(BootcError, match="signal 6"):
        subject.execute(("bootc", "rollback"), 5)


def test_no_bootc_is_no_failure_but_a_broken_one_is():
    subject, _script = client({"bootc": CommandMissing("no")})
    subject.run.answers.pop("bootc --version")
    assert subject.status(5).is_bootc is False
    subject.run.answers["bootc"] = CommandUnusable("bootc cannot be run: Exec format error")
    with pytest.raises(BootcError, match="Exec format error"):
        subject.status(5)


def test_lock_is_exclusive_bounded_and_released(tmp_path):
    times = iter(range(100))
    hold = device_lock(clock=lambda: float(next(times)), sleep=lambda _seconds: None)
    with hold(1):
        with pytest.raises(BootcError) as caught, hold(3):
            pass
        assert caught.value.kind == "busy"
    with hold(1):
        pass


def test_lock_without_permission_asks_for_root(tmp_path):
    (tmp_path / "run").rmdir()
    with pytest.raises(BootcError, match="become=true"), device_lock()(1):
        pass


MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + "c" * 64}})
MANIFEST_DIGEST = "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
INDEX = json.dumps(
    {
        "manifests": [
            {"digest": "sha256:" + "a" * 64, "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": MANIFEST_DIGEST, "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    }
)


def test_resolving_an_index_finds_the_manifest_of_the_device(tmp_path):
    (tmp_path / "etc/ostree").mkdir(parents=True)
    (tmp_path / "etc/ostree/auth.json").write_text("{}")
    subject, script = client({"skopeo": INDEX})
    found = subject.resolve(parse_reference("quay.io/a:1"), "amd64")
    assert found.digest == "sha256:" + hashlib.sha256(INDEX.encode()).hexdigest()
    assert (found.platform_digest, found.config_digest) == (MANIFEST_DIGEST, None)
    auth = tmp_path / "etc/ostree/auth.json"
    assert script.ran == [f"skopeo inspect --raw --no-tags --authfile {auth} docker://quay.io/a:1"]
    assert subject.resolve(parse_reference("quay.io/a:1"), "s390x").platform_digest is None


def test_of_several_members_of_an_index_the_one_without_variant_is_taken():
    def member(letter, **more):
        return {"digest": "sha256:" + letter * 64, "platform": {"os": "linux", "architecture": "amd64", **more}}

    for members in ([member("3", variant="v3"), member("1")], [member("1"), member("3", variant="v3")]):
        subject, _script = client({"skopeo": json.dumps({"manifests": members})})
        assert subject.resolve(parse_reference("quay.io/a:1"), "amd64").platform_digest == "sha256:" + "1" * 64
    subject, _script = client({"skopeo": json.dumps({"manifests": [member("3", variant="v3")]})})
    assert subject.resolve(parse_reference("quay.io/a:1"), "amd64").platform_digest == "sha256:" + "3" * 64


def test_resolving_the_configuration_asks_for_the_member_of_the_index():
    subject, _script = client({"skopeo": [INDEX, MANIFEST]})
    assert subject.resolve(parse_reference("quay.io/a:1"), "amd64", config=True).config_digest == "sha256:" + "c" * 64


def switch(subject, image="quay.io/acme/kiosk:testing", timeout=60, check_mode=False, **options):
    return carry_out(subject, wish_to_switch(subject, image, **options), timeout, check_mode=check_mode)


def test_old_composefs_hosts_are_understood_by_their_config_digests():
    host = json.loads(document("composefs-rollback"))
    host["status"]["booted"]["image"]["imageDigest"] = "sha256:" + "c" * 64
    subject, script = client({"bootc --version": "bootc 1.16.3", "bootc status": json.dumps(host), "skopeo": MANIFEST})
    outcome = switch(subject, f"ghcr.io/acme/deck@{MANIFEST_DIGEST}")
    assert (outcome.changed, script.changes) == (False, [])


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("tag", ["stable", "testing"])
def test_a_tag_that_moved_away_from_the_accepted_content_is_not_fetched(tag, check_mode):
    subject, script = client({"bootc status": document(), "skopeo": MANIFEST})
    with pytest.raises(BootcError, match=MANIFEST_DIGEST) as caught:
        switch(subject, f"quay.io/acme/kiosk:{tag}", accept_digests=(NEW,), check_mode=check_mode)
    assert (caught.value.kind, script.changes) == ("not_found", [])


def test_a_tag_that_could_not_be_looked_up_is_judged_by_what_it_staged():
    answers = {"skopeo": Completed(1, b"", b"no such host"), "bootc switch": ""}
    staged = document(digest=MANIFEST_DIGEST, image="quay.io/acme/kiosk:testing")
    subject, _script = client({**answers, "bootc status": [document(), staged]})
    with pytest.raises(BootcError) as caught:
        switch(subject, accept_digests=(NEW,))
    assert caught.value.kind == "unexpected"


def test_accepted_digests_spare_the_device_the_registry():
    image = "quay.io/acme/kiosk@" + NEW
    subject, script = client({"bootc status": [document(), document(digest=NEW, image=image)], "bootc switch": ""})
    assert switch(subject, image, accept_digests=("sha256:" + "6" * 64,)).changed
    staged = document(digest=NEW)
    subject_there, script_there = client({"bootc status": staged})
    assert not switch(subject_there, "quay.io/acme/kiosk:stable", accept_digests=(NEW,)).changed
    assert not any(line.startswith("skopeo") for line in script.ran + script_there.ran)


def test_check_mode_takes_no_lock_and_changes_nothing():
    subject, script = client({"bootc status": document(), "skopeo": MANIFEST})
    subject.lock = None
    outcome = switch(subject, check_mode=True)
    assert (outcome.changed, script.changes) == (True, [])
    assert outcome.after.staged.digest == MANIFEST_DIGEST


def test_a_command_that_hangs_after_its_work_counts_as_done():
    staged = document(digest=MANIFEST_DIGEST, image="quay.io/acme/kiosk:testing")
    subject, _script = client(
        {"bootc status": [document(), staged], "skopeo": MANIFEST, "bootc switch": CommandTimeout(["bootc"], 60)}
    )
    outcome = switch(subject)
    assert outcome.changed
    assert "stopped" in outcome.notes[-1]


def test_a_command_that_hangs_without_result_is_a_timeout_with_states():
    subject, _script = client(
        {"bootc status": document(), "skopeo": MANIFEST, "bootc switch": CommandTimeout(["bootc"], 60)}
    )
    with pytest.raises(BootcError) as caught:
        switch(subject)
    assert caught.value.kind == "timeout"
    assert caught.value.data["bootc"] == caught.value.data["before"]


def test_a_change_whose_outcome_cannot_be_read_says_what_was_done():
    answers = {"bootc status": [document(), CommandTimeout(["bootc"], 60)], "skopeo": MANIFEST, "bootc switch": ""}
    with pytest.raises(BootcError, match="The commands were run") as caught:
        switch(client(answers)[0])
    result = caught.value.as_result()
    assert result["reason"] == "busy"
    assert result["commands"] == [["bootc", "switch", "--quiet", "quay.io/acme/kiosk:testing"]]
    assert result["before"]["next_boot"] == "booted"
    assert result["predicted"]["staged"]["digest"] == MANIFEST_DIGEST


def of_unknown_content(_status):
    """An update of which nothing is known beforehand."""
    return Update(), ""


@pytest.mark.parametrize("parked", [True, False])
def test_without_time_left_nothing_is_started(parked):
    host = json.loads(document("composefs-sdboot-staged"))
    host["status"]["staged"]["downloadOnly"] = parked
    answers = {"bootc status": json.dumps(host), "bootc delete": ""}
    subject, script = client(answers)
    times = iter([0.0, 0.0, *([1.0] if parked else []), 60.0])
    subject.clock = lambda: next(times)
    with pytest.raises(BootcError, match="not started") as caught:
        carry_out(subject, of_unknown_content, 60)
    assert caught.value.kind == "timeout"
    assert script.changes == [" ".join(command) for command in caught.value.data["commands"]]
    assert len(script.changes) == int(parked)


@pytest.mark.parametrize("upgrade", ["", CommandTimeout(["bootc"], 60)])
def test_an_upgrade_that_finds_nothing_after_what_was_parked_was_dropped_is_no_failure_unless_it_hung(upgrade):
    parked = json.loads(document("composefs-sdboot-staged"))
    parked["status"]["staged"]["downloadOnly"] = True
    dropped = json.loads(json.dumps(parked))
    dropped["status"]["staged"] = None
    answers = {"bootc delete": "", "bootc upgrade": upgrade}
    subject, script = client({**answers, "bootc status": [json.dumps(parked), json.dumps(dropped)]})
    if upgrade:
        with pytest.raises(BootcError, match="did not end"):
            carry_out(subject, of_unknown_content, 60)
        return
    outcome = carry_out(subject, of_unknown_content, 60)
    assert (outcome.changed, len(script.changes)) == (True, 2)
    assert any("dropped first" in note for note in outcome.notes)


STAGED = {"staged": True, "checksum": "9c0abe51c6e6655d81de2d044d4fb194931f058c0426c67c7285d8f5657ed64a", "serial": 0}


@pytest.mark.parametrize(
    ("listed", "still_staged", "dropped"),
    [
        (json.dumps({"deployments": [{"staged": False, "index": 0}, {**STAGED, "index": 1}]}), False, "1"),
        (json.dumps({"deployments": [{"staged": False, "index": 0}]}), True, None),
        (json.dumps({"deployments": [{"index": 0}]}), True, "0"),
        (Completed(1, b"", b"error: Unknown option --json"), True, "0"),
        (CommandMissing("ostree is not there"), True, "0"),
        ("* default abc.0", False, None),
        ("[]", False, None),
    ],
)
def test_dropping_what_is_staged_never_drops_something_else(listed, still_staged, dropped):
    staged, gone = document("ostree-staged"), json.loads(document("ostree-staged"))
    gone["status"]["staged"] = None
    seen = [staged, *([staged] if still_staged else []), json.dumps(gone)]
    if isinstance(listed, str) and '"staged"' in listed:
        seen = [staged, json.dumps(gone)]
    answers = {"bootc status": seen, "ostree admin status": listed, "ostree admin undeploy": ""}
    subject, script = client(answers)
    booted = json.loads(staged)["status"]["booted"]["image"]["imageDigest"]
    image = f"quay.io/acme/kiosk@{booted}"

    def undeploys() -> list[str]:
        return [line for line in script.changes if "undeploy" in line]

    if dropped is None:
        with pytest.raises(BootcError, match="not staged any more"):
            switch(subject, image)
        assert undeploys() == []
    else:
        assert switch(subject, image).commands == (("ostree", "admin", "undeploy", dropped),)
        assert undeploys() == [f"ostree admin undeploy {dropped}"]


@pytest.mark.parametrize(
    ("version", "name", "watched"),
    [
        ("1.16.7", "composefs-rollback", True),
        ("1.16.8", "composefs-rollback", False),
        ("1.16.7", "ostree-booted-only", False),
    ],
)
def test_only_releases_that_may_hang_after_staging_are_looked_after(version, name, watched):
    image = "ghcr.io/acme/deck:testing"
    answers = {"bootc --version": f"bootc {version}", "skopeo": Completed(1, b"", b"no such host"), "bootc switch": ""}
    subject, script = client({**answers, "bootc status": [document(name), document(name, digest=NEW, image=image)]})
    assert switch(subject, image).changed
    assert (script.watched is not None) is watched


def test_a_command_that_has_done_its_work_is_given_time_to_clean_up_and_then_ended():
    image, name = "ghcr.io/acme/deck:testing", "composefs-rollback"
    staged, busy = document(name, digest=NEW, image=image), CommandTimeout(["bootc"], 10)
    now, answers = [0.0], []

    def run(argv, timeout, *, watch=None):
        line = " ".join(argv)
        if watch is None:
            answer = "bootc 1.16.7" if "--version" in line else answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return Completed(0, answer.encode())
        answers.extend([document(name), busy, staged, document(name), staged, busy, staged, staged, staged])
        asked = []
        for _look in range(8):
            now[0] += watch.seconds
            asked.append(watch.enough())
        assert asked == [False] * 6 + [True, True]
        raise CommandTimeout(argv, now[0])

    subject = Client(run, no_lock, clock=lambda: now[0])
    answers.append(document(name))
    outcome = carry_out(subject, lambda _status: (Switch(image, accept=frozenset([NEW]), digest=NEW), ""), 1800)
    assert (outcome.changed, "stopped" in outcome.notes[-1]) == (True, True)


def test_a_failure_after_staging_stays_a_failure():
    staged = document(digest=MANIFEST_DIGEST, image="quay.io/acme/kiosk:testing")
    subject, _script = client(
        {
            "bootc status": [document(), staged],
            "skopeo": MANIFEST,
            "bootc switch": Completed(1, b"", b"error: starting finalisation"),
        }
    )
    with pytest.raises(BootcError) as caught:
        switch(subject)
    assert caught.value.data["bootc"]["staged"]["digest"] == MANIFEST_DIGEST


def test_success_without_effect_is_unexpected():
    subject, _script = client({"bootc status": document(), "skopeo": MANIFEST, "bootc switch": ""})
    with pytest.raises(BootcError) as caught:
        switch(subject)
    assert caught.value.kind == "unexpected"
    assert caught.value.data["predicted"]["next_boot"] == "staged"
    assert caught.value.data["bootc"]["next_boot"] == "booted"


def same_verity(slot):
    text = f"error: Switching: Target image has the same fs-verity digest as the existing {slot} deployment."
    return Completed(1, b"", text.encode())


DECK = "ghcr.io/acme/deck@" + MANIFEST_DIGEST


def composefs(name="composefs-rollback", **changes):
    host = json.loads((DATA / f"{name}.json").read_text())
    host["status"].update(changes)
    return json.dumps(host)


@pytest.mark.parametrize(
    ("name", "slot", "next_boot"),
    [("composefs-rollback", "booted", "booted"), ("composefs-sdboot-staged", "staged", "staged")],
)
def test_content_that_boots_next_under_another_digest_is_no_failure(name, slot, next_boot):
    answers = {
        "bootc status": composefs(name),
        "skopeo": MANIFEST,
        "bootc switch": same_verity(f"Some({slot.title()})"),
    }
    subject, _script = client(answers)
    outcome = switch(subject, DECK)
    assert (outcome.changed, outcome.same_content, outcome.after.next_boot) == (False, slot, next_boot)
    assert f"that of the {slot} deployment" in outcome.notes[-1]


@pytest.mark.parametrize(
    ("status", "slot", "remedy"),
    [
        (
            composefs("composefs-sdboot-staged"),
            "Some(Booted)",
            r"bootc_switch with image=ghcr.io/acme/deck@sha256:\w+ to stay",
        ),
        (composefs(), "Some(Rollback)", "bootc_rollback to go there"),
        (composefs(rollbackQueued=True), "Some(Rollback)", "boots next already"),
        (composefs(rollbackQueued=True), "Some(Booted)", "to stay on it"),
        (composefs(), "None", "bootc status"),
    ],
)
def test_content_of_a_deployment_that_does_not_boot_next_is_already_deployed(status, slot, remedy):
    subject, _script = client({"bootc status": status, "skopeo": MANIFEST, "bootc switch": same_verity(slot)})
    with pytest.raises(BootcError, match=remedy) as caught:
        switch(subject, DECK)
    assert caught.value.kind == "already_deployed"
    assert caught.value.data["bootc"]["booted"]["digest"]


def test_a_parked_deployment_with_the_wanted_content_can_be_armed():
    parked = json.loads(composefs("composefs-sdboot-staged"))
    parked["status"]["staged"]["downloadOnly"] = True
    answers = {"bootc status": json.dumps(parked), "skopeo": MANIFEST, "bootc switch": same_verity("Some(Staged)")}
    with pytest.raises(BootcError, match="to arm it"):
        switch(client(answers)[0], DECK)


@pytest.mark.parametrize("upgrade", ["", same_verity("Some(Booted)")])
@pytest.mark.parametrize("park", [True, False])
@pytest.mark.parametrize("name", ["composefs-rollback", "ostree-booted-only"])
def test_an_update_to_the_same_content_under_a_new_digest_is_none(name, park, upgrade):
    subject, script = client({"bootc status": document(name), "skopeo": MANIFEST, "bootc upgrade": upgrade})
    outcome = carry_out(subject, wish_to_update(subject, park=park), 60)
    assert (outcome.changed, len(script.changes)) == (False, 1)
    assert "same" in outcome.notes[-1]


def test_an_update_to_the_content_of_the_rollback_deployment_stays_an_error():
    answers = {"bootc status": composefs(), "skopeo": MANIFEST, "bootc upgrade": same_verity("Some(Rollback)")}
    subject, _script = client(answers)
    with pytest.raises(BootcError) as caught:
        carry_out(subject, wish_to_update(subject, park=False), 60)
    assert caught.value.kind == "already_deployed"


def test_a_switch_by_upgrade_that_finds_nothing_is_satisfied_only_where_the_booted_deployment_must_have_it():
    options = {"accept_digests": (MANIFEST_DIGEST,)}
    subject, _script = client({"bootc status": document(), "skopeo": MANIFEST, "bootc upgrade": ""})
    outcome = switch(subject, "quay.io/acme/kiosk:stable", **options)
    assert (outcome.changed, outcome.same_content) == (False, "booted")
    subject, _script = client({"bootc status": composefs(), "skopeo": MANIFEST, "bootc upgrade": ""})
    with pytest.raises(BootcError) as caught:
        switch(subject, "ghcr.io/acme/deck:stable", **options)
    assert caught.value.kind == "already_deployed"


def test_update_without_lookup_accepts_that_there_is_nothing_new():
    subject, script = client(
        {"bootc status": document(), "skopeo": Completed(1, b"", b"connection refused"), "bootc upgrade": ""}
    )
    outcome = carry_out(subject, wish_to_update(subject, park=False), 60)
    assert (outcome.changed, script.changes) == (False, ["bootc upgrade --quiet"])
    assert "network" in outcome.notes[-1]


def test_update_without_lookup_that_hangs_is_no_success():
    subject, _script = client(
        {
            "bootc status": document(),
            "skopeo": Completed(1, b"", b"connection refused"),
            "bootc upgrade": CommandTimeout(["bootc"], 60),
        }
    )
    with pytest.raises(BootcError) as caught:
        carry_out(subject, wish_to_update(subject, park=False), 60)
    assert caught.value.kind == "timeout"


def test_the_config_digest_of_a_moved_tag_does_not_become_acceptable():
    host = json.loads(document("composefs-rollback"))
    host["status"]["booted"]["image"]["imageDigest"] = "sha256:" + "c" * 64
    subject, _script = client({"bootc --version": "bootc 1.16.3", "bootc status": json.dumps(host), "skopeo": MANIFEST})
    with pytest.raises(BootcError, match=MANIFEST_DIGEST):
        switch(subject, "ghcr.io/acme/deck:stable", accept_digests=(NEW,), check_mode=True)


@pytest.mark.parametrize("writable", [True, False])
def test_a_rollback_is_remembered_before_it_is_queued_or_somebody_is_warned(tmp_path, writable):
    if not writable:
        (tmp_path / "var").write_text("in the way")
    queued = json.loads(document("ostree-rollback"))
    queued["status"]["rollbackQueued"] = True
    subject, script = client({"bootc status": [document("ostree-rollback"), json.dumps(queued)], "bootc rollback": ""})
    warnings = []
    outcome = carry_out(subject, wish_to_roll_back(False, False), 60, warn=warnings.append)
    assert (outcome.changed, script.changes) == (True, ["bootc rollback"])
    assert [("could not be remembered" in warning) for warning in warnings] == ([] if writable else [True])
    assert (tmp_path / "var/lib/skorionos.bootc/rollbacks.json").exists() is writable
