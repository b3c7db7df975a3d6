# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The composefs backend, where it differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import status
from simulator.reference import ImageRef
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

OTHER = f"{REPOSITORY}:other"


def composefs(booted="b", *, rollback="a", version="1.16.9"):
    return device(booted, backend="composefs", rollback=rollback, version=version)


def staged(*flags: str, version: str = "1.16.9"):
    world = FakeWorld(stable="n")
    return bootc(composefs(version=version), world, "upgrade", *flags).state, world


def test_upgrade_stages_silently():
    outcome = bootc(composefs(), FakeWorld(stable="n"), "upgrade", "--apply")
    assert outcome.out == []
    assert outcome.reboot
    assert names(outcome.state) == {"booted": "b", "staged": "n", "rollback": "a"}
    assert names(reboot(outcome.state)) == {"booted": "n", "staged": None, "rollback": "b"}
    assert outcome.state.reboot_required is None


@pytest.mark.parametrize("there", ["b", "a"])
def test_upgrade_to_booted_or_rollback_content_does_nothing(there):
    outcome = bootc(composefs(), FakeWorld(stable=there), "upgrade", "--apply")
    assert outcome.out == [f"No changes in: {STABLE}"]
    assert not outcome.reboot
    assert outcome.state.staged is None


@pytest.mark.parametrize("there", ["n", "b", "a"])
def test_upgrade_with_something_staged_to_any_deployed_content_keeps_it_and_does_not_reboot(there):
    state, world = staged("--download-only")
    world.put(STABLE, there)
    outcome = bootc(state, world, "upgrade", "--apply")
    assert outcome.out == [f"No changes in staged image: {STABLE}"]
    assert not outcome.reboot
    assert names(outcome.state)["staged"] == "n"
    assert outcome.state.staged_locked, "upgrade does not unlock"


def test_before_1_16_4_an_already_staged_update_was_told_or_applied():
    state, world = staged(version="1.16.3")
    told = bootc(state, world, "upgrade")
    assert told.out == ["Update already staged. To apply update run `bootc update --apply`"]
    assert not told.reboot
    applied = bootc(state, world, "upgrade", "--apply")
    assert applied.out == []
    assert applied.reboot


def relabelled(name: str, ref: str = STABLE):
    """The content of the image called ``name`` under another configuration, as a build with other labels makes it."""
    made = image(name, ref)
    again = f"{name} relabelled"
    return replace(made, digest=digest(f"manifest {again}"), config_digest=digest(f"config {again}"))


def test_check_counts_the_layers_of_an_image_never_pulled_though_its_content_is_booted():
    world = FakeWorld()
    world.images[STABLE] = relabelled("b")
    outcome = bootc(composefs(), world, "upgrade", "--check")
    assert [line.split(":")[0] for line in outcome.out] == ["Total new layers", "Removed layers", "Added layers"]
    assert outcome.state == composefs()


@pytest.mark.parametrize(("there", "slot"), [("b", "Some(Booted)"), ("a", "Some(Rollback)")])
def test_upgrade_finds_out_that_content_is_deployed_only_after_it_pulled_it(there, slot):
    world = FakeWorld()
    world.images[STABLE] = relabelled(there)
    with pytest.raises(BootcError) as failed:
        bootc(composefs(), world, "upgrade")
    assert str(failed.value) == (
        "Upgrading composefs: Performing Upgrade Operation: "
        f"Target image has the same fs-verity digest as the existing {slot} deployment."
    )
    assert failed.value.so_far is not None
    after = failed.value.so_far.state
    assert after.deployments == composefs().deployments
    assert bootc(after, world, "upgrade").out == [f"No changes in: {STABLE}"]


def test_what_an_old_bootc_would_damage_is_refused():
    world = FakeWorld()
    world.images[STABLE] = relabelled("b")
    with pytest.raises(BootcError, match=r"not simulated: before 1\.16\.0"):
        bootc(composefs(version="1.15.2"), world, "upgrade")


def test_a_manifest_pushed_again_around_the_same_configuration_is_no_update():
    world = FakeWorld()
    world.images[STABLE] = replace(image("b"), digest=digest("manifest again"))
    assert bootc(composefs(), world, "upgrade").out == [f"No changes in: {STABLE}"]


