# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bootc_update against a fake device, in every state it can be asked for."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.modules import bootc_rollback, bootc_update

from .test_modules import BOOTED, REPOSITORY, four_times, reboot


def test_update_stages_the_newest(device, run_module):
    digest = device.publish(f"{REPOSITORY}:stable", "v2")
    _predicted, done = four_times(run_module, bootc_update.main)
    assert (done["bootc"]["staged"]["digest"], done["bootc"]["next_boot"]) == (digest, "staged")


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("device", ["ostree-staged", "composefs-sdboot-staged"], indirect=True)
def test_available_tells_what_there_is_and_touches_nothing(device, run_module, check):
    repository = device.state["document"]["spec"]["image"]["image"].rpartition(":")[0]
    name = device.publish_pinned(repository, "v3")
    device.publish(f"{repository}:stable", "v3")
    device.change(labels={"org.opencontainers.image.version": "3.0"})
    before = device.state
    result = run_module(bootc_update.main, check=check, state="available")
    digest = name.partition("@")[2]
    assert result["newest"] == {
        "image": f"{repository}:stable",
        "digest": digest,
        "digests": [digest],
        "version": "3.0",
        "differs_from_booted": True,
        "differs_from_staged": True,
    }
    assert (result["changed"], result["commands"], device.calls()) == (False, [], [])
    assert device.state == before


def test_available_looks_at_the_tag_it_is_asked_for(device, run_module):
    digest = device.publish(f"{REPOSITORY}:testing", "v3")
    result = run_module(bootc_update.main, state="available", tag="testing")
    assert (result["newest"]["image"], result["newest"]["digest"]) == (f"{REPOSITORY}:testing", digest)
    assert result["newest"]["version"] is None
    assert result["newest"]["differs_from_staged"] is None


def test_available_that_cannot_be_answered_is_a_failure(device, run_module):
    assert run_module(bootc_update.main, state="available")["reason"] == "not_found"
    device.change(registry_down=True)
    assert run_module(bootc_update.main, state="available")["reason"] == "network"


def test_available_of_what_no_registry_can_be_asked_for(device, run_module):
    state = device.state
    slots = state["document"]["status"]
    pinned = f"{REPOSITORY}@sha256:{'7' * 64}"
    slots["booted"]["image"]["image"]["image"] = state["document"]["spec"]["image"]["image"] = pinned
    device.save(state)
    result = run_module(bootc_update.main, state="available")
    assert (result["newest"]["digest"], result["newest"]["differs_from_booted"]) == (BOOTED, False)
    assert "tracks a digest" in result["notes"][0]
    state["document"]["spec"]["image"] = {"image": "/srv/image", "transport": "oci"}
    device.save(state)
    result = run_module(bootc_update.main, state="available")
    assert (result["newest"]["digest"], result["newest"]["differs_from_booted"]) == (None, None)
    assert "cannot be looked up" in result["notes"][0]


@pytest.mark.parametrize("device", ["ostree-booted-only"], indirect=True)
def test_available_says_that_the_host_was_taken_back_from_it(device, run_module):
    device.publish(f"{REPOSITORY}:stable", "v2")
    run_module(bootc_update.main)
    reboot(device)
    run_module(bootc_rollback.main)
    reboot(device)
    assert "taken back" in run_module(bootc_update.main, state="available")["notes"][0]


@pytest.mark.parametrize("device", ["ostree-staged", "composefs-sdboot-staged"], indirect=True)
def test_update_calls_off_what_is_staged(device, run_module):
    _predicted, done = four_times(run_module, bootc_update.main, state="absent")
    assert (done["bootc"]["staged"], done["bootc"]["next_boot"]) == (None, "booted")
    assert len(device.calls()) == 1


@pytest.mark.parametrize("device", ["ostree-staged-download-only", "ostree-booted-only"], indirect=True)
def test_update_arms_what_is_parked_while_no_registry_answers(device, run_module):
    device.change(registry_down=True)
    if device.state["document"]["status"]["staged"] is None:
        result = run_module(bootc_update.main, from_downloaded=True)
        assert (result["reason"], device.calls()) == ("not_found", [])
        return
    _predicted, done = four_times(run_module, bootc_update.main, from_downloaded=True)
    assert done["commands"] == [["bootc", "upgrade", "--quiet", "--from-downloaded"]]
    log = (device.programs / "calls").read_text()
    assert "skopeo" not in log


