# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against a fake device: check, do, check again, do again."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc import flow
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import Client
from ansible_collections.skorionos.bootc.plugins.modules import (
    bootc_apply,
    bootc_rollback,
    bootc_status,
    bootc_switch,
    bootc_update,
    device_health,
)

DATA = Path(__file__).parent / "data"
BOOTED = "sha256:d76d1ef17ab0827bcaa14d963f928d11124ab98a7248cf7b96584266374fe95b"
REPOSITORY = "quay.io/acme/kiosk"


def four_times(run_module, main, **options):
    """Check, do, check, do: predicted equals done, and the second round changes nothing."""
    predicted = run_module(main, check=True, **options)
    done = run_module(main, **options)
    again = run_module(main, check=True, **options)
    repeated = run_module(main, **options)
    assert "reason" not in done, done
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert (again["changed"], repeated["changed"]) == (False, False)
    assert predicted["commands"] == done["commands"]
    for key in ("next_boot", "rollback_queued", "download_only", "spec_image"):
        assert predicted["bootc"][key] == done["bootc"][key]
    assert done["diff"]["before"] != done["diff"]["after"]
    return predicted, done


def test_status(device, run_module):
    result = run_module(bootc_status.main)
    assert result["is_bootc"] is True
    assert result["changed"] is False
    assert result["boot_id"] == "boot-1"
    assert result["soft_reboots"] == 0
    assert result["bootc"]["bootc_version"] == "1.16.9"
    assert result["bootc"]["booted"]["digest"] == BOOTED


def test_status_tells_what_room_there_is_when_asked(device, run_module):
    findmnt = device.programs / "findmnt"
    told = {"target": "/sysroot", "fstype": "btrfs", "size": 64_000, "avail": 20_000}
    findmnt.write_text(f"#!/bin/sh\necho '{json.dumps({'filesystems': [told]})}'\n")
    findmnt.chmod(0o755)
    assert run_module(bootc_status.main)["space"] is None
    room = run_module(bootc_status.main, space=True)["space"]
    assert room["system"] == {"mount": "/sysroot", "fstype": "btrfs", "total_bytes": 64_000, "free_bytes": 20_000}
    assert room["boot"] is None


def test_status_tells_what_would_come_at_a_bad_time(device, run_module):
    (device.root / "run").mkdir(exist_ok=True)
    (device.root / "run/hold").touch()
    inhibitors = [
        {"kind": "file", "path": "/run/hold", "why": "a demonstration"},
        {"kind": "file", "path": "/run/nothing"},
    ]
    result = run_module(bootc_status.main, inhibitors=inhibitors)
    found = {"kind": "file", "why": "a demonstration", "detail": "/run/hold is there", "unknown": False}
    assert (result["changed"], result["inhibited_by"]) == (False, [found])
    assert run_module(bootc_status.main)["inhibited_by"] == []


def test_status_refuses_inhibitors_that_cannot_be_meant(device, run_module):
    assert run_module(bootc_status.main, inhibitors=[{"kind": "battery"}])["reason"] == "invalid"


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        (None, "UTC"),
        ("/usr/share/zoneinfo/Asia/Kathmandu", "Asia/Kathmandu"),
        ("../usr/share/zoneinfo/Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("/usr/share/zoneinfo/UTC", "UTC"),
        ("/usr/share/zoneinfo/", None),
        ("/somewhere/else", None),
    ],
)
def test_status_tells_the_time_zone(device, run_module, target, zone):
    if target is not None:
        (device.root / "etc").mkdir(exist_ok=True)
        (device.root / "etc/localtime").symlink_to(target)
    assert run_module(bootc_status.main)["timezone"] == zone


def test_a_copy_of_the_data_of_a_zone_does_not_tell_which(device, run_module):
    (device.root / "etc").mkdir(exist_ok=True)
    (device.root / "etc/localtime").write_bytes(b"TZif2")
    assert run_module(bootc_status.main)["timezone"] is None