def test_what_is_staged_comes_before_a_tag():
    state, world = staged()
    world.put(OTHER, "other")
    outcome = bootc(state, world, "upgrade", "--tag", "other")
    assert outcome.out == [f"No changes in staged image: {STABLE}"]
    assert outcome.state == state
    assert world.requests[-2:] == [OTHER, STABLE]


def test_a_switch_before_1_16_to_booted_content_only_renames_it():
    world = FakeWorld(other="b")
    outcome = bootc(composefs(version="1.15.2"), world, "switch", OTHER)
    assert outcome.out == ["Image already in composefs repository", "Updating target image reference"]
    assert outcome.state.spec == ImageRef(OTHER)
    assert outcome.state.staged is None
    world.put(OTHER, "a")
    assert bootc(composefs(version="1.15.2"), world, "switch", OTHER).out == [f"No changes in image: {OTHER}"]


def test_check_prints_counts_only_and_stages_nothing():
    outcome = bootc(composefs(), FakeWorld(stable="n"), "upgrade", "--check")
    assert [line.split(":")[0] for line in outcome.out] == ["Total new layers", "Removed layers", "Added layers"]
    assert outcome.state.staged is None


def test_check_stages_content_that_is_in_the_repository_but_not_deployed():
    state, world = staged("--download-only")
    lost = reboot(state)
    assert lost.staged is None
    assert names(bootc(lost, world, "upgrade", "--check").state)["staged"] == "n"


def test_from_downloaded_unlocks_in_silence_and_hints_when_there_is_nothing_to_unlock():
    state, world = staged("--download-only")
    unlocked = bootc(state, world, "upgrade", "--from-downloaded", "--apply")
    assert unlocked.out == []
    assert unlocked.reboot
    again = bootc(unlocked.state, world, "upgrade", "--from-downloaded", "--apply")
    assert again.out == [
        "Staged deployment is present and not in download only mode.",
        "Use `bootc update --apply` to apply the update.",
    ]
    assert not again.reboot


def test_download_only_came_to_composefs_with_1_13():
    with pytest.raises(BootcError, match="not yet supported"):
        staged("--download-only", version="1.12.1")


@pytest.mark.parametrize(("content", "slot"), [("b", "Some(Booted)"), ("n", "Some(Staged)"), ("a", "Some(Rollback)")])
def test_switch_to_deployed_content_is_an_error(content, slot):
    state, world = staged()
    world.put(OTHER, content)
    with pytest.raises(BootcError) as failed:
        bootc(state, world, "switch", OTHER)
    assert str(failed.value).endswith(f"Target image has the same fs-verity digest as the existing {slot} deployment.")


def test_switch_unchanged_is_the_way_to_reboot_into_what_is_staged():
    state, world = staged()
    outcome = bootc(state, world, "switch", STABLE, "--apply")
    assert outcome.out == ["Image specification is unchanged."]
    assert outcome.reboot
    assert not bootc(composefs(), world, "switch", STABLE, "--apply").reboot


def test_a_signature_asked_for_is_forgotten_so_that_the_second_switch_fails():
    world = FakeWorld(other="n")
    state = bootc(composefs(), world, "switch", "--enforce-container-sigpolicy", OTHER).state
    assert state.spec is not None
    assert state.spec.signature is None
    with pytest.raises(BootcError, match="same fs-verity digest"):
        bootc(state, world, "switch", "--enforce-container-sigpolicy", OTHER)


@pytest.mark.parametrize(("version", "left"), [("1.15.2", "n"), ("1.16.0", None)])
def test_rollback_drops_what_is_staged_since_1_16(version, left):
    state, _unused = staged(version=version)
    outcome = bootc(state, FakeWorld(), "rollback")
    assert outcome.out == ["Next boot: rollback deployment"]
    assert names(outcome.state)["staged"] == left


def test_rollback_without_one():
    with pytest.raises(BootcError, match="No rollback available"):
        bootc(composefs(rollback=None), FakeWorld(), "rollback")


