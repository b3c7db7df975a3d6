# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may run bootc, and on which hosts: the exact errors."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulator.programs.perform import check_rights
from simulator.programs.usage import parse
from simulator.verbs.common import BootcError
from tests.simulated_world import REPOSITORY, STABLE, FakeWorld, bootc, device, image, names

USER = "Querying root privilege: This command must be executed as the root user"
CAPABLE = "Querying root privilege: This command requires full root privileges (CAP_SYS_ADMIN)"
CONTAINER = "Detected container; this command requires a booted host system."
EVERY_WRITING_VERB = (
    "upgrade",
    "upgrade --check",
    "delete-deployment x",
    "config-diff",
    "composefs-finalize-staged",
    "internals cleanup",
    "internals fsck",
    "internals composefs-gc",
    "internals prep-soft-reboot --reset",
    "loader-entries set-options-for-source --source x",
)
WITH_A_CONTEXT = {
    "switch x": "Switching",
    "rollback": "Rollback",
    "edit -f x": "Editing spec",
    "image list": "Listing images",
}


def refused(line, rights, state=None):
    with pytest.raises(BootcError) as failed:
        check_rights(device() if state is None else state, parse(line.split(), "1.16.9"), rights)
    return str(failed.value)


@pytest.mark.parametrize(("rights", "cause"), [("user", USER), ("no-sys-admin", CAPABLE), ("container", CONTAINER)])
def test_what_writes_wants_all_of_root_on_a_host(rights, cause):
    for line in EVERY_WRITING_VERB:
        assert refused(line, rights) == f"Initializing storage: Preparing for write: {cause}"
    for line, context in WITH_A_CONTEXT.items():
        assert refused(line, rights) == f"{context}: Initializing storage: Preparing for write: {cause}"


def test_status_wants_root_where_something_is_booted():
    assert refused("status --json", "user") == f"Status: Preparing for write: {USER}"
    for state, rights in ((device(), "root"), (device(), "container"), (NOT_BOOTED, "user")):
        check_rights(state, parse(["status"], "1.16.9"), rights)


NOT_BOOTED = replace(device(), deployments=(), booted_id=None)


def test_the_overlay_asks_whoever_mounts_it():
    assert refused("usr-overlay", "user") == "You must be root to perform this command"
    assert refused("usr-overlay", "user", device(backend="composefs")) == "Operation not permitted (os error 1)"
    for rights, state in (("container", device()), ("root", NOT_BOOTED)):
        assert refused("usr-overlay", rights, state) == "usroverlay only applies on booted hosts"


def test_a_schema_needs_nothing():
    check_rights(NOT_BOOTED, parse(["internals", "print-json-schema", "--of", "host"], "1.16.9"), "user")


@pytest.mark.parametrize(
    ("line", "context"),
    [("upgrade", ""), ("switch x", "Switching: "), ("rollback", "Rollback: "), ("edit", "Editing spec: ")],
)
def test_a_host_bootc_did_not_boot(line, context):
    with pytest.raises(BootcError) as failed:
        bootc(NOT_BOOTED, FakeWorld(), *line.split())
    assert str(failed.value) == f"{context}Initializing storage: System not booted via bootc"


@pytest.mark.parametrize("line", ["upgrade", "switch x", "rollback", "internals cleanup"])
def test_a_read_only_medium(line):
    state = replace(device(rollback="a"), read_only=True)
    with pytest.raises(BootcError) as failed:
        bootc(state, FakeWorld(stable="b"), *line.split())
    assert str(failed.value).endswith(
        "Initializing storage: Cannot perform this operation: /sysroot is on a read-only block device (e.g. a live ISO)"
    )


def with_booted(**changes):
    state = device(rollback="a")
    return replace(state, deployments=(replace(state.deployments[0], **changes), *state.deployments[1:]))


def test_a_layered_host_upgrades_by_no_means_and_switches_to_anything():
    layered = with_booted(layered=True)
    for flags in ((), ("--check",), ("--from-downloaded",)):
        with pytest.raises(BootcError) as failed:
            bootc(layered, FakeWorld(stable="n"), "upgrade", *flags)
        assert str(failed.value) == (
            "Upgrading: Deployment contains local rpm-ostree modifications; cannot upgrade via bootc. "
            "You can run `rpm-ostree reset` to undo the modifications."
        )
    with pytest.raises(BootcError, match=r"^Upgrading: --tag requires a booted image with a specified source$"):
        bootc(layered, FakeWorld(), "upgrade", "--tag", "x")
    outcome = bootc(layered, FakeWorld(stable="n"), "switch", STABLE)
    assert outcome.state.staged is not None
    assert not outcome.state.staged.layered


def test_a_plain_ostree_host_switches_only():
    plain = with_booted(plain=True)
    with pytest.raises(BootcError, match=r"^Upgrading: No image source specified$"):
        bootc(plain, FakeWorld(stable="n"), "upgrade")
    state = bootc(plain, FakeWorld(stable="n"), "switch", STABLE).state
    assert names(state)["staged"] == "n"
    world = FakeWorld(stable="n2")
    assert not any("Total new layers" in line for line in bootc(state, world, "upgrade").out), "nothing to compare with"


def test_a_rollback_that_is_no_container_image():
    state = device(rollback="a")
    state = replace(state, deployments=(state.deployments[0], replace(state.deployments[1], plain=True)))
    with pytest.raises(BootcError) as failed:
        bootc(state, FakeWorld(), "rollback")
    assert str(failed.value) == "Rollback: Rollback (ostree): Rollback is not container image based"


@pytest.mark.parametrize("backend", ["ostree", "composefs"])
def test_sessions_without_rights(registry, make_device, backend):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0", "--backend", backend)
    done = made.run("exec", "--as-user", "--", "bootc", "upgrade")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: Initializing storage: Preparing for write: {USER}\n"
    inside = made.run("exec", "--in-container", "--", "bootc", "status", "--json")
    assert (inside.returncode, json.loads(inside.stdout)["status"]["booted"]) == (0, None)
    assert made.status()["booted"] is not None
    bounded = made.run("exec", "--without-sys-admin", "--", "bootc", "rollback")
    assert bounded.stderr.endswith("requires full root privileges (CAP_SYS_ADMIN)\n")


def test_tag_beside_digest_is_never_found_stored_again():
    digest = image("n").digest
    pinned = f"{REPOSITORY}:stable@{digest}"
    world = FakeWorld()
    world.put(STABLE, "n")
    world.images[pinned] = world.images[STABLE]
    state = bootc(device(), world, "switch", pinned).state
    assert state.spec is not None
    assert state.spec.image == pinned
    assert pinned not in state.stored
    assert bootc(state, world, "upgrade", "--check").out[0] == f"Update available for: docker://{pinned}"
    again = bootc(state, world, "upgrade")
    assert again.out[0].startswith("layers already present: 1; layers needed: 1 "), "what is its own is fetched again"
    assert again.out[-1] == "Staged update present, not changed"
