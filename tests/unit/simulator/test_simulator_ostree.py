# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ostree backend: what each command prints and leaves, row by row of the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.verbs.common import BootcError
from tests.simulated_world import (
    REPOSITORY,
    STABLE,
    FakeWorld,
    bootc,
    device,
    digest,
    image,
    names,
    reboot,
    with_fault,
)

NBSP = "\u00a0"
B, N = image("b").digest, image("n").digest
DIFF = [
    f"Total new layers: 2     Size: 1.2{NBSP}GB",
    f"Removed layers:   1     Size: 250.0{NBSP}MB",
    f"Added layers:     1     Size: 250.0{NBSP}MB",
]


def staged(*flags: str):
    world = FakeWorld(stable="n")
    return bootc(device(rollback="a"), world, "upgrade", *flags).state, world


def test_upgrade_with_nothing_newer_changes_nothing():
    outcome = bootc(device(), FakeWorld(stable="b"), "upgrade", "--apply")
    assert outcome.out == [f"No changes in {STABLE} => {B}", "No update available."]
    assert not outcome.reboot
    assert names(outcome.state)["staged"] is None


def test_upgrade_stages_a_newer_image():
    outcome = bootc(device(rollback="a"), FakeWorld(stable="n"), "upgrade")
    assert outcome.out == [
        f"layers already present: 1; layers needed: 1 (250.0{NBSP}MB)",
        # The rollback's layer is named by no stored image: the collection after staging drops it, and the booted one's.
        f"Pruned images: 0 (layers: 2, objsize: 0{NBSP}bytes)",
        f"Queued for next boot: {STABLE}",
        "  Version: n",
        f"  Digest: {N}",
        *DIFF,
    ]
    assert outcome.err == ["Deploying...done (0 seconds)"]
    assert names(outcome.state) == {"booted": "b", "staged": "n", "rollback": "a"}
    assert outcome.state.last_pull is not None
    assert outcome.state.last_pull.bytes_fetched == 250_000_000
    assert outcome.state.last_pull.bytes_reused == 1_000_000_000
    assert outcome.state.reboot_required == N


def test_old_bootc_spoils_stdout_with_its_spinner():
    outcome = bootc(device(version="1.12.0"), FakeWorld(stable="n"), "upgrade")
    assert "Deploying...done (0 seconds)" in outcome.out


def test_upgrade_apply_reboots_when_something_was_staged_now_or_before():
    assert bootc(device(), FakeWorld(stable="n"), "upgrade", "--apply").reboot
    state, world = staged()
    assert bootc(state, world, "upgrade", "--apply").reboot


@pytest.mark.parametrize(
    ("before", "flags", "line", "locked"),
    [
        ((), (), "Staged update present, not changed", False),
        (("--download-only",), (), "Staged deployment will now be applied on reboot", False),
        ((), ("--download-only",), "Image downloaded, but will not be applied on reboot", True),
        (("--download-only",), ("--download-only",), "Staged update present, not changed", True),
    ],
)
def test_upgrade_to_what_is_staged_only_sets_the_lock(before, flags, line, locked):
    state, world = staged(*before)
    outcome = bootc(state, world, "upgrade", *flags)
    assert outcome.out == [f"No changes in {STABLE} => {N}", line]
    assert outcome.state.staged_locked is locked


def test_download_only_says_queued_but_is_locked():
    state, _unused = staged("--download-only")
    assert state.staged_locked


def test_a_staged_image_stays_when_the_tag_moves_back_to_the_booted_one():
    state, world = staged()
    world.put(STABLE, "b")
    outcome = bootc(state, world, "upgrade")
    # What is stored under the tag is the new image, so the booted one is fetched once more to find that out.
    assert outcome.out == [f"layers already present: 1; layers needed: 1 (250.0{NBSP}MB)", "No update available."]
    assert names(reboot(outcome.state))["booted"] == "n"


def test_upgrade_replaces_what_is_staged():
    state, world = staged()
    world.put(STABLE, "n2")
    after = bootc(state, world, "upgrade").state
    assert names(after) == {"booted": "b", "staged": "n2", "rollback": "a"}
    assert names(reboot(after)) == {"booted": "n2", "staged": None, "rollback": "b"}