def test_delete_deployment():
    state, _unused = staged()
    assert state.staged is not None
    assert bootc(state, FakeWorld(), "delete-deployment", state.staged.id).state.staged is None
    queued = bootc(composefs(), FakeWorld(), "rollback").state
    assert queued.rollback is not None
    gone = bootc(queued, FakeWorld(), "delete-deployment", queued.rollback.id)
    assert not gone.state.rollback_queued
    assert gone.state.rollback is None
    with pytest.raises(BootcError, match="Cannot delete currently booted deployment"):
        bootc(state, FakeWorld(), "delete-deployment", str(state.booted_id))
    with pytest.raises(BootcError, match="Deployment feed not found"):
        bootc(state, FakeWorld(), "delete-deployment", "feed")
    with pytest.raises(BootcError, match="only supported for composefs"):
        bootc(device(), FakeWorld(), "delete-deployment", "feed")


@pytest.mark.parametrize(("version", "at_staging"), [("1.16.3", False), ("1.16.4", True)])
def test_an_etc_conflict_stops_staging_since_1_16_4_and_finalisation_before(version, at_staging):
    state = with_fault(composefs(version=version), "etc-conflict")
    world = FakeWorld(stable="n")
    if at_staging:
        with pytest.raises(BootcError, match="Merge conflicts found in etc") as failed:
            bootc(state, world, "upgrade")
        assert failed.value.notes
    else:
        after = reboot(bootc(state, world, "upgrade").state)
        assert names(after)["booted"] == "b"
        assert after.boot.failed_units == ()


def test_disk_preflight_asks_for_the_whole_image():
    with pytest.raises(BootcError, match=r"required: 1\.2\u00a0GB"):
        bootc(with_fault(composefs(), "disk-full"), FakeWorld(stable="n"), "upgrade")


def test_disk_preflight_asks_for_it_also_when_everything_is_there():
    state, world = staged("--download-only")
    with pytest.raises(BootcError, match=r"required: 1\.2\u00a0GB"):
        bootc(with_fault(reboot(state), "disk-full"), world, "upgrade")
    old = replace(reboot(state), bootc_version="1.15.2")
    assert names(bootc(with_fault(old, "disk-full"), world, "upgrade").state)["staged"] == "n"


def test_status_has_no_type_no_version_and_the_digest_of_its_time():
    state, _unused = staged()
    shown = status.document(state)["status"]
    assert shown["type"] is None
    assert shown["booted"]["image"]["version"] is None
    assert shown["booted"]["store"] is None
    assert shown["booted"]["ostree"] is None
    assert len(shown["booted"]["composefs"]["verity"]) == 128
    assert shown["booted"]["image"]["imageDigest"] == image("b").digest
    old = status.document(replace(state, bootc_version="1.16.3"))["status"]
    assert old["booted"]["image"]["imageDigest"] == image("b").config_digest


def test_a_manifest_annotation_gives_the_version():
    world = FakeWorld(stable="n")
    world.images[STABLE] = replace(world.images[STABLE], annotations={"org.opencontainers.image.version": "2026.8"})
    state = bootc(composefs(), world, "upgrade").state
    assert status.document(state)["status"]["staged"]["image"]["version"] == "2026.8"


def test_rollback_ignores_soft_reboot_and_nothing_else_does():
    assert bootc(composefs(), FakeWorld(), "rollback", "--soft-reboot=auto", "--apply").reboot
    with pytest.raises(BootcError, match="Cannot soft-reboot to deployment with a different kernel state"):
        bootc(composefs(), FakeWorld(stable="n"), "upgrade", "--soft-reboot=required")


def test_usr_overlay_before_it_could_be_read_only():
    once = bootc(composefs(version="1.14.0"), FakeWorld(), "usr-overlay")
    assert once.out[0] == "A writeable overlayfs is now mounted on /usr"
    assert bootc(once.state, FakeWorld(), "usr-overlay").out == ["A writeable overlayfs is already mounted on /usr"]


def test_the_second_usr_overlay_succeeds():
    once = bootc(composefs(), FakeWorld(), "usr-overlay")
    assert once.out[0] == "A read/write overlayfs is now mounted on /usr"
    assert bootc(once.state, FakeWorld(), "usr-overlay").out == ["An overlayfs is already mounted on /usr"]
