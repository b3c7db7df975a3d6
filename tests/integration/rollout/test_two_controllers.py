# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers that do not know of each other: the devices tell them apart."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration


def claim_file(fleet: SimulatedFleet, host: str) -> Path:
    return fleet.root / "devices" / host / "root/var/lib/skorionos.bootc/rollout.json"


def claim(fleet: SimulatedFleet, host: str) -> Any:
    return json.loads(claim_file(fleet, host).read_text(encoding="utf-8"))


def test_a_controller_with_an_old_copy_of_the_ledger_is_refused_by_the_device(fleet: SimulatedFleet) -> None:
    """Ann's laptop planned a release that turns out bad. Bob went on with a copy of her ledger, and it was held."""
    fleet.add("kde-1")
    spec = fleet.spec("v1.2.0")
    fleet.simulate("kde-1", "fault", "asleep")
    assert fleet.roll_out(spec).rc == 0
    bobs = fleet.root / "bobs"
    shutil.copytree(fleet.root / "rollouts", bobs)
    assert fleet.roll_out(spec, bootc_rollout_ledger=str(bobs)).rc == 0
    fleet.simulate("kde-1", "fault", "--clear", "asleep")
    bob = fleet.roll_out(spec, bootc_rollout_ledger=str(bobs))
    assert bob.rc == 2
    assert "is held in wave canary" in bob.sentence()
    held = claim(fleet, "kde-1")
    assert (held["rollout"], held["epoch"], held["target"]) == ("to-v1.2.0", 3, fleet.digest("kde", "v1.2.0"))
    assert held["ended"] is not None
    before, boots = fleet.device("kde-1")["deployments"], fleet.boots("kde-1")
    assert boots == 3

    ann = fleet.roll_out(spec)
    assert ann.rc == 2, ann.output
    assert "Another controller took this device over: rollout to-v1.2.0 (epoch 3," in ann.sentence()
    assert "Run with the newest ledger of this rollout" in ann.sentence()
    assert (fleet.device("kde-1")["deployments"], fleet.boots("kde-1")) == (before, boots)
    assert claim(fleet, "kde-1") == held
    assert not (fleet.root / "rollouts/to-v1.2.0/lease.json").exists()


def test_a_device_in_the_hands_of_a_rollout_with_another_ledger_is_put_off_until_told_otherwise(
    fleet: SimulatedFleet,
) -> None:
    fleet.add("kde-1")
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    theirs = {
        **{"schema": 1, "rollout": "theirs", "epoch": 1, "turn": "t", "by": "bob on server", "target": None},
        **{"attempt": 1, "boot_id": None, "since": now, "renewed": now, "ended": None},
    }
    claim_file(fleet, "kde-1").parent.mkdir(parents=True)
    claim_file(fleet, "kde-1").write_text(json.dumps(theirs), encoding="utf-8")
    assert fleet.roll_out(fleet.spec("v1.1.0")).rc == 0
    (device,) = fleet.summary("to-v1.1.0")["devices"]
    assert device["state"] == "deferred"
    assert "held by another controller: rollout theirs (epoch 1, bob on server" in device["message"]
    assert (fleet.boots("kde-1"), claim(fleet, "kde-1")) == (1, theirs)
    # Told to take over, of a rollout that this ledger has never seen.
    run = fleet.roll_out(fleet.spec("v1.1.0", id="over", supersedes=["theirs", "to-v1.1.0"]))
    assert run.rc == 0, run.output
    assert fleet.states("over") == {"kde-1": "succeeded"}
    assert claim(fleet, "kde-1")["rollout"] == "over"
    assert claim(fleet, "kde-1")["ended"] is not None