def test_an_answer_does_not_claim_a_later_boot_than_its_state_is_of(device, run_module, monkeypatch):
    """Whoever waits for a reboot would take the old state for what came up."""
    read = Client.status

    def reboots_then(client, timeout):
        status = read(client, timeout)
        (device.root / "proc/sys/kernel/random/boot_id").write_text("boot-2\n")
        return status

    monkeypatch.setattr(Client, "status", reboots_then)
    assert run_module(bootc_status.main)["boot_id"] == "boot-1"


@pytest.mark.parametrize("device", ["non-bootc"], indirect=True)
def test_status_of_another_host(device, run_module):
    result = run_module(bootc_status.main)
    assert (result["is_bootc"], result["bootc"]["booted"]) == (False, None)


def test_status_without_bootc(device, run_module):
    (device.programs / "bootc").unlink()
    result = run_module(bootc_status.main)
    assert (result["is_bootc"], result["bootc"]["bootc_version"]) == (False, None)


def test_status_is_a_fact_as_well(device, run_module):
    result = run_module(bootc_status.main)
    assert result["ansible_facts"] == {"bootc": result["bootc"]}


def test_status_without_root_says_what_is_missing(device, run_module):
    device.change(not_root=True)
    result = run_module(bootc_status.main)
    assert (result["failed"], result["reason"]) == (True, "unexpected")
    assert "must be executed as the root user" in result["msg"] and "become=true" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("main", "options"),
    [
        (bootc_switch.main, {"image": f"{REPOSITORY}:stable"}),
        (bootc_update.main, {}),
        (bootc_update.main, {"state": "available"}),
        (bootc_update.main, {"state": "absent"}),
        (bootc_rollback.main, {}),
    ],
)
def test_what_changes_a_host_tells_one_without_bootc_from_one_it_did_not_deploy(
    device, run_module, main, options, check
):
    """Who has to be told to install bootc, and who to leave the host out."""
    device.change(document=json.loads((DATA / "non-bootc.json").read_text()))
    elsewhere = run_module(main, check=check, **options)
    assert (elsewhere["reason"], "was not booted by bootc" in elsewhere["msg"]) == ("not_bootc", True)
    (device.programs / "bootc").unlink()
    without = run_module(main, check=check, **options)
    assert (without["reason"], "There is no bootc on this host" in without["msg"]) == ("not_bootc", True)
    assert device.calls() == []


@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize("main", [bootc_status.main, bootc_update.main, bootc_rollback.main])
def test_a_time_limit_that_is_none_is_refused_before_the_device_is_asked(device, run_module, main, timeout):
    assert run_module(main, timeout=timeout)["reason"] == "invalid"
    assert not (device.programs / "calls").exists()


def test_status_of_a_bootc_that_cannot_tell_it_names_both_versions(device, run_module):
    device.change(version="0.1.13")
    result = run_module(bootc_status.main)
    assert result["reason"] == "unsupported_version"
    assert "0.1.13" in result["msg"] and "0.1.14" in result["msg"]


def test_status_that_hangs_says_busy(device, run_module):
    device.change(status_hangs=True)
    result = run_module(bootc_status.main, timeout=1)
    assert result["failed"] and result["reason"] == "busy"
    assert "Wait for it to end" in result["msg"]


def test_status_that_hangs_on_composefs_is_a_timeout(device, run_module):
    device.change(status_hangs=True)
    (device.root / "proc/cmdline").write_text("quiet composefs=" + "0" * 128)
    assert run_module(bootc_status.main, timeout=1)["reason"] == "timeout"


def test_switch_to_a_digest(device, run_module):
    name = device.publish_pinned(REPOSITORY, "v2")
    digest = name.partition("@")[2]
    predicted, done = four_times(run_module, bootc_switch.main, image=name)
    assert predicted["bootc"]["staged"]["digest"] == done["bootc"]["staged"]["digest"] == digest


