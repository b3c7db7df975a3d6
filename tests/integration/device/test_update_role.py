# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role device_update over the simulated connection: every verdict, on devices that go wrong in every phase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.role_bench import Played, RoleBench
from tests.simulated_fleet import registry

pytestmark = pytest.mark.integration

ROLE = "skorionos.bootc.device_update"
QUICK = {"device_update_settle_seconds": 0, "device_update_reboot_timeout_seconds": 60}


@pytest.fixture
def bench(tmp_path: Path, collections_path: Path) -> Iterator[RoleBench]:
    with registry(tmp_path) as address:
        yield RoleBench(tmp_path, address, collections_path)


def update(bench: RoleBench, *arguments: str, phase: str = "main", **variables: Any) -> Played:
    """Run the role, consent given unless it is not, to release 1.1.0 unless told otherwise."""
    tasks = [{"name": "Run the role", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": phase}}]
    consent = {"device_update_image": bench.image("v1.1.0"), "device_update_reboot_ok": True}
    return bench.play(
        tasks, "device_update_result", *arguments, **{**QUICK, **consent, "device_update_fail": False, **variables}
    )


def verdicts(played: Played) -> dict[str, tuple[str, str | None]]:
    return {name: (fact["verdict"], fact["reason"]) for name, fact in played.facts.items()}


def armed(bench: RoleBench, name: str) -> bool:
    """Whether an orderly reboot would boot something else than what runs."""
    status = bench.status(name)
    staged = status["staged"]
    return status["rollbackQueued"] or (staged is not None and not staged.get("downloadOnly"))


@pytest.mark.exhaustive
def test_a_good_release_is_proved_and_a_second_run_changes_nothing(bench: RoleBench) -> None:
    bench.add("ostree", "--backend", "ostree")
    bench.add("composefs", "--backend", "composefs")
    predicted = update(bench, "--check")
    assert verdicts(predicted) == dict.fromkeys(bench.hosts, ("updated", None)), predicted.output
    assert all(fact["predicted"] for fact in predicted.facts.values())
    assert not any(armed(bench, name) for name in bench.hosts)
    first = update(bench, device_update_settle_seconds=1)
    assert first.rc == 0, first.output
    for name, fact in first.facts.items():
        assert (fact["verdict"], fact["reason"]) == ("updated", None), fact
        assert fact["before"]["image"] == bench.image("v1.0.0")
        assert fact["after"]["image"] == bench.image("v1.1.0") == bench.booted(name)
        assert [phase["phase"] for phase in fact["phases"]] == ["preflight", "stage", "apply", "verify", "settle"]
        assert all(phase["seconds"] >= 0 and not phase["failed"] for phase in fact["phases"])
        assert fact["evidence"]["boot"]["id_before"] != fact["evidence"]["boot"]["id_after"]
        assert not armed(bench, name)
    again = update(bench)
    assert verdicts(again) == dict.fromkeys(bench.hosts, ("unchanged", None))
    assert not again.changed


@pytest.mark.exhaustive
def test_without_consent_it_stays_at_a_reboot_that_is_needed(bench: RoleBench) -> None:
    bench.add("ostree")
    waiting = update(bench, device_update_reboot_ok=False)
    assert verdicts(waiting) == {"ostree": ("reboot_needed", None)}
    assert waiting.changed
    again = update(bench, device_update_reboot_ok=False)
    assert verdicts(again) == {"ostree": ("reboot_needed", None)}
    assert not again.changed
    assert bench.booted("ostree") == bench.image("v1.0.0")
    assert verdicts(update(bench)) == {"ostree": ("updated", None)}


def test_devices_that_go_wrong_are_taken_back_and_never_left_armed(bench: RoleBench) -> None:
    backends = {"ostree": "ostree", "composefs": "composefs"}
    for backend in backends:
        for fault in ("unhealthy session: broken", "falls-back", "finalize-failure", "registry-unreachable"):
            bench.add(f"{backend}-{fault.split()[0]}", "--backend", backend, faults=[fault])
    bench.add("asleep", faults=["asleep"])
    bench.add("lost", faults=["silent-after-reboot"], device_update_reboot_timeout_seconds=5)
    bench.add("bare", "--no-bootc")
    # Of the inventory, so that a device can have one of its own.
    timeout = {"device_update_reboot_timeout_seconds": 60}
    for variables in bench.hosts.values():
        variables.update({**timeout, **variables})
    played = bench.play(
        [{"name": "Run the role", "ansible.builtin.include_role": {"name": ROLE}}],
        "device_update_result",
        device_update_image=bench.image("v1.1.0"),
        device_update_reboot_ok=True,
        device_update_settle_seconds=0,
        device_update_fail=False,
    )
    found = verdicts(played)
    for backend in backends:
        # An image that says it is unwell, whatever is booted, fails its checks before and after: it was asked to.
        assert found.pop(f"{backend}-unhealthy") == ("rolled_back", "unhealthy"), played.output
        assert found.pop(f"{backend}-falls-back") == ("rolled_back", "came_back_on_previous")
        assert found.pop(f"{backend}-finalize-failure") == ("failed", "came_back_on_previous")
        assert found.pop(f"{backend}-registry-unreachable") == ("failed", "network")
    assert found.pop("asleep") == ("unreachable", "network")
    assert found.pop("lost") == ("unreachable", "silent")
    assert found.pop("bare") == ("failed", "not_bootc")
    assert found == {}
    for name in bench.hosts:
        if name not in ("asleep", "lost", "bare"):
            assert bench.booted(name) == bench.image("v1.0.0"), name
            assert not armed(bench, name), name
    unhealthy = played.facts["ostree-unhealthy"]
    assert "session: broken" in unhealthy["why"]
    assert unhealthy["evidence"]["failed_checks"], unhealthy
    assert [phase["phase"] for phase in unhealthy["phases"]][-2:] == ["rollback", "return"]


def test_newest_of_what_is_tracked_is_not_fetched_again_after_it_was_taken_back(bench: RoleBench) -> None:
    bench.add("ostree")
    bench.simulate("ostree", "bootc", "switch", bench.image("v1.2.0"))
    tracked = update(bench, device_update_image="")
    assert verdicts(tracked)["ostree"][0] == "rolled_back", tracked.facts
    assert bench.booted("ostree") == bench.image("v1.0.0")


def test_a_rollback_that_fails_is_named(bench: RoleBench) -> None:
    bench.add("ostree")
    refuse = {"commands": [["false"]]}
    tasks = [
        {"name": "Update", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": phase}}
        for phase in ("stage", "apply")
    ]
    forget = {
        "name": "Lose the deployment before",
        "ansible.builtin.command": {"argv": ["ostree", "admin", "undeploy", "1"]},
    }
    verify = {"name": "Check", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": "verify"}}
    played = bench.play(
        [*tasks, forget, verify],
        "device_update_result",
        device_update_image=bench.image("v1.1.0"),
        device_update_reboot_ok=True,
        device_update_fail=False,
        device_update_health=refuse,
    )
    assert verdicts(played) == {"ostree": ("rollback_failed", "unhealthy")}, played.output
    assert "no deployment to go back to" in played.facts["ostree"]["why"]


def test_the_task_fails_with_the_verdict_unless_told_otherwise(bench: RoleBench) -> None:
    bench.add("bare", "--no-bootc")
    failed = update(bench, device_update_fail=True)
    assert failed.rc == 2
    assert "failed: " in failed.output
    assert "not booted by bootc" in " ".join(failed.output.split()) or "bootc" in failed.output


def test_content_that_is_not_wanted_is_not_booted(bench: RoleBench) -> None:
    bench.add("ostree", "--backend", "ostree")
    refused = update(bench, device_update_digests=["sha256:" + "0" * 64])
    assert verdicts(refused)["ostree"][0] == "failed"
    assert not armed(bench, "ostree")
    assert bench.booted("ostree") == bench.image("v1.0.0")


@pytest.mark.exhaustive
def test_each_phase_alone(bench: RoleBench) -> None:
    bench.add("composefs", "--backend", "composefs")

    def alone(phase: str, **variables: Any) -> str:
        played = update(bench, phase=phase, **variables)
        assert played.rc == 0, played.output
        return str(verdicts(played)["composefs"][0])

    assert alone("preflight") == "unchanged"
    assert alone("apply") == "unchanged"
    assert alone("stage") == "reboot_needed"
    assert alone("apply", device_update_reboot_ok=False) == "reboot_needed"
    assert bench.booted("composefs") == bench.image("v1.0.0")
    assert alone("apply") == "applied"
    assert bench.booted("composefs") == bench.image("v1.1.0")
    assert alone("verify") == "unchanged"
    assert alone("settle", device_update_settle_seconds=1) == "unchanged"
    assert alone("verify", device_update_health={"commands": [["false"]]}) == "failed"
    assert alone("rollback", device_update_reboot_ok=False) == "reboot_needed"
    assert alone("rollback") == "rolled_back"
    assert bench.booted("composefs") == bench.image("v1.0.0")
    assert alone("rollback") == "unchanged", "going back twice does not go forward"
