# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that begin with nothing are typed as they stand, and the machine answers as they say.

What is changed is where things are (a free port, a simulated device in place of an address) and how long nothing
happens. tests/unit/docs/test_commands.py looks at the commands of all other pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import DOCS, Desk
from tests.guides import blocks, typed

pytestmark = pytest.mark.integration

REAL = "registry.example.com/os/skorionos"


@pytest.fixture
def desk(tmp_path: Path, collections_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, collections_path)
    yield made
    made.end()


@pytest.mark.exhaustive
def test_a_first_rollout(desk: Desk) -> None:
    desk.words |= {
        " create --image": " create --boot-seconds 1 --image",
        "soak: 10s": "soak: 1s",
        "settle: 2s": "settle: 0s",
    }
    desk.follow("first-rollout.md")
    assert desk.summary("kde-1.1.0")["phase"] == "completed"


def test_the_simulator(desk: Desk) -> None:
    desk.follow("simulator.md")


def simulate(desk: Desk, **addresses: str) -> None:
    """Put simulated devices in the place of those that have these addresses in the inventory."""
    for host, address in addresses.items():
        desk.type(f"python3 simulator device devices/{host} create --boot-seconds 1 --image {REAL}:kde-v1.0.0")
        desk.words[f"ansible_host: {address}"] = json.dumps(desk.simulated(host)).strip("{}")


@pytest.fixture
def adopted(desk: Desk) -> Desk:
    """With the two devices of the first hour, and the files that it has one write."""
    address = f"{desk.registry}/skorionos/kde"
    desk.words |= {
        f'{REAL}:kde-v1.1.0"': f'{address}:v1.1.0 tls_verify=false"',
        f"{REAL}:kde-": f"{address}:",
        REAL: address,
        "verify: {settle: 30s}": "verify: {settle: 0s}\nregistry: {insecure: true}",
        "soak: 2m": "soak: 1s",
    }
    desk.type("python3 simulator registry --listen 127.0.0.1:5000 &")
    simulate(desk, **{"deck-01": "192.0.2.11", "deck-02": "192.0.2.12"})
    for block in blocks(DOCS / "first-hour.md"):
        if block.file:
            desk.write(block.file, block.text)
    return desk


def is_rehearsal(command: str) -> bool:
    return "skorionos.bootc.rehearse" in command


def test_the_first_hour(adopted: Desk) -> None:
    for block in blocks(DOCS / "first-hour.md"):
        if block.language == "console" and not block.is_for_elsewhere:
            for command in block.commands:
                if not is_rehearsal(command):
                    adopted.type(command)
                # The plan and the run say with which hash to approve.
                if approve := re.search(r"bootc_rollout_plan_hash=([0-9a-f]+)", adopted.said):
                    adopted.words["3f2a9c51d0e4"] = approve[1]
        elif not block.language:
            adopted.compare(block.text)
    summary = adopted.summary("first-1.1.0")
    assert (summary["phase"], summary["totals"]["updated"]) == ("completed", 2)


@pytest.mark.exhaustive
def test_the_rehearsal_of_the_first_hour_is_held(adopted: Desk) -> None:
    (rehearse,) = [command for _place, command in typed(DOCS / "first-hour.md") if is_rehearsal(command)]
    adopted.type(rehearse, code=2)
    assert "Rollout rehearsal-first-1.1.0: held" in adopted.said
    assert not (adopted.folder / "rollouts").exists()


@pytest.mark.exhaustive
def test_a_device_is_told_which_keys_to_trust(adopted: Desk) -> None:
    adopted.write("fleet/group_vars/all.yml", json.dumps({"bootc_trust_repositories": ["registry.example.com/os"]}))
    for name, content in (("2026", "MANvbGQ="), ("2027", "MANuZXc=")):
        adopted.write(f"keys/{name}.pub", f"-----BEGIN PUBLIC KEY-----\n{content}\n-----END PUBLIC KEY-----\n")
    kept = adopted.folder / "devices" / "deck-01" / "root" / "etc" / "containers" / "skorionos-bootc"
    look, both, later_look, one = [
        f"{command} --limit localhost,deck-01"
        for _place, command in typed(DOCS / "signing.md")
        if "skorionos.bootc.trust " in command
    ]
    adopted.type(look)
    assert not kept.exists()
    adopted.type(both)
    adopted.type(later_look)
    assert sorted(path.name for path in kept.iterdir()) == ["2026.pub", "2027.pub"]
    adopted.type(one)
    assert [path.name for path in kept.iterdir()] == ["2027.pub"]


def test_an_answer_that_differs_is_found(desk: Desk) -> None:
    desk.type("echo Rollout x: held; echo Since 2026-08-01 04:10 UTC.")
    desk.compare("Rollout x: held\n...\nSince 2027-01-02 03:04 UTC.\n")
    with pytest.raises(AssertionError):
        desk.compare("Rollout x: completed\n")
    with pytest.raises(AssertionError):
        desk.type("false")