def test_switch_to_a_tag(device, run_module):
    digest = device.publish(f"{REPOSITORY}:testing", "v2")
    predicted, done = four_times(run_module, bootc_switch.main, image=f"{REPOSITORY}:testing")
    assert predicted["bootc"]["staged"]["digest"] == done["bootc"]["staged"]["digest"] == digest


def test_switch_names_the_digest_and_bootc_gets_no_tag(device, run_module):
    digest = device.publish(f"{REPOSITORY}:v2", "v2")
    state = device.state
    state["registry"][f"{REPOSITORY}@{digest}"] = state["registry"][f"{REPOSITORY}:v2"]
    device.save(state)
    _predicted, done = four_times(run_module, bootc_switch.main, image=f"{REPOSITORY}:v2@{digest}")
    assert done["commands"] == [["bootc", "switch", "--quiet", f"{REPOSITORY}@{digest}"]]


def test_switch_to_what_runs_changes_nothing(device, run_module):
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}@{BOOTED}")
    assert (result["changed"], device.calls()) == (False, [])


def test_switch_of_a_tracked_tag_to_accepted_content_upgrades(device, run_module):
    digest = device.publish(f"{REPOSITORY}:stable", "v2")
    options = {"image": f"{REPOSITORY}:stable", "accept_digests": [digest]}
    _predicted, done = four_times(run_module, bootc_switch.main, **options)
    assert done["commands"] == [["bootc", "upgrade", "--quiet"]]


def test_switch_that_stages_something_else_is_an_error_with_both_states(device, run_module):
    digest = device.publish(f"{REPOSITORY}:testing", "v2")
    device.change(stages="sha256:" + "9" * 64)
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}:testing")
    assert (result["failed"], result["reason"]) == (True, "unexpected")
    assert result["bootc"]["staged"]["digest"] == "sha256:" + "9" * 64
    assert result["predicted"]["staged"]["digest"] == digest


def test_switch_that_never_ends_but_has_staged_succeeds(device, run_module):
    device.publish(f"{REPOSITORY}:testing", "v2")
    device.change(switch_hangs=True)
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}:testing", timeout=8)
    assert result["changed"] is True
    assert "stopped" in result["notes"][-1]


@pytest.mark.parametrize("device", ["composefs-rollback"], indirect=True)
def test_switch_that_hangs_after_staging_is_not_waited_out(device, run_module, monkeypatch):
    monkeypatch.setattr(flow, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(flow, "CLEAN_UP_SECONDS", 0.5)
    device.publish(f"{REPOSITORY}:testing", "v2")
    device.change(switch_hangs=True, version="1.16.7")
    begin = time.monotonic()
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}:testing", timeout=120)
    assert (result["changed"], time.monotonic() - begin < 30) == (True, True)
    assert "stopped" in result["notes"][-1]


def test_switch_to_an_unknown_image(device, run_module):
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}@sha256:{'1' * 64}")
    assert (result["failed"], result["reason"]) == (True, "not_found")
    assert device.state["document"]["status"]["staged"] is None


def test_check_mode_says_when_the_registry_did_not_answer(device, run_module):
    device.change(registry_down=True)
    result = run_module(bootc_switch.main, check=True, image=f"{REPOSITORY}:gone")
    assert result["changed"] is True
    assert result["bootc"]["staged"]["digest"] is None
    assert any("could not be looked up" in note for note in result["notes"])


@pytest.mark.parametrize(
    ("image", "accept"),
    [
        (f"{REPOSITORY}:gone", []),
        (f"{REPOSITORY}@sha256:{'1' * 64}", []),
        (f"{REPOSITORY}@sha256:{'1' * 64}", ["sha256:" + "2" * 64]),
    ],
)
def test_check_mode_predicts_no_change_to_what_does_not_exist(device, run_module, image, accept):
    for check in (True, False):
        result = run_module(bootc_switch.main, check=check, image=image, accept_digests=accept)
        assert (result["failed"], result["reason"]) == (True, "not_found")
    assert run_module(bootc_update.main, check=True)["reason"] == "not_found"
    assert device.state["document"]["status"]["staged"] is None