def test_check_names_the_proxy_reference_and_remembers_the_update():
    outcome = bootc(device(), FakeWorld(stable="n"), "upgrade", "--check")
    assert outcome.out == [f"Update available for: docker://{STABLE}", "  Version: n", f"  Digest: {N}", *DIFF]
    assert outcome.state.staged is None
    assert outcome.state.cached_updates[B].digest == N


def test_check_compares_with_what_is_stored_not_with_what_is_booted():
    state, world = staged()
    assert bootc(state, world, "upgrade", "--check").out == [f"No changes in: docker://{STABLE}"]
    lost = reboot(state, orderly=False)
    assert names(lost)["booted"] == "b"
    assert bootc(lost, world, "upgrade", "--check").out == [f"No changes in: docker://{STABLE}"]


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (("--download-only",), "Staged deployment will now be applied on reboot"),
        ((), "Staged deployment is already set to apply on reboot"),
    ],
)
def test_from_downloaded_unlocks_without_the_registry(before, line):
    state, _unused = staged(*before)
    outcome = bootc(state, FakeWorld(), "upgrade", "--from-downloaded", "--apply")
    assert outcome.out == [line]
    assert outcome.reboot
    assert not outcome.state.staged_locked


def test_from_downloaded_with_nothing_staged():
    with pytest.raises(BootcError, match=r"^Upgrading: No staged deployment found$"):
        bootc(device(), FakeWorld(), "upgrade", "--from-downloaded")


def test_upgrade_tag_tracks_the_tag_only_when_something_is_staged():
    world = FakeWorld(testing="n", same="b")
    after = bootc(device(), world, "upgrade", "--tag", "testing").state
    assert after.spec is not None
    assert after.spec.image == f"{REPOSITORY}:testing"
    same = bootc(device(), world, "upgrade", "--tag", "same")
    assert same.out[-1] == "No update available."
    assert same.state.spec is not None
    assert same.state.spec.image == STABLE


def test_switch_to_the_same_reference_asks_nobody():
    world = FakeWorld()
    outcome = bootc(device(), world, "switch", STABLE, "--apply")
    assert outcome.out == ["Image specification is unchanged."]
    assert world.requests == []
    assert not outcome.reboot


@pytest.mark.parametrize(("version", "reboots"), [("1.16.2", False), ("1.16.3", True)])
def test_switch_apply_reboots_into_what_is_staged_since_1_16_3(version, reboots):
    state, world = staged()
    assert bootc(replace(state, bootc_version=version), world, "switch", STABLE, "--apply").reboot is reboots


def test_switch_stages_and_tracks_without_diff_lines():
    world = FakeWorld(other="n")
    outcome = bootc(device(), world, "switch", f"{REPOSITORY}:other")
    assert outcome.out[-3:] == [f"Queued for next boot: {REPOSITORY}:other", "  Version: n", f"  Digest: {N}"]
    assert outcome.state.spec is not None
    assert outcome.state.spec.image == f"{REPOSITORY}:other"


def test_switch_back_to_the_booted_content_makes_another_deployment():
    world = FakeWorld(stable="b", other="n")
    state = bootc(device(), world, "switch", f"{REPOSITORY}:other").state
    outcome = bootc(state, world, "switch", STABLE)
    assert outcome.out[0] == f"No changes in {STABLE} => {B}"
    assert outcome.state.staged is not None
    assert outcome.state.staged.serial == 1
    assert names(reboot(outcome.state)) == {"booted": "b", "staged": None, "rollback": "b"}


def repushed(name: str, ref: str = STABLE):
    """The image called ``name`` under another manifest, as a push with other compression or annotations makes it."""
    made = image(name, ref)
    return replace(made, digest=digest(f"manifest {name} again"), layers=image(f"{name} again", ref).layers)


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_a_manifest_pushed_again_around_the_same_configuration_is_no_update(flags):
    world = FakeWorld()
    world.images[STABLE] = repushed("b")
    outcome = bootc(device(), world, "upgrade", *flags)
    if flags:
        assert outcome.out == [f"No changes in: docker://{STABLE}"]
    else:
        assert outcome.out == [f"No changes in {STABLE} => {B}", "No update available."]
    assert outcome.state == device()


def test_a_staged_image_keeps_its_manifest_when_that_is_pushed_again():
    state, world = staged("--download-only")
    world.images[STABLE] = repushed("n")
    outcome = bootc(state, world, "upgrade")
    assert outcome.out == [f"No changes in {STABLE} => {N}", "Staged deployment will now be applied on reboot"]
    assert outcome.state.staged is not None
    assert outcome.state.staged.image.digest == N


