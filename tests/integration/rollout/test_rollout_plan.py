# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that is written for review: the one rollout.yml would make, what it costs, and nothing touched by it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.simulated_fleet import REPOSITORY, Run, SimulatedFleet

pytestmark = pytest.mark.integration

SCHEMA = json.loads((REPOSITORY / "docs" / "rollout-plan.schema.json").read_text(encoding="utf-8"))
GUIDE = REPOSITORY / "docs" / "rollout-plan.md"
KDE_UPDATE, GNOME_UPDATE = 1_585_000_000, 1_304_000_000
"""What v1.1.0 does not share with v1.0.0: kernel, graphics drivers, applications and settings."""
KDE_WHOLE, KDE_SECONDS = 8_503_000_000, 254 + 120


def plan(fleet: SimulatedFleet, spec: Path, *arguments: str, **variables: Any) -> Run:
    return fleet.run("rollout_plan", *arguments, bootc_rollout_spec=str(spec), **variables)


def document(fleet: SimulatedFleet, rollout: str = "to-v1.1.0") -> dict[str, Any]:
    """The plan that was written, valid by the published schema."""
    told: dict[str, Any] = json.loads((fleet.root / "rollouts" / f"{rollout}.plan.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    return told


def devices(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {device["host"]: device for wave in told["waves"] for device in wave["devices"]}


def waves(told: dict[str, Any]) -> dict[str, list[str]]:
    return {wave["name"]: [device["host"] for device in wave["devices"]] for wave in told["waves"]}


@pytest.mark.exhaustive
def test_the_rollout_that_follows_has_the_waves_and_the_hash_that_were_reviewed(fleet: SimulatedFleet) -> None:
    for number in range(1, 4):
        fleet.add(f"kde-{number}", "kde", "--backend", "composefs" if number % 2 else "ostree")
    fleet.add("gnome-1", "gnome", "--backend", "composefs", "--bootc-version", "1.12.1")
    spec = fleet.spec("v1.1.0", waves=[{"name": "canary", "count": 1}, {"name": "half", "percent": 50}])
    before = {host: fleet.device(host) for host in fleet.hosts}

    run = plan(fleet, spec)

    assert run.rc == 0, run.output
    told = document(fleet)
    assert told["plan_hash"] in run.output
    for host, device in devices(told).items():
        expected = GNOME_UPDATE if host == "gnome-1" else KDE_UPDATE
        assert (device["action"], device["exact"], device["bytes"]) == ("update", True, expected), host
    assert devices(told)["kde-1"]["seconds"] == KDE_SECONDS
    assert told["totals"]["bytes"] == 3 * KDE_UPDATE + GNOME_UPDATE
    assert {host: fleet.device(host)["deployments"] for host in fleet.hosts} == {
        host: state["deployments"] for host, state in before.items()
    }
    assert [fleet.boots(host) for host in fleet.hosts] == [1] * 4
    files = sorted(path.name for path in (fleet.root / "rollouts").iterdir())
    assert files == ["to-v1.1.0.plan.json", "to-v1.1.0.plan.txt"], "no ledger, no lease, no lock"

    again = plan(fleet, spec)
    assert {counters["changed"] for counters in again.recap().values()} == {0}

    assert fleet.roll_out(spec).rc == 0
    (planned,) = [event for event in fleet.events("to-v1.1.0") if event["kind"] == "planned"]
    assert planned["data"]["hash"] == told["plan_hash"]
    recorded = {wave["name"]: [entry["host"] for entry in wave["hosts"]] for wave in planned["data"]["plan"]["waves"]}
    assert recorded == waves(told)

    events = fleet.events("to-v1.1.0")
    assert plan(fleet, spec).rc == 0
    after = document(fleet)
    assert (after["plan_hash"], after["phase"]) == (told["plan_hash"], "completed")
    assert {(device["action"], device["reason"]) for device in devices(after).values()} == {("decided", "succeeded")}
    assert after["totals"]["bytes"] == 0
    assert fleet.events("to-v1.1.0") == events


def test_who_is_asleep_done_or_unfit_is_told_apart(fleet: SimulatedFleet) -> None:
    fleet.add("normal")
    fleet.add("asleep", faults=["asleep"])
    fleet.add("stuck", faults=["bootc-missing"])
    fleet.add("layered", "kde", "--backend", "ostree", "--layered")
    fleet.add("live", "kde", "--read-only")
    fleet.add("done")
    fleet.simulate("done", "create", "--force", "--image", f"{fleet.registry}/skorionos/kde:v1.1.0")
    fleet.add("staged")
    fleet.simulate("staged", "bootc", "switch", f"{fleet.registry}/skorionos/kde:v1.1.0")
    fleet.add("moved")
    fleet.simulate("moved", "create", "--force", "--image", f"{fleet.registry}/skorionos/gnome:v1.0.0")
    here = fleet.root / "here.yml"
    here.write_text("all: {hosts: {desk: {ansible_connection: local, bootc_variant: kde}}}\n", encoding="utf-8")

    run = plan(fleet, fleet.spec("v1.1.0"), "-i", str(here))

    assert run.rc == 0, run.output
    told = document(fleet)
    found = {host: (each["action"], each["reason"], each["bytes"]) for host, each in devices(told).items()}
    assert found["normal"] == ("update", None, KDE_UPDATE)
    assert found["asleep"] == ("update", "unreachable", KDE_WHOLE)
    assert found["stuck"] == ("refused", "not_bootc", 0)
    assert found["layered"] == ("refused", "incompatible", 0)
    assert found["live"] == ("refused", "read_only", 0)
    assert found["done"] == ("current", None, 0)
    assert found["staged"] == ("update", None, 0)
    assert found["desk"] == ("refused", "local", 0)
    assert found["moved"][:2] == ("update", None)
    assert KDE_UPDATE < found["moved"][2] < KDE_WHOLE
    assert "the rollout switches it to" in devices(told)["moved"]["notes"][0]
    assert {host for host, each in devices(told).items() if not each["exact"]} == {"asleep"}
    assert devices(told)["staged"]["seconds"] == 120, "it still has to reboot"
    said = run.sentence()
    assert "asleep: did not answer" in said
    assert "the whole image is counted" in said
    assert "done: runs the image already" in said
    assert "layered: incompatible: " in said


def test_a_cache_fetches_every_layer_once_for_its_site(fleet: SimulatedFleet) -> None:
    for number in range(1, 5):
        fleet.add(f"kde-{number}")
    sites = fleet.root / "sites.yml"
    sites.write_text(
        "all: {hosts: {kde-1: {bootc_site: attic}, kde-2: {bootc_site: attic}, kde-3: {bootc_site: ''}}}\n"
    )
    dest = fleet.root / "review"

    spec = fleet.spec("v1.1.0")
    run = plan(fleet, spec, "-i", str(sites), bootc_rollout_rate="50M", bootc_rollout_plan_dest=str(dest))

    assert run.rc == 0, run.output
    assert not (fleet.root / "rollouts").exists()
    told = json.loads((dest / "to-v1.1.0.plan.json").read_text(encoding="utf-8"))
    assert told["totals"]["bytes"] == 4 * KDE_UPDATE
    assert told["totals"]["site_bytes"] == 3 * KDE_UPDATE
    assert {device["seconds"] for device in devices(told).values()} == {32 + 120}
    assert "with site caches" in run.output


def test_what_the_rollout_would_refuse_the_plan_refuses_with_the_same_words(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    wrong = fleet.spec("v1.1.0", wave=[])
    absent = fleet.spec(
        "v1.1.0",
        id="absent",
        variants=[{"name": "kde", "image": f"{fleet.registry}/skorionos/kde", "digest": "sha256:" + "0" * 64}],
    )
    for spec in (wrong, absent):
        planned, rolled = plan(fleet, spec), fleet.roll_out(spec)
        assert (planned.rc, rolled.rc) == (2, 2)
        messages = [re.search(r"FAILED! => (\{.*?\})", run.sentence()) for run in (planned, rolled)]
        assert messages[0] is not None
        assert messages[1] is not None
        assert messages[0].group(1) == messages[1].group(1)
    limited = plan(fleet, fleet.spec("v1.1.0"), "--limit", "kde-1")
    assert "cannot be limited" in limited.sentence()
    slow = plan(fleet, fleet.spec("v1.1.0"), bootc_rollout_rate="fast")
    assert "is not a number of bytes per second" in slow.sentence()
    assert "No rollout spec is given" in fleet.run("rollout_plan").sentence()
    odd = fleet.root / "odd.yml"
    odd.write_text("all: {hosts: {kde-1: {bootc_site: '{{ nobody }}'}}}\n", encoding="utf-8")
    assert "bootc_site of the host kde-1 cannot be read" in plan(fleet, fleet.spec("v1.1.0"), "-i", str(odd)).sentence()


def test_devices_of_another_rollout_and_a_changed_spec_are_refused(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    first, second = fleet.spec("v1.1.0"), fleet.spec("v1.2.0")
    fleet.simulate("kde-1", "fault", "asleep")
    assert fleet.roll_out(first).rc == 0
    busy = plan(fleet, second)
    assert busy.rc == 2
    assert "is running over the same devices: kde-1" in busy.sentence()
    first.write_text(f"{first.read_text(encoding='utf-8')}pace: {{parallel: 3}}\n", encoding="utf-8")
    changed = plan(fleet, first)
    assert changed.rc == 2
    assert "was planned from another spec" in changed.sentence()


def test_check_mode_shows_the_plan_and_writes_no_file(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    run = plan(fleet, fleet.spec("v1.1.0"), "--check")
    assert run.rc == 0, run.output
    assert "Plan hash: " in run.output
    assert not (fleet.root / "rollouts").exists()


def test_a_place_that_cannot_be_written_is_named_after_the_plan_was_shown(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    blocker = fleet.root / "file"
    blocker.write_text("", encoding="utf-8")
    run = plan(fleet, fleet.spec("v1.1.0"), bootc_rollout_plan_dest=str(blocker / "here"))
    assert run.rc == 2
    assert "Plan hash: " in run.output
    assert "Written to" not in run.output
    assert "could not be written to" in run.sentence()
    assert "bootc_rollout_plan_dest" in run.sentence()


def test_the_example_of_the_guide_is_what_is_printed(fleet: SimulatedFleet) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    (spec,) = re.findall(r"<!-- rollout-spec -->\n+```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (shown,) = re.findall(r"<!-- rollout-plan -->\n+```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for number in range(1, 7):
        fleet.add(f"kde-0{number}", faults=["asleep"] if number == 5 else [])
    sites = fleet.root / "sites.yml"
    sites.write_text(json.dumps({"all": {"hosts": {f"kde-0{n}": {"bootc_site": "attic"} for n in (1, 2, 3)}}}))
    path = fleet.root / "kde-1.1.0.yml"
    path.write_text(spec.replace("127.0.0.1:5000", fleet.registry), encoding="utf-8")

    run = plan(fleet, path, "-i", str(sites))

    assert run.rc == 0, run.output
    document(fleet, "kde-1.1.0")
    printed = run.output.partition("Plan of the rollout")[2].partition("Written to")[0]
    assert _alike(f"Plan of the rollout{printed}", fleet.registry) == _alike(shown, "127.0.0.1:5000")


def _alike(text: str, registry: str) -> list[str]:
    """Lines without what differs from one run to the next: the port of the registry, and with it the hash."""
    same = re.sub(r"Plan hash: [0-9a-f]{64}", "Plan hash: HASH", text.strip().replace(registry, "REGISTRY"))
    return [line.rstrip() for line in same.splitlines()]