@pytest.mark.parametrize(
    "image", ["docker://quay.io/acme/kiosk:1", "quay.io/Acme/kiosk", "quay.io/acme/kiosk@sha256:12", "", "a b"]
)
def test_switch_refuses_a_bad_reference(device, run_module, image):
    result = run_module(bootc_switch.main, image=image)
    assert (result["failed"], result["reason"], device.calls()) == (True, "invalid", [])


@pytest.mark.parametrize(
    "options",
    [
        {"image": "--apply", "transport": "oci"},
        {"image": "/srv/a\nb", "transport": "dir"},
        {"image": " ", "transport": "oci"},
        {"image": f"{REPOSITORY}:a", "accept_digests": ["sha256:12"]},
        {"image": f"{REPOSITORY}:a", "came_back_from": "12"},
    ],
)
def test_switch_refuses_what_bootc_would_take_for_something_else(device, run_module, options):
    result = run_module(bootc_switch.main, **options)
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert ["bootc", "status"] not in [call[:2] for call in device.all_calls()]


@pytest.mark.parametrize("device", ["non-bootc"], indirect=True)
def test_switch_elsewhere(device, run_module):
    result = run_module(bootc_switch.main, image=f"{REPOSITORY}:stable")
    assert (result["failed"], result["reason"], device.calls()) == (True, "not_bootc", [])


