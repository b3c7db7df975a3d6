# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bootc_apply over simulated devices: what it does, refuses, waits for and finds out, on both backends.

One play runs every case, each on a device of its own that was made ready for it; the tests look at the results.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import catalogue
from tests.simulated_fleet import SimulatedFleet, registry

pytestmark = pytest.mark.integration

LABELS = {"containers.bootc": "1", "ostree.bootable": "1"}
# v2 has the kernel of v1, v3 another one.
KERNELS = {"v1": "6.1", "v2": "6.1", "v3": "6.2"}
SESSION = [{"Id": "2", "User": 1000, "Name": "deck", "Type": "wayland", "Class": "user", "State": "active"}]


@dataclass(frozen=True)
class Case:
    """A device on v1 with ``staged`` staged, ``steps`` and ``faults`` after that, and the options of each task."""

    tasks: tuple[dict[str, Any], ...] = ({},)
    staged: str | None = "v2"
    backend: str = "ostree"
    version: str = "1.16.9"
    steps: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    hardware: str = "none"
    files: dict[str, Any] = field(default_factory=dict)
    check: bool = False


def _inhibited(**entry: Any) -> Case:
    return Case(({"inhibitors": [{"why": "so it is", **entry}]},))


LOCK = {"who": "Steam", "what": "shutdown", "why": "Downloading", "mode": "block"}
LOW = {"sys/class/power_supply/BAT1/status": "Discharging", "sys/class/power_supply/BAT1/capacity": "12"}
BATTERY = {**LOW, "sys/class/power_supply/BAT1/type": "Battery"}
PLAYED = {"proc/4242/comm": "reaper", "proc/4242/cmdline": "reaper\0SteamLaunch\0AppId=620\0--\0/game\0"}
NOTIFY = {"text": "Updating {{ soon }}", "grace_seconds": 1}

CASES: dict[str, Case] = {
    "plain-ostree": Case(({}, {})),
    "plain-composefs": Case(backend="composefs"),
    "predicted": Case(({"soft_reboot": "allowed"},), check=True),
    "finalize-ostree": Case(faults=("finalize-failure",)),
    "finalize-composefs": Case(faults=("finalize-failure",), backend="composefs"),
    "conflict": Case(faults=("etc-conflict",), backend="composefs", version="1.16.3"),
    "power": Case(({"look_back": {"digest": "v2"}},), steps=("reboot --power-loss",)),
    "orderly": Case(({"look_back": {"digest": "v3"}},), staged=None, steps=("reboot",)),
    "fell-back": Case(({}, {}, {"expect_digests": ["v2"]}), faults=("falls-back",)),
    "fell-back-composefs": Case(({}, {}), faults=("falls-back",), backend="composefs"),
    "soft-ostree": Case(({"soft_reboot": "required"},)),
    "soft-composefs": Case(({"soft_reboot": "allowed"},), backend="composefs"),
    "soft-incapable": Case(({"soft_reboot": "required"}, {"soft_reboot": "allowed"}), staged="v3"),
    "soft-too-old": Case(({"soft_reboot": "required"},), version="1.6.0"),
    "never-soft": Case(steps=("ostree admin prepare-soft-reboot 0",)),
    "told": Case(({"notify": {**NOTIFY, "command": ["tee", "TOLD"]}},), files={"run/simulator/sessions.json": SESSION}),
    "nobody-told": Case(({"notify": {**NOTIFY, "grace_seconds": 86000}},)),
    "by-session": Case(({"inhibitors": [{"kind": "session"}]},), files={"run/simulator/sessions.json": SESSION}),
    "by-systemd": Case(({"inhibitors": [{"kind": "systemd"}]},), files={"run/simulator/inhibitors.json": [LOCK]}),
    "by-game": Case(({"inhibitors": [{"kind": "game"}]},), files=PLAYED),
    "by-battery": Case(({"inhibitors": [{"kind": "battery", "percent": 30}]},), files=BATTERY),
    "by-metered": _inhibited(kind="metered"),
    "by-disk": _inhibited(kind="disk", path="/run", free_bytes=10**18),
    "by-file": Case(({"inhibitors": [{"kind": "file", "path": "/run/hold"}]},), files={"run/hold": ""}),
    "by-command": _inhibited(kind="command", command=["bootc", "--version"]),
    "by-none": Case(
        (
            {
                "inhibitors": [
                    {"kind": "session"},
                    {"kind": "systemd"},
                    {"kind": "file", "path": "/run/hold"},
                    {"kind": "disk", "path": "/run", "free_bytes": 1},
                    {"kind": "command", "command": ["false"]},
                    {"kind": "metered", "unknown": "allow"},
                ]
            },
        )
    ),
}


