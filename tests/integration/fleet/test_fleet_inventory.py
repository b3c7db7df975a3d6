# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a fleet file, and what the status playbook adds to it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.simulated_fleet import PLAYBOOKS, REPOSITORY, SimulatedFleet, registry
from tests.unit.report.rehearsals import Rehearsal

BIN = Path(sys.executable).parent


def call(folder: Path, program: str, *arguments: str, inventory: str = "fleet") -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".venv" / "collections"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
    }
    (folder / "ansible.cfg").touch()
    argv = [str(BIN / program), "-i", str(folder / inventory), *arguments]
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_the_status_playbook_saw_becomes_groups(tmp_path: Path) -> None:
    with registry(tmp_path) as address:
        fleet = SimulatedFleet(tmp_path, address, REPOSITORY / ".venv" / "collections")
        for host in ("deck-1", "deck-2"):
            fleet.add(host, "kde", "--backend", "composefs")
        inventory: dict[str, Any] = {
            "plugin": "skorionos.bootc.fleet",
            "defaults": {
                "variant": "kde",
                "reach": {"connection": "skorionos.bootc.simulated", "python": sys.executable},
                "vars": {"bootc_simulated_dir": f"{tmp_path}/devices/{{{{ inventory_hostname }}}}"},
            },
            "include": ["../sites/*.yml"],
            "keyed_groups": [
                {"key": "bootc_seen.bootc_version", "prefix": "client"},
                {"key": "bootc.backend", "prefix": "cached"},
            ],
        }
        (tmp_path / "sites").mkdir()
        site = {
            "devices": [{"name": "deck-[1:2]", "ring": "canary", "vars": {"own": "{{ inventory_hostname | upper }}"}}]
        }
        (tmp_path / "sites" / "one.yml").write_text(yaml.safe_dump(site), encoding="utf-8")
        (tmp_path / "fleet").mkdir()
        (tmp_path / "fleet" / "fleet.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        before = json.loads(call(tmp_path, "ansible-inventory", "--list"))
        assert before["ring_canary"]["hosts"] == ["deck-1", "deck-2"]
        assert "backend_composefs" not in before
        asked = ["deck-1", "-m", "ansible.builtin.debug", "-a", "var=own"]
        assert "DECK-1" in call(tmp_path, "ansible", *asked), "an included file may have templates"

        status = str(PLAYBOOKS / "status.yml")
        call(tmp_path, "ansible-playbook", status)
        fleet.simulate("deck-2", "fault", "asleep")
        table = call(tmp_path, "ansible-playbook", status)
        assert "did not answer, seen 20" in table
        ledger = Ledger(tmp_path / "rollouts", "skorion-1.1.0")
        ledger.create()
        ledger.append(Rehearsal({"deck-1": "kde", "deck-2": "kde"}).run().ledger, 1)
        (tmp_path / "rollouts" / "skorion-1.1.0" / "report.html").touch()
        listing, page = tmp_path / "fleet.csv", tmp_path / "fleet.html"
        files = f"bootc_status_format=csv bootc_status_output={listing} bootc_status_page={page}"
        call(tmp_path, "ansible-playbook", status, "-e", f"{files} bootc_rollout_ledger={tmp_path}/rollouts")
        rows = list(csv.DictReader(listing.open(encoding="utf-8")))
        assert [(row["host"], row["reachable"], row["booted_version"]) for row in rows] == [
            ("deck-1", "true", "1.0.0"),
            ("deck-2", "false", "1.0.0"),
        ]
        assert all(int(row["space_free_bytes"]) > 0 for row in rows), "of the silent one it is remembered"
        html = page.read_text(encoding="utf-8")
        assert '<a href="./rollouts/skorion-1.1.0/report.html">' in html
        assert "Last rollout skorion-1.1.0" in html
        assert "Free space for images" in html
        assert "proven healthy on the new image" in html
        after = json.loads(call(tmp_path, "ansible-inventory", "--list"))
        assert after["backend_composefs"]["hosts"] == ["deck-1", "deck-2"]
        assert after["bootc_unreachable"]["hosts"] == ["deck-2"]
        assert after["client_1_16_9"]["hosts"] == ["deck-1", "deck-2"]
        assert after["cached_composefs"]["hosts"] == ["deck-1", "deck-2"]
        # What is damaged costs the groups that need it, and no device.
        for cached in (tmp_path / "facts").iterdir():
            cached.write_text("{", encoding="utf-8")
        damaged = json.loads(call(tmp_path, "ansible-inventory", "--list"))
        assert "cached_composefs" not in damaged
        assert damaged["client_1_16_9"]["hosts"] == ["deck-1", "deck-2"]


def test_what_is_seen_is_kept_beside_the_inventory_that_a_device_is_from(tmp_path: Path) -> None:
    asleep = {"reach": {"port": 1}, "variant": "kde"}
    for site in ("berlin", "paris"):
        devices = [{"name": f"{site}-{at}", "address": "127.0.0.1"} for at in (1, 2)]
        fleet = {"plugin": "skorionos.bootc.fleet", "defaults": asleep, "devices": devices}
        (tmp_path / f"{site}.yml").write_text(yaml.safe_dump(fleet), encoding="utf-8")
    both = ("-i", str(tmp_path / "paris.yml"))
    status = str(PLAYBOOKS / "status.yml")

    def kept(name: str) -> dict[str, str]:
        memory = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        return {host: seen["unreachable_since"] for host, seen in memory["devices"].items()}

    call(tmp_path, "ansible-playbook", *both, status, inventory="berlin.yml")
    assert sorted(kept(".berlin-status.json")) == ["berlin-1", "berlin-2"]
    since = kept(".paris-status.json")
    assert sorted(since) == ["paris-1", "paris-2"]
    call(tmp_path, "ansible-playbook", *both, status, "-e", "bootc_status_hosts=paris-2", inventory="berlin.yml")
    assert kept(".paris-status.json") == since
    paris = json.loads(call(tmp_path, "ansible-inventory", "--list", inventory="paris.yml"))
    assert paris["bootc_unreachable"]["hosts"] == ["paris-1", "paris-2"]
    one = tmp_path / "one.json"
    call(tmp_path, "ansible-playbook", *both, status, "-e", f"bootc_status_memory={one}", inventory="berlin.yml")
    assert sorted(kept("one.json")) == ["berlin-1", "berlin-2", "paris-1", "paris-2"]
    importing = tmp_path / "importing.yml"
    own = {"ansible.builtin.import_playbook": status, "vars": {"bootc_status_memory": f"{tmp_path}/of_play.json"}}
    importing.write_text(yaml.safe_dump([own]), encoding="utf-8")
    call(tmp_path, "ansible-playbook", *both, str(importing), inventory="berlin.yml")
    assert kept("of_play.json").keys() == kept("one.json").keys()