def test_the_lock_is_bounded(device, run_module):
    with (device.root / "run/skorionos.bootc.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run_module(bootc_update.main, timeout=1)
    assert result["reason"] == "busy"


@pytest.mark.parametrize("device", ["ostree-rollback", "composefs-rollback"], indirect=True)
def test_rollback_is_no_toggle_and_is_remembered(device, run_module):
    _predicted, done = four_times(run_module, bootc_rollback.main)
    assert device.calls() == [["bootc", "rollback"]]
    assert (done["bootc"]["next_boot"], done["already_rolled_back"]) == ("rollback", False)
    marks = json.loads((device.root / "var/lib/skorionos.bootc/rollbacks.json").read_text())
    before = done["diff"]["before"]
    assert [(mark["from"], mark["to"]) for mark in marks] == [
        (before["booted"]["digest"], before["rollback"]["digest"])
    ]


@pytest.mark.parametrize("device", ["ostree-rollback"], indirect=True)
def test_rollback_after_the_reboot_does_not_go_forward_again(device, run_module):
    run_module(bootc_rollback.main)
    state = device.state
    slots = state["document"]["status"]
    slots["booted"], slots["rollback"], slots["rollbackQueued"] = slots["rollback"], slots["booted"], False
    device.save(state)
    result = run_module(bootc_rollback.main)
    assert (result["changed"], result["already_rolled_back"]) == (False, True)
    assert run_module(bootc_rollback.main, check=True, repeat=True)["changed"] is True


@pytest.mark.parametrize("device", ["ostree-rollback"], indirect=True)
def test_a_host_that_went_back_by_itself_is_not_taken_forward_when_it_was_told_to_remember(device, run_module):
    slots = device.state["document"]["status"]
    booted, left = (slots[slot]["image"]["imageDigest"] for slot in ("booted", "rollback"))
    image = f"{slots['booted']['image']['image']['image'].partition(':')[0]}@{booted}"
    stay = {"image": image, "accept_digests": [booted], "came_back_from": left}
    for _unused in range(2):
        assert run_module(bootc_switch.main, **stay)["changed"] is False
    result = run_module(bootc_rollback.main)
    assert (result["changed"], result["already_rolled_back"]) == (False, True)


@pytest.mark.parametrize("device", ["ostree-rollback-queued"], indirect=True)
def test_a_rollback_that_is_queued_already_and_meant_is_remembered(device, run_module):
    assert run_module(bootc_rollback.main, repeat=True)["changed"] is False
    assert run_module(bootc_rollback.main)["queued_elsewhere"] is False


@pytest.mark.parametrize("device", ["ostree-rollback"], indirect=True)
def test_going_forward_to_the_rollback_deployment_is_not_remembered_as_a_way_back(device, run_module):
    run_module(bootc_rollback.main)
    reboot(device)
    forward = run_module(bootc_rollback.main, forward=True)
    assert (forward["changed"], forward["bootc"]["next_boot"]) == (True, "rollback")
    reboot(device)
    back = run_module(bootc_rollback.main)
    assert (back["changed"], back["already_rolled_back"]) == (True, False)


def reboot(device):
    """Boot what boots next."""
    state = device.state
    slots = state["document"]["status"]
    if slots["staged"]:
        slots["booted"], slots["rollback"], slots["staged"] = slots["staged"], slots["booted"], None
    elif slots["rollbackQueued"]:
        slots["booted"], slots["rollback"] = slots["rollback"], slots["booted"]
    slots["rollbackQueued"] = False
    state["document"]["spec"]["image"] = slots["booted"]["image"]["image"]
    device.save(state)


def booted(device):
    return device.state["document"]["status"]["booted"]["image"]["image"]["image"]


def test_going_forward_on_purpose_makes_a_device_forget_that_it_came_back(device, run_module):
    first, second, third = (device.publish_pinned(REPOSITORY, content) for content in ("a", "b", "c"))

    def go(name):
        assert run_module(bootc_switch.main, image=name)["changed"] is True
        reboot(device)
        assert booted(device) == name

    def back(name):
        assert run_module(bootc_rollback.main)["changed"] is True
        reboot(device)
        assert booted(device) == name
        assert run_module(bootc_rollback.main)["already_rolled_back"] is True

    go(first)
    go(second)
    back(first)
    go(second)
    go(third)
    back(second)
    go(first)  # forward to what was once the way back: second is the previous image now
    back(second)


@pytest.mark.parametrize("device", ["ostree-rollback", "composefs-rollback"], indirect=True)
def test_a_device_that_fell_back_and_was_told_to_stay_does_not_go_forward(device, run_module):
    state = device.state
    state["document"]["status"]["rollbackQueued"] = True  # the boot loader fell back; the failed image is still first
    device.save(state)
    found = run_module(bootc_rollback.main)
    assert (found["changed"], found["queued_elsewhere"], device.calls()) == (False, True, [])
    slot = found["bootc"]["booted"]
    name = f"{slot['image'].partition(':')[0]}@{slot['digest']}"
    assert name in found["notes"][0]
    assert run_module(bootc_switch.main, image=name)["bootc"]["next_boot"] == "booted"
    again = run_module(bootc_rollback.main)
    assert (again["changed"], again["already_rolled_back"], again["bootc"]["next_boot"]) == (False, True, "booted")


@pytest.mark.parametrize("device", ["ostree-rollback", "composefs-rollback"], indirect=True)
def test_a_rollback_that_was_called_off_can_be_asked_for_again(device, run_module):
    assert run_module(bootc_rollback.main)["queued_elsewhere"] is False
    queued = run_module(bootc_rollback.main)
    assert (queued["changed"], queued["queued_elsewhere"]) == (False, False)
    slot = queued["bootc"]["booted"]
    run_module(bootc_switch.main, image=f"{slot['image'].partition(':')[0]}@{slot['digest']}")
    asked_again = run_module(bootc_rollback.main)
    assert (asked_again["changed"], asked_again["bootc"]["next_boot"]) == (True, "rollback")


@pytest.mark.parametrize("device", ["ostree-rollback"], indirect=True)
def test_a_memory_that_cannot_be_written_does_not_keep_a_device_on_a_bad_image(device, run_module):
    (device.root / "var").write_text("in the way")
    result = run_module(bootc_rollback.main)
    assert result["changed"] is True
    assert device.calls() == [["bootc", "rollback"]]


@pytest.mark.parametrize("device", ["composefs-sdboot-staged"], indirect=True)
def test_rollback_with_something_staged(device, run_module):
    assert run_module(bootc_rollback.main)["reason"] == "would_discard"
    four_times(run_module, bootc_rollback.main, discard_staged=True)
    assert [call[1] for call in device.calls()] == ["delete-deployment", "rollback"]


@pytest.mark.parametrize("device", ["ostree-booted-only"], indirect=True)
def test_rollback_without_previous_deployment(device, run_module):
    result = run_module(bootc_rollback.main)
    assert (result["failed"], result["reason"]) == (True, "no_rollback")


@pytest.mark.parametrize("device", ["ostree-staged"], indirect=True)
def test_apply_asks_for_a_reboot_once(device, run_module):
    predicted = run_module(bootc_apply.main, check=True)
    assert (predicted["changed"], predicted["verdict"]) == (True, None)
    time.sleep(1.5)
    assert "rebooted" not in device.state
    result = run_module(bootc_apply.main)
    assert (result["changed"], result["verdict"], result["boot_id"]) == (True, None, "boot-1")
    assert result["expect_digests"] == [result["bootc"]["staged"]["digest"]]
    assert result["predicted"]["booted"] == {**result["bootc"]["staged"], "soft_reboot_capable": None}
    deadline = time.monotonic() + 60
    while "rebooted" not in device.state and time.monotonic() < deadline:
        time.sleep(0.2)
    assert device.state["rebooted"] is True


def test_apply_with_nothing_to_apply(device, run_module):
    for options, verdict in (
        ({}, "nothing_to_apply"),
        ({"expect_digests": [BOOTED]}, "nothing_to_apply"),
        ({"expect_digests": ["sha256:x"]}, "unexpected_digest"),
    ):
        result = run_module(bootc_apply.main, **options)
        assert (result["changed"], result["verdict"]) == (False, verdict)
    assert "rebooted" not in device.state


@pytest.mark.parametrize("device", ["ostree-staged"], indirect=True)
def test_apply_does_not_reboot_into_the_unexpected(device, run_module):
    result = run_module(bootc_apply.main, expect_digests=[BOOTED])
    assert (result["changed"], result["verdict"]) == (False, "unexpected_digest")
    time.sleep(1.5)
    assert "rebooted" not in device.state


@pytest.mark.parametrize("device", ["non-bootc"], indirect=True)
def test_apply_elsewhere(device, run_module):
    assert run_module(bootc_apply.main)["reason"] == "not_bootc"


def test_health(device, run_module):
    required = device.root / "etc/greenboot/check/required.d"
    required.mkdir(parents=True)
    script = required / "10-disk.sh"
    script.write_text("#!/bin/sh\necho plenty\n")
    script.chmod(0o755)
    result = run_module(device_health.main, commands=[["sh", "-c", "exit 0"]])
    assert (result["healthy"], result["changed"], result["failed_units"]) == (True, False, [])
    assert [check["name"] for check in result["checks"]] == [
        "systemd",
        "/etc/greenboot/check/required.d/10-disk.sh",
        "sh -c exit 0",
    ]
    assert result["bootc"]["booted"]["digest"] == BOOTED
    device.change(system="degraded", failed_units="a.service loaded failed failed A\n")
    sick = run_module(device_health.main)
    assert (sick["healthy"], sick.get("failed"), sick["failed_units"]) == (False, None, ["a.service"])
    assert run_module(device_health.main, known_failed_units=["a.service"])["healthy"] is True


@pytest.mark.parametrize("command", [[], [""], [None, "x"]])
def test_a_check_without_a_command_is_a_mistake_and_no_check_that_passes(device, run_module, command):
    result = run_module(device_health.main, commands=[["true"], command])
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert "Command 2 of 2" in result["msg"]


FENCE = {"rollout": "r1", "epoch": 2, "turn": "t2", "turns": ["t1"], "by": "ann on desk", "target": BOOTED}
OVERTAKEN = {"rollout": "r1", "epoch": 1, "turn": "t1"}


def claim(device):
    path = device.root / "var/lib/skorionos.bootc/rollout.json"
    return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def warnings(monkeypatch):
    told = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: told.append(text))
    return told