def _catalogue(path: Path) -> dict[str, str]:
    """Write a catalogue with the releases; returns their digests."""
    data = {
        "schema": 1,
        "labels": LABELS,
        "layers": {"base": 1000000, **{f"layer {name}": 100000 for name in KERNELS}},
        "images": [
            {
                "repository": "acme/deck",
                "tags": [name],
                "created": f"2026-08-0{number}T04:10:00Z",
                "labels": {"org.opencontainers.image.version": name, "ostree.linux": kernel},
                "layers": ["base", f"layer {name}"],
            }
            for number, (name, kernel) in enumerate(KERNELS.items(), 1)
        ],
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return {image.tags[0]: catalogue.build(image).top for image in catalogue.parse(data)}


def _make_ready(fleet: SimulatedFleet, host: str, case: Case) -> None:
    image = ("--image", f"{fleet.registry}/acme/deck:v1")
    kind = ("--backend", case.backend, "--bootc-version", case.version, "--hardware", case.hardware)
    fleet.simulate(host, "create", *image, *kind, "--boot-seconds", "0.5")
    if case.staged is not None:
        fleet.simulate(host, "bootc", "switch", f"{fleet.registry}/acme/deck:{case.staged}")
    for step in case.steps:
        fleet.simulate(host, *step.split())
        if step.startswith("reboot"):
            fleet.wait_for_boot(host)
    for fault in case.faults:
        fleet.simulate(host, "fault", *fault.split())
    for name, content in case.files.items():
        path = fleet.root / "devices" / host / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    fleet.hosts[host] = "deck"


def _task(number: int, host: str, options: dict[str, Any], fleet: SimulatedFleet) -> list[dict[str, Any]]:
    name = f"result_{number}"
    return [
        {
            "name": f"Apply for the time {number + 1}",
            "skorionos.bootc.bootc_apply": {"poll_interval": 0.3, "reboot_timeout": 120, "fail_on": False, **options},
            "register": name,
            "ignore_errors": True,
        },
        {
            "name": "Keep the result",
            "ansible.builtin.copy": {
                "content": f"{{{{ {name} | to_json }}}}",
                "dest": str(fleet.root / f"{host}.{number}.json"),
                "mode": "0600",
            },
            "delegate_to": "localhost",
            "check_mode": False,
            "vars": {"ansible_connection": "local"},
        },
    ]


def _resolved(value: Any, words: dict[str, str]) -> Any:
    """The same options with digests in place of releases, and texts that no template engine reads."""
    if isinstance(value, dict):
        return {key: _resolved(entry, words) for key, entry in value.items()}
    if isinstance(value, list):
        return [_resolved(entry, words) for entry in value]
    return words.get(value, value) if isinstance(value, str) else value


class _Unsafe(str):
    """A text Ansible is not to render."""


yaml.SafeDumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def _without_templates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_templates(entry) for key, entry in value.items()}
    return _Unsafe(value) if isinstance(value, str) and "{{" in value else value


