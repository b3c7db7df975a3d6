# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is killed at every point of one device's update, and the playbook is run again.

A point is something the ledger was told, or a reboot that was asked for. At each the controller is killed with
SIGKILL: before, within (half of it is written) or after. Whatever the point, running the playbook again leads to the
end that an undisturbed run leads to, over the same number of reboots. ``make killed`` tries all of them.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.killed_controller import output, passed, run
from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration

HOST = "kde-1"
REBOOT = "(reboot)"
MOST_RUNS = 3


@dataclass(frozen=True)
class Way:
    """What an undisturbed update passes, and where it ends."""

    release: str
    points: tuple[str, ...]
    verdict: str
    rc: int
    phase: str
    boots: int
    runs: str

    @property
    def rollout(self) -> str:
        return f"to-{self.release}"


FORTH = Way(
    "v1.1.0",
    (
        "planned opened wave_opened",
        "staging",
        "staged",
        "applying",
        REBOOT,
        "booted",
        "succeeded",
        "confirmed",
        "wave_passed completed",
    ),
    verdict="succeeded",
    rc=0,
    phase="completed",
    boots=2,
    runs="v1.1.0",
)
BACK = Way(
    "v1.2.0",
    (
        "planned opened wave_opened",
        "staging",
        "staged",
        "applying",
        REBOOT,
        "booted",
        "rolling_back",
        "rolling_back",
        REBOOT,
        "rolled_back",
        "held",
    ),
    verdict="rolled_back",
    rc=2,
    phase="held",
    boots=3,
    runs="v1.0.0",
)
SPREAD = (
    (FORTH, "planned opened wave_opened", "within"),
    (FORTH, "applying", "after"),
    (BACK, "rolling_back", "after"),
)
"""Of all points, those that every run of the tests tries: one for each thing that may have to be found out."""


def every_point() -> list[object]:
    """All of both ways; on the way back what differs from the way forth."""
    cases = []
    for way in (FORTH, BACK):
        first = 0 if way is FORTH else way.points.index("rolling_back")
        for number, name in list(enumerate(way.points))[first:]:
            for moment in ("after",) if name == REBOOT else ("before", "within", "after"):
                chosen = number == way.points.index(name) and (way, name, moment) in SPREAD
                marks = [] if chosen else [pytest.mark.exhaustive]
                cases.append(pytest.param(way, number, moment, marks=marks, id=f"{moment} {number} {name}"))
    return cases


def prepare(fleet: SimulatedFleet, way: Way) -> Path:
    fleet.add(HOST)
    return fleet.spec(
        way.release,
        waves=[],
        wave_defaults={"soak": "1s"},
        apply={"reboot_timeout": "20s", "contact_grace": "2m"},
    )


def check_end(fleet: SimulatedFleet, way: Way) -> None:
    """The device and the ledger are where an undisturbed run takes them."""
    assert fleet.boots(HOST) == way.boots
    assert fleet.booted(HOST) == fleet.digest("kde", way.runs)
    summary = fleet.summary(way.rollout)
    assert (summary["phase"], fleet.states(way.rollout)) == (way.phase, {HOST: way.verdict})
    events = Ledger(fleet.root / "rollouts", way.rollout).read()  # which checks the chain
    kinds = [event.kind for event in events]
    for once in ("planned", "wave_opened", way.verdict, way.phase):
        assert kinds.count(once) == 1, kinds
    assert "lost" not in kinds
    assert not list((fleet.root / "rollouts" / way.rollout).glob("lease.json*"))


@pytest.mark.parametrize("way", [FORTH, BACK], ids=["forth", "back"])
def test_these_are_the_points_that_an_undisturbed_update_passes(fleet: SimulatedFleet, way: Way) -> None:
    """A point that is new has to be added to those below."""
    spec = prepare(fleet, way)
    assert run(fleet, spec, "") == way.rc
    assert passed(fleet) == way.points
    check_end(fleet, way)


@pytest.mark.parametrize(("way", "number", "moment"), every_point())
def test_killed_anywhere_it_comes_to_the_same_end_over_the_same_reboots(
    fleet: SimulatedFleet, way: Way, number: int, moment: str
) -> None:
    spec = prepare(fleet, way)
    assert run(fleet, spec, f"{number} {moment}") == -signal.SIGKILL
    assert passed(fleet) == way.points[: number + (moment == "after")]

    ends = []
    while len(ends) < MOST_RUNS and (not ends or fleet.summary(way.rollout)["phase"] != way.phase):
        ends.append(run(fleet, spec, ""))

    assert ends[-1] == way.rc, output(fleet)
    check_end(fleet, way)


def test_who_was_not_told_is_told_by_the_next_run_and_then_no_more(fleet: SimulatedFleet) -> None:
    """The run that completed it was killed before it could tell anybody; the program fails when it is told at last."""
    spec = prepare(fleet, FORTH)
    told, broken = fleet.root / "told", fleet.root / "broken"
    program = ["/bin/sh", "-c", f'echo "$0" >> "{told}"; ! test -e "{broken}"']
    last = len(FORTH.points) - 1
    assert run(fleet, spec, f"{last} after", bootc_rollout_notify=program) == -signal.SIGKILL
    assert not told.exists()
    broken.touch()
    assert run(fleet, spec, "", bootc_rollout_notify=program) == 0
    assert told.read_text(encoding="utf-8").split() == ["completed"]
    broken.unlink()
    for _once_and_no_more in range(2):
        assert run(fleet, spec, "", bootc_rollout_notify=program) == 0
        assert told.read_text(encoding="utf-8").split() == ["completed"] * 2
    notices = [event["data"]["to"] for event in fleet.events(FORTH.rollout) if event["kind"] == "notified"]
    assert notices == ["program"]
    check_end(fleet, FORTH)