def test_a_device_is_claimed_before_it_is_changed_and_only_then(device, run_module):
    image = device.publish_pinned(REPOSITORY, "new")
    assert run_module(bootc_switch.main, check=True, image=image, fence=FENCE)["changed"]
    assert claim(device) is None
    device.change(fail="the registry is on fire")
    run_module(bootc_switch.main, image=image, fence=FENCE)
    taken = claim(device)
    assert (taken["rollout"], taken["turn"], taken["boot_id"], taken["ended"]) == ("r1", "t2", "boot-1", None)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("main", "options"),
    [
        (bootc_switch.main, {"image": f"{REPOSITORY}@sha256:{'1' * 64}"}),
        (bootc_rollback.main, {"discard_staged": True}),
        (bootc_apply.main, {}),
    ],
    ids=["switch", "rollback", "apply"],
)
def test_an_overtaken_controller_changes_nothing(device, run_module, main, options, check):
    device.publish(f"{REPOSITORY}:1", "new")
    run_module(bootc_switch.main, image=f"{REPOSITORY}:1", fence=FENCE)
    held, calls = claim(device), device.calls()
    refused = run_module(main, check=check, fence=OVERTAKEN, **options)
    assert (refused["failed"], refused["reason"]) == (True, "fenced")
    assert refused["claim"]["by"] == "ann on desk"
    assert refused["boot_id"] == "boot-1"
    assert (claim(device), device.calls()) == (held, calls)


