# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Soaks that end with another look, and orders to a rollout, with the real playbooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.simulated_fleet import Run, SimulatedFleet

ID = "to-v1.1.0"


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def served(service: type[Quiet]) -> Iterator[str]:
    """The address of a web service that runs meanwhile."""
    with ThreadingHTTPServer(("127.0.0.1", 0), service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def listening() -> Iterator[tuple[str, list[Any]]]:
    """The address of a web service, and what it was told."""
    received: list[Any] = []

    class Service(Quiet):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with served(Service) as address:
        yield f"{address}/hook", received


@contextmanager
def rude() -> Iterator[str]:
    """The address of a web service that leads elsewhere, or ends in the middle of what it says."""

    class Service(Quiet):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302 if "elsewhere" in self.path else 200)
            self.send_header("Location", f"ftp://127.0.0.1:1{self.path}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"oh")

    with served(Service) as address:
        yield address


def order(fleet: SimulatedFleet, spec: Path, verb: str, **variables: str) -> Run:
    given = {"bootc_rollout_why": "a test wants it", **variables}
    return fleet.run("rollout_control", bootc_rollout_spec=str(spec), bootc_rollout_verb=verb, **given)


def test_updated_devices_are_looked_at_again_when_their_soak_is_over(fleet: SimulatedFleet) -> None:
    for number in range(1, 5):
        fleet.add(f"kde-{number}", "kde", "--backend", "composefs" if number % 2 else "ostree")
    # Two canaries, since those of one wave are looked at by several devices of the next.
    canaries = [{"name": "canary", "count": 2}]
    soak = {"soak": "1s", "max_failures": 1}
    spec = fleet.spec("v1.1.0", waves=canaries, wave_defaults=soak, pace={"start": 2, "overshoot": 2})
    assert fleet.roll_out(spec).rc == 0
    assert fleet.summary(ID)["phase"] == "completed"
    events = fleet.events(ID)
    looked_at = [event["host"] for event in events if event["kind"] == "confirmed"]
    assert sorted(looked_at) == sorted(fleet.hosts)
    passed = [index for index, event in enumerate(events) if event["kind"] == "wave_passed"]
    confirmed = [index for index, event in enumerate(events) if event["kind"] == "confirmed"]
    assert confirmed[1] < passed[0] < confirmed[2] < confirmed[-1] < passed[1]
    assert [fleet.boots(host) for host in fleet.hosts] == [2, 2, 2, 2]


@pytest.mark.exhaustive
def test_a_canary_that_falls_silent_while_it_soaks_holds_the_rollout(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    spec = fleet.spec("v1.1.0", wave_defaults={"soak": "4s"})
    assert fleet.roll_out(spec, bootc_rollout_patience="1s").rc == 0
    (canary,) = (host for host, state in fleet.states(ID).items() if state == "succeeded")
    fleet.simulate(canary, "fault", "asleep")
    run = fleet.roll_out(spec)
    assert run.rc == 2, run.output
    hold = fleet.summary(ID)["hold"]
    assert (hold["rule"], hold["devices"]) == ("confirmation", [canary])
    assert "bootc_rollout_verb=accept" in hold["remedy"]
    looks = [event["data"]["reason"] for event in fleet.events(ID) if event["kind"] == "unconfirmed"]
    assert looks == ["silent", "silent"]
    assert sorted(map(fleet.boots, fleet.hosts)) == [1, 2]


def test_a_pause_is_obeyed_explained_and_over_when_somebody_says_so(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    spec = fleet.spec("v1.1.0", wave_defaults={"soak": "0s", "approve": "before"})
    waiting = fleet.roll_out(spec)
    assert waiting.rc == 0
    assert "waits for somebody's approval" in waiting.output
    assert fleet.summary(ID)["wait"]["rule"] == "approval"
    assert [fleet.boots(host) for host in fleet.hosts] == [1, 1]

    wrong = order(fleet, spec, "approve", bootc_rollout_plan_hash="0123456789ab")
    assert wrong.rc == 2
    assert "not for this plan" in wrong.output
    approval = {"bootc_rollout_plan_hash": fleet.summary(ID)["plan_hash"][:12], "bootc_rollout_wave": "canary"}
    assert order(fleet, spec, "approve", **approval).rc == 0
    assert order(fleet, spec, "pause").rc == 0
    pause = ("paused", "pause", "a test wants it")
    # Whoever looks at the summary or the page meanwhile is told, though no run was there.
    summary = fleet.summary(ID)
    assert (summary["phase"], summary["order"]["verb"], summary["order"]["why"]) == pause
    assert "a test wants it" in (fleet.root / "rollouts" / ID / "report.html").read_text(encoding="utf-8")
    paused = fleet.roll_out(spec)
    assert paused.rc == 0
    assert [fleet.boots(host) for host in fleet.hosts] == [1, 1]
    summary = fleet.summary(ID)
    assert (summary["phase"], summary["order"]["verb"], summary["order"]["why"]) == pause
    told = fleet.run("rollout_explain", bootc_rollout_spec=str(spec), bootc_rollout_hosts="kde-2")
    assert told.rc == 0
    assert "the rollout is paused by" in " ".join(told.output.split())

    assert order(fleet, spec, "resume").rc == 0
    assert fleet.roll_out(spec).rc == 0
    assert sorted(fleet.boots(host) for host in fleet.hosts) == [1, 2]
    assert fleet.summary(ID)["wait"]["rule"] == "approval"


def test_a_held_rollout_goes_on_when_its_device_is_mended_and_retried(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", "kde", faults=["unhealthy broken"])
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults={"soak": "0s", "max_failures": 0})
    told, metrics = fleet.root / "told", fleet.root / "rollout.prom"
    hooks = {"bootc_rollout_notify": ["/bin/sh", "-c", f'cat > "{told}.$0"'], "bootc_rollout_metrics": str(metrics)}
    assert fleet.roll_out(spec, **hooks).rc == 2
    assert json.loads((fleet.root / "told.held").read_text(encoding="utf-8"))["hold"]["devices"] == ["kde-1"]
    assert 'bootc_rollout_phase{rollout="to-v1.1.0",phase="held"} 1' in metrics.read_text(encoding="utf-8")
    assert fleet.states(ID) == {"kde-1": "rolled_back"}
    fleet.simulate("kde-1", "fault", "--clear", "unhealthy")
    assert order(fleet, spec, "retry", bootc_rollout_hosts="kde-1").rc == 0
    assert order(fleet, spec, "resume").rc == 0
    assert fleet.roll_out(spec, **hooks).rc == 0
    assert fleet.summary(ID)["phase"] == "completed"
    assert fleet.states(ID) == {"kde-1": "succeeded"}
    assert json.loads((fleet.root / "told.completed").read_text(encoding="utf-8"))["phase"] == "completed"


def test_an_aborted_rollout_touches_nobody_and_fails(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", wave_defaults={"soak": "0s", "approve": "before"})
    assert fleet.roll_out(spec).rc == 0
    assert order(fleet, spec, "abort").rc == 0
    for_devices = fleet.root / "for_devices.yml"  # what an inventory says of everybody is not meant for the controller
    for_devices.write_text("all: {vars: {ansible_become: true, ansible_become_exe: /no/such/sudo}}\n")
    with listening() as (address, received):
        unheard = fleet.roll_out(spec, "-i", str(for_devices), bootc_rollout_webhook="http://127.0.0.1:1/")
        run = fleet.roll_out(spec, "-i", str(for_devices), bootc_rollout_webhook=address)
    assert "was not told: it could not be asked. The next run tries again." in unheard.sentence()
    assert run.rc == 2
    assert "was aborted by" in run.output
    assert fleet.boots("kde-1") == 1
    assert fleet.states(ID) == {"kde-1": "canceled"}
    (told,) = received
    assert (told["turned"], told["summary"]["order"]["why"]) == ("aborted", "a test wants it")
    assert address not in run.output, "such an address often is the password"
    assert [event["data"]["to"] for event in fleet.events(ID) if event["kind"] == "notified"] == ["web service"]


@pytest.mark.parametrize("address", ["hooks.example.com/T0/SECRET", "https://hooks.example.invalid/T0/SEC RET"])
def test_what_is_no_address_of_a_web_service_is_refused_unseen_and_nobody_touched(
    fleet: SimulatedFleet, address: str
) -> None:
    fleet.add("kde-1")
    run = fleet.roll_out(fleet.spec("v1.1.0"), "-vvv", bootc_rollout_webhook=address)
    assert run.rc == 2
    assert "bootc_rollout_webhook is no http(s) address. Give it as https://HOST/PATH" in run.sentence()
    assert "SEC" not in run.output, "such an address often is the password"
    assert not fleet.events(ID)


def test_the_address_of_a_web_service_is_never_shown(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", wave_defaults={"soak": "0s", "approve": "before"})
    assert fleet.roll_out(spec).rc == 0
    assert order(fleet, spec, "abort").rc == 0
    with rude() as place:
        for base in (f"{place}/elsewhere", f"{place}/broken", "http://127.0.0.1:1", "https://hooks.invalid"):
            run = fleet.roll_out(spec, "-vvv", bootc_rollout_webhook=f"{base}/SECRET")
            assert "SECRET" not in run.output, base
            assert "The web service of bootc_rollout_webhook was not told: it" in run.sentence()
    assert not [event for event in fleet.events(ID) if event["kind"] == "notified"]