def test_content_is_stored_by_reference_whatever_is_deployed():
    world = FakeWorld(stable="n", old="b")
    state = reboot(bootc(device(), world, "upgrade").state)
    assert names(state)["rollback"] == "b"
    outcome = bootc(state, world, "switch", f"{REPOSITORY}:old")
    assert outcome.out[0] == f"layers already present: 1; layers needed: 1 (250.0{NBSP}MB)"
    assert image("b").layers[1].digest in outcome.state.layers


def test_another_name_of_a_stored_image_needs_no_layers_and_says_nothing_of_them():
    world = FakeWorld(stable="b", same="b")
    outcome = bootc(device(), world, "switch", f"{REPOSITORY}:same")
    assert outcome.out[0] == f"Queued for next boot: {REPOSITORY}:same"


def test_quiet_hides_progress_bars_only():
    outcome = bootc(device(), FakeWorld(stable="n"), "upgrade", "--quiet")
    assert outcome.out[0].startswith("layers already present: 1; ")
    assert outcome.err == ["Deploying...done (0 seconds)"]


def test_check_refuses_what_could_not_be_staged():
    world = FakeWorld()
    world.put(STABLE, "n", architecture="arm64")
    with pytest.raises(BootcError, match=r"Image has architecture arm64; expected amd64"):
        bootc(device(), world, "upgrade", "--check")


def test_a_reference_by_own_digest_never_moves_and_needs_no_network():
    world = FakeWorld(stable="n")
    pinned = f"{REPOSITORY}@{N}"
    state = reboot(bootc(device(), world, "switch", pinned).state)
    world.requests.clear()
    assert bootc(state, world, "upgrade").out[-1] == "No update available."
    assert world.requests == []


def test_retain_keeps_the_layers_of_the_image_before():
    world = FakeWorld(one="n1", two="n2", three="n3")

    def after_three(*flags):
        state = device()
        for tag in ("one", "two", "three"):
            state = reboot(bootc(state, world, "switch", *flags, f"{REPOSITORY}:{tag}").state)
        return state

    assert STABLE not in after_three().stored
    assert STABLE in after_three("--retain").stored


def test_sigpolicy_refuses_an_insecure_default_before_any_request():
    world = FakeWorld(other="n")
    with pytest.raises(BootcError, match="refusing usage"):
        bootc(device(), world, "switch", "--enforce-container-sigpolicy", f"{REPOSITORY}:other")
    assert world.requests == []
    world.policy = "reject"
    after = bootc(device(), world, "switch", "--enforce-container-sigpolicy", f"{REPOSITORY}:other")
    assert f"Queued for next boot: ostree-image-signed:docker://{REPOSITORY}:other" in after.out
    assert after.state.spec is not None
    assert after.state.spec.signature == "containerPolicy"


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_a_reference_stored_with_a_policy_is_refused_once_the_policy_is_insecure(flags):
    world = FakeWorld(other="n")
    world.policy = "reject"
    state = reboot(bootc(device(), world, "switch", "--enforce-container-sigpolicy", f"{REPOSITORY}:other").state)
    world.policy = "insecureAcceptAnything"
    world.requests.clear()
    with pytest.raises(BootcError, match="refusing usage"):
        bootc(state, world, "upgrade", *flags)
    assert world.requests == []


def test_rollback_is_a_toggle():
    first = bootc(device(rollback="a"), FakeWorld(), "rollback")
    assert first.out == ["Next boot: rollback deployment"]
    assert first.state.rollback_queued
    second = bootc(first.state, FakeWorld(), "rollback", "--apply")
    assert second.out == ["notice: Reverting queued rollback state", "Next boot: current deployment"]
    assert second.reboot
    assert not second.state.rollback_queued
    assert names(reboot(first.state)) == {"booted": "a", "staged": None, "rollback": "b"}


def test_rollback_discards_what_is_staged_for_good():
    state, _unused = staged()
    once = bootc(state, FakeWorld(), "rollback").state
    assert names(once) == {"booted": "b", "staged": None, "rollback": "a"}
    assert names(bootc(once, FakeWorld(), "rollback").state)["staged"] is None