def test_a_device_that_cannot_keep_its_claim_is_not_taken_forward_but_back(device, run_module, warnings):
    image = device.publish_pinned(REPOSITORY, "new")
    (device.root / "var").write_text("no folder")
    refused = run_module(bootc_switch.main, image=image, fence=FENCE)
    assert (refused["reason"], device.calls()) == ("unexpected", [])
    assert "Nothing was changed" in refused["msg"]
    stays = run_module(bootc_switch.main, image=image, fence={**FENCE, "ends": True})
    assert stays["changed"]
    assert any("could not be noted" in text for text in warnings)


def test_the_last_step_ends_the_claim(device, run_module):
    image = device.publish_pinned(REPOSITORY, "new")
    run_module(bootc_switch.main, image=image, fence=FENCE)
    assert claim(device)["ended"] is None
    quiet = {"systemd": False, "greenboot": False, "required_dirs": []}
    run_module(device_health.main, commands=[["false"]], fence=FENCE, **quiet)
    run_module(device_health.main, commands=[["true"]], fence=OVERTAKEN, **quiet)
    run_module(device_health.main, check=True, fence=FENCE, **quiet)
    assert claim(device)["ended"] is None
    assert run_module(device_health.main, fence=FENCE, **quiet)["healthy"]
    assert claim(device)["ended"] is not None
    run_module(bootc_switch.main, image=image, fence={**FENCE, "ends": True})
    assert claim(device)["ended"] is not None


def test_who_changes_a_device_in_the_middle_of_a_rollout_is_warned(device, run_module, warnings):
    image = device.publish_pinned(REPOSITORY, "new")
    run_module(bootc_switch.main, image=image, fence=FENCE)
    assert warnings == []
    run_module(bootc_switch.main, image=image)
    assert any("in the middle of rollout r1" in text for text in warnings)