@pytest.mark.parametrize("device", ["composefs-sdboot-staged"], indirect=True)
def test_what_is_parked_is_not_lost_to_a_registry_that_does_not_answer(device, run_module):
    """It used to be dropped before the upgrade that then could not fetch anything in its place."""
    state = device.state
    state["document"]["status"]["staged"]["downloadOnly"] = state["registry_down"] = True
    device.save(state)
    result = run_module(bootc_update.main)
    assert (result["reason"], device.calls()) == ("network", [])
    assert "from_downloaded=true" in result["msg"]


@pytest.mark.parametrize("version", ["1.16.9", "1.14.0"])
def test_update_follows_another_tag(device, run_module, version):
    device.change(version=version)
    digest = device.publish(f"{REPOSITORY}:testing", "v2")
    _predicted, done = four_times(run_module, bootc_update.main, tag="testing")
    assert done["bootc"]["staged"]["digest"] == digest
    assert done["bootc"]["spec_image"]["image"] == f"{REPOSITORY}:testing"
    assert ("--tag" in done["commands"][0]) is (version == "1.16.9")


@pytest.mark.parametrize(
    "options",
    [
        {"tag": ""},
        {"tag": "a b"},
        {"tag": "-x"},
        {"tag": "stable@sha256:" + "1" * 64},
        {"from_downloaded": True, "state": "downloaded"},
        {"from_downloaded": True, "tag": "testing"},
        {"state": "absent", "tag": "testing"},
        {"state": "absent", "repeat": True},
    ],
)
def test_update_refuses_what_makes_no_sense_before_the_device_is_asked(device, run_module, options):
    result = run_module(bootc_update.main, **options)
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert not (device.programs / "calls").exists()


def test_update_downloads_and_then_arms(device, run_module):
    digest = device.publish(f"{REPOSITORY}:stable", "v2")
    _predicted, parked = four_times(run_module, bootc_update.main, state="downloaded")
    assert (parked["bootc"]["staged"]["digest"], parked["bootc"]["next_boot"]) == (digest, "booted")
    _predicted, armed = four_times(run_module, bootc_update.main, state="staged")
    assert armed["commands"] == [["bootc", "upgrade", "--quiet", "--from-downloaded"]]


def test_update_of_an_old_bootc_cannot_park(device, run_module):
    device.publish(f"{REPOSITORY}:stable", "v2")
    device.change(version="1.11.0")
    result = run_module(bootc_update.main, state="downloaded")
    assert (result["reason"], device.calls()) == ("unsupported_version", [])
    assert "1.12.0" in result["msg"]


def test_update_without_registry(device, run_module):
    result = run_module(bootc_update.main)
    assert (result["failed"], result["reason"]) == (True, "not_found")
    assert result["bootc"]["staged"] is None


def test_update_does_not_undo_a_rollback(device, run_module):
    device.publish(f"{REPOSITORY}:stable", "v2")
    run_module(bootc_update.main)
    reboot(device)
    run_module(bootc_rollback.main)
    reboot(device)
    for state in ("staged", "downloaded"):
        result = run_module(bootc_update.main, state=state)
        assert (result["changed"], result["bootc"]["staged"]) == (False, None)
        assert "taken back" in result["notes"][0]
    assert run_module(bootc_update.main, repeat=True)["bootc"]["next_boot"] == "staged"
    reboot(device)
    assert run_module(bootc_rollback.main)["changed"] is True


def test_update_after_a_rollback_takes_what_is_newer(device, run_module):
    device.publish(f"{REPOSITORY}:stable", "v2")
    run_module(bootc_update.main)
    reboot(device)
    run_module(bootc_rollback.main)
    reboot(device)
    digest = device.publish(f"{REPOSITORY}:stable", "v3")
    assert run_module(bootc_update.main)["bootc"]["staged"]["digest"] == digest