@dataclass
class Results:
    fleet: SimulatedFleet
    digests: dict[str, str]
    output: str

    def of(self, host: str, number: int = 0) -> dict[str, Any]:
        path = self.fleet.root / f"{host}.{number}.json"
        assert path.exists(), self.output
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        assert "unreachable" not in result, result
        return result


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Iterator[Results]:
    root = tmp_path_factory.mktemp("apply")
    digests = _catalogue(root / "catalogue.json")
    with registry(root, root / "catalogue.json") as address:
        fleet = SimulatedFleet(root, address, collections_path)
        for host, case in CASES.items():
            _make_ready(fleet, host, case)
            words = {**digests, "TOLD": str(root / "told")}
            tasks = [
                task
                for number, options in enumerate(case.tasks)
                for task in _task(number, host, _without_templates(_resolved(options, words)), fleet)
            ]
            text = yaml.safe_dump([{"name": host, "check_mode": case.check, "block": tasks}], sort_keys=False)
            (root / f"{host}.yml").write_text(text, encoding="utf-8")
        play = {
            "name": "Apply",
            "hosts": "all",
            "gather_facts": False,
            "strategy": "ansible.builtin.free",
            "tasks": [{"name": "Run", "ansible.builtin.include_tasks": f"{root}/{{{{ inventory_hostname }}}}.yml"}],
        }
        (root / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        run = fleet.run(str(root / "play"))
        yield Results(fleet, digests, run.output)


@pytest.mark.parametrize("host", ["plain-ostree", "plain-composefs"])
def test_what_is_staged_is_booted_and_proven(results: Results, host: str) -> None:
    result = results.of(host)
    assert (result["verdict"], result["changed"], result["reboot_kind"]) == ("applied", True, "reboot"), result
    assert result["booted_digest"] == results.digests["v2"]
    assert result["boot_id_before"] != result["boot_id_after"]
    assert (result["why"], result["evidence"], result["inhibited_by"]) == (None, [], [])


def test_a_second_time_there_is_nothing_to_apply(results: Results) -> None:
    result = results.of("plain-ostree", 1)
    assert (result["verdict"], result["changed"], result["reboot_kind"]) == ("nothing_to_apply", False, "none")


def test_check_mode_predicts_the_kind_of_the_reboot(results: Results) -> None:
    result = results.of("predicted")
    assert (result["verdict"], result["changed"], result["reboot_kind"]) == ("applied", True, "soft_reboot")
    assert results.fleet.boots("predicted") == 1


@pytest.mark.parametrize(
    ("host", "why", "words"),
    [
        ("finalize-ostree", "finalize_failed", "No space left on device"),
        ("finalize-composefs", "finalize_failed", "No space left on device"),
        ("conflict", "etc_conflict", "Merge conflicts found in etc"),
    ],
)
def test_a_shutdown_that_did_not_finalise_says_why(results: Results, host: str, why: str, words: str) -> None:
    result = results.of(host)
    assert (result["verdict"], result["why"]) == ("came_back_on_previous", why), result
    assert any(words in line for line in result["evidence"]), result["evidence"]
    assert result["booted_digest"] == result["before"]["booted"]["digest"]


def test_a_power_loss_is_told_from_an_orderly_shutdown(results: Results) -> None:
    assert results.of("power")["why"] == "power_lost"
    assert results.of("orderly")["why"] == "not_finalized"


@pytest.mark.parametrize("host", ["fell-back", "fell-back-composefs"])
def test_a_device_that_fell_back_is_not_rebooted_into_that_again_unless_it_is_named(
    results: Results, host: str
) -> None:
    first, second = results.of(host), results.of(host, 1)
    assert (first["verdict"], first["why"]) == ("came_back_on_previous", "fell_back"), first
    assert any("remembers that it fell back" in note for note in first["notes"]), first["notes"]
    assert (second["verdict"], second["why"], second["changed"]) == ("unexpected_digest", "fell_back", False), second
    if host == "fell-back":
        third = results.of(host, 2)
        assert (third["verdict"], third["booted_digest"]) == ("applied", results.digests["v2"]), third


@pytest.mark.parametrize("host", ["soft-ostree", "soft-composefs"])
def test_a_soft_reboot_keeps_the_kernel(results: Results, host: str) -> None:
    result = results.of(host)
    assert (result["verdict"], result["reboot_kind"]) == ("applied", "soft_reboot"), result
    assert result["boot_id_before"] == result["boot_id_after"]
    assert result["booted_digest"] == results.digests["v2"]


def test_a_soft_reboot_that_is_required_and_cannot_be_is_refused_and_one_that_is_allowed_gives_way(
    results: Results,
) -> None:
    refused, allowed = results.of("soft-incapable"), results.of("soft-incapable", 1)
    assert (refused["failed"], refused["reason"], refused["changed"]) == (True, "incompatible", False), refused
    assert (allowed["verdict"], allowed["reboot_kind"]) == ("applied", "reboot"), allowed
    old = results.of("soft-too-old")
    assert (old["failed"], old["reason"]) == (True, "unsupported_version"), old
    assert results.fleet.boots("soft-too-old") == 1


def test_a_soft_reboot_that_somebody_prepared_is_not_taken_by_accident(results: Results) -> None:
    result = results.of("never-soft")
    assert (result["verdict"], result["reboot_kind"]) == ("applied", "reboot"), result
    assert any("has been undone" in note for note in result["notes"]), result["notes"]


def test_those_who_are_logged_in_are_told_and_get_their_time(results: Results) -> None:
    result = results.of("told")
    assert (result["verdict"], result["notified"]) == ("applied", ["deck"]), result
    assert (results.fleet.root / "told").read_text(encoding="utf-8") == "Updating {{ soon }}\n"


def test_where_nobody_is_logged_in_nobody_waits(results: Results) -> None:
    result = results.of("nobody-told")
    assert (result["verdict"], result["notified"]) == ("applied", []), result


@pytest.mark.parametrize(
    ("kind", "words", "unknown"),
    [
        ("session", "deck", False),
        ("systemd", "Steam (Downloading)", False),
        ("game", "620", False),
        ("battery", "12 %", False),
        ("metered", "not known", True),
        ("disk", "free at /run", False),
        ("file", "/run/hold is there", False),
        ("command", "exit code 0", False),
    ],
)
def test_whatever_inhibits_leaves_the_device_alone_and_says_what_it_saw(
    results: Results, kind: str, words: str, unknown: bool
) -> None:
    host = f"by-{kind}"
    result = results.of(host)
    assert (result["verdict"], result["changed"], result["reboot_kind"]) == ("inhibited", False, "none"), result
    (by,) = result["inhibited_by"]
    assert (by["kind"], by["unknown"]) == (kind, unknown)
    assert words in by["detail"]
    assert results.fleet.boots(host) == 1


def test_what_does_not_inhibit_does_not(results: Results) -> None:
    assert results.of("by-none")["verdict"] == "applied"


def test_a_download_that_outlived_its_connection_is_waited_for_and_not_begun_again(
    tmp_path: Path, collections_path: Path
) -> None:
    digests = _catalogue(tmp_path / "catalogue.json")
    with registry(tmp_path, tmp_path / "catalogue.json") as address:
        fleet = SimulatedFleet(tmp_path, address, collections_path)
        _make_ready(fleet, "deck", Case(staged=None, faults=("slow-pull 12",)))
        task = {
            "name": "Stage",
            "skorionos.bootc.bootc_switch": {"image": f"{address}/acme/deck:v2", "accept_digests": [digests["v2"]]},
        }
        play = {"name": "Stage", "hosts": "all", "gather_facts": False, "tasks": [task]}
        (tmp_path / "stage.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        begun = subprocess.Popen(
            fleet.command(str(tmp_path / "stage")),
            env=fleet.environment(),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _until_at_work(tmp_path / "devices/deck/root" / "run/skorionos.bootc/units", begun)
        # Everything that hangs on the connection goes, as with a session that is hung up.
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait(timeout=60)
        run = fleet.run(str(tmp_path / "stage"))
        assert run.rc == 0, run.output
        device = fleet.device("deck")
        pulls = [record for record in device["journal"] if "Pulling new image" in json.dumps(record)]
        assert len(pulls) == 1, device["journal"]
        assert device["staged"]["image"]["digest"] == digests["v2"]
        assert list((tmp_path / "devices/deck/root" / "run/skorionos.bootc/units").iterdir()) == []


def _until_at_work(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob("*/stdout")):
        assert process.poll() is None, "the task ended before it began to download"
        assert time.monotonic() < deadline, "no unit was started"
        time.sleep(0.05)