def test_rollback_without_one():
    with pytest.raises(BootcError, match=r"^Rollback: Rollback \(ostree\): No rollback available$"):
        bootc(device(), FakeWorld(), "rollback")


def test_staged_wins_over_a_queued_rollback():
    queued = bootc(device(rollback="a"), FakeWorld(), "rollback").state
    both = bootc(queued, FakeWorld(stable="n"), "upgrade").state
    assert both.rollback_queued
    assert names(both)["staged"] == "n"
    assert names(reboot(both)) == {"booted": "n", "staged": None, "rollback": "b"}


def test_upgrade_after_a_rollback_stages_the_bad_image_again():
    state, world = staged()
    back = reboot(bootc(reboot(state), world, "rollback").state)
    assert names(back) == {"booted": "b", "staged": None, "rollback": "n"}
    outcome = bootc(back, world, "upgrade")
    assert outcome.out[0].startswith("No changes in "), "which does not mean that nothing gets staged"
    assert names(outcome.state)["staged"] == "n"


def test_a_pinned_deployment_survives_finalisation():
    state, _unused = staged()
    pinned = replace(state, deployments=(state.deployments[0], replace(state.deployments[1], pinned=True)))
    after = reboot(pinned)
    assert [entry.image.labels["org.opencontainers.image.version"] for entry in after.deployments] == ["n", "b", "a"]
    assert len(after.others) == 1


@pytest.mark.parametrize("flags", [(), ("--download-only",)])
def test_power_loss_loses_what_is_staged(flags):
    state, _unused = staged(*flags)
    assert names(reboot(state, orderly=False)) == {"booted": "b", "staged": None, "rollback": "a"}


def test_download_only_does_not_survive_an_orderly_reboot_but_its_content_does():
    state, world = staged("--download-only")
    after = reboot(state)
    assert names(after) == {"booted": "b", "staged": None, "rollback": "a"}
    assert bootc(after, world, "upgrade").out[0] == f"No changes in {STABLE} => {N}"


def test_image_errors():
    world = FakeWorld(stable="n")
    world.images[STABLE] = replace(world.images[STABLE], labels={})
    with pytest.raises(BootcError, match=r"Target image does not have ostree\.bootable label"):
        bootc(device(), world, "upgrade")
    world.put(STABLE, "n", architecture="arm64")
    with pytest.raises(BootcError, match=r"Image has architecture arm64; expected amd64"):
        bootc(device(), world, "upgrade")
    with pytest.raises(
        BootcError, match=r"^Switching: Switching \(ostree\): Preparing import: Fetching manifest: failed to invoke"
    ):
        bootc(device(), world, "switch", f"{REPOSITORY}:absent")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("registry-unreachable", "no route to host"),
        ("auth", "unauthorized: authentication required"),
        ("disk-full", "Insufficient free space for registry.example/os/kde:stable (available: 0"),
    ],
)
def test_faults_that_stop_an_upgrade(fault, text):
    with pytest.raises(BootcError) as failed:
        bootc(with_fault(device(), fault), FakeWorld(stable="n"), "upgrade")
    assert text in str(failed.value)


def test_failed_finalisation_comes_back_on_the_old_deployment_once():
    state, world = staged()
    after = reboot(with_fault(state, "finalize-failure"))
    assert names(after) == {"booted": "b", "staged": None, "rollback": "a"}
    assert after.boot.failed_units == ("ostree-boot-complete.service",)
    again = reboot(bootc(after, world, "upgrade").state)
    assert names(again)["booted"] == "n"
    assert again.boot.failed_units == ()


def test_usr_overlay_lasts_until_the_reboot_and_fails_the_second_time():
    outcome = bootc(device(), FakeWorld(), "usr-overlay")
    assert outcome.out[0] == "Development mode enabled.  A writable overlayfs is now mounted on /usr."
    with pytest.raises(BootcError, match="Deployment is already in unlocked state: development"):
        bootc(outcome.state, FakeWorld(), "usr-overlay")
    assert reboot(outcome.state).usr_overlay is None


def test_a_read_only_usr_overlay_is_another_state():
    outcome = bootc(device(), FakeWorld(), "usr-overlay", "--read-only")
    assert outcome.out[0] == "A writable overlayfs is prepared for /usr, but is mounted read-only by default."
    with pytest.raises(BootcError, match="Deployment is already in unlocked state: transient"):
        bootc(outcome.state, FakeWorld(), "usr-overlay")
