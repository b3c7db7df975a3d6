# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage of a rehearsal: who has which faults, what stands for the images of a rollout, and the spec over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.action.rollout_rehearsal import _targets, _write
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rehearsal.profiles import (
    nobody,
    parse_profile,
    share_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rehearsal.stage import (
    Device,
    device_of,
    rehearsed,
    set_stage,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import hop_of, target_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, parse_spec

from simulator import catalogue
from tests.fleet_model import plan_for, small_spec

REPOSITORY = Path(__file__).resolve().parents[3]
REGISTRY = "127.0.0.1:5000"
TARGET, BARRIER, SEEN = (f"sha256:{letter * 64}" for letter in "abc")


def spec(**changes: Any) -> Spec:
    document = {
        "schema": 1,
        "id": "winter",
        "variants": [
            {
                "name": "kde",
                "image": "registry.example.com/os/skorionos",
                "digest": TARGET,
                "version": "3.0.0",
                "barriers": [{"digest": BARRIER, "version": "2.0.0", "below": "2.0.0"}],
            }
        ],
        "waves": [
            {"name": "canary", "count": 1, "soak": "4h", "analysis": [{"name": "errors", "command": ["look"]}]},
            {"name": "half", "percent": 50, "approve": "before"},
        ],
        "windows": {"apply": [{"start": "03:00", "length": "3h"}]},
        "pace": {"parallel": 3, "download_rate": "50M"},
        "verify": {"commands": [["rm", "-rf", "/"]]},
        **changes,
    }
    return parse_spec(document)


def played(given: Spec, **options: Any) -> Spec:
    """The spec of a rehearsal, as the rollout playbook will read it."""
    stage = set_stage(given, [])
    digests = {
        (variant, tag): catalogue.build(image).top
        for image in catalogue.parse(json.loads(json.dumps(stage.catalogue)))
        for variant, tag in stage.tags
        if (image.repository, image.tags) == (f"rehearsal/{variant}", (tag,))
    }
    assert digests.keys() == stage.tags.keys()
    return parse_spec(rehearsed(given, REGISTRY, digests, **{"keep": [], **options}))


def test_devices_run_what_they_were_seen_on_and_else_what_is_older_than_every_barrier() -> None:
    def seen(digest: str, version: str) -> dict[str, Any]:
        return {"backend": "composefs", "bootc_version": "1.13.0", "booted": {"digest": digest, "version": version}}

    devices = [
        device_of("unseen", "kde", None),
        device_of("old", "kde", seen(SEEN, "1.4.0")),
        device_of("old-too", "kde", seen(SEEN, "1.4.0")),
        device_of("between", "kde", seen(BARRIER, "2.0.0")),
        device_of("ready", "kde", seen(TARGET, "3.0.0")),
        device_of("other-platform", "kde", seen(f"sha256:{'d' * 64}", "3.0.0")),
        device_of("elsewhere", "gnome", None),
    ]
    stage = set_stage(spec(), devices)
    images = {image.tags[0]: image for image in catalogue.parse(json.loads(json.dumps(stage.catalogue)))}
    versions = {tag: image.labels["org.opencontainers.image.version"] for tag, image in images.items()}
    assert {host: versions[image.rpartition(":")[2]] for host, image in stage.images.items()} == {
        "unseen": "0.0.0",
        "old": "1.4.0",
        "old-too": "1.4.0",
        "between": "2.0.0",
        "ready": "3.0.0",
        "other-platform": "3.0.0",
    }
    assert stage.images["old"] == stage.images["old-too"]
    assert len({catalogue.build(image).top for image in images.values()}) == len(images)
    assert devices[1].arguments == ["--backend", "composefs", "--bootc-version", "1.13.0"]


REBUILT, ARM = (f"sha256:{letter * 64}" for letter in "de")


def seen(host: str, digest: str, version: str) -> Device:
    return device_of(host, "kde", {"booted": {"digest": digest, "version": version}})


def test_a_digest_says_more_of_what_a_device_runs_than_its_version() -> None:
    mislabelled = seen("mislabelled", BARRIER, "3.0.0")
    stage = set_stage(spec(), [mislabelled, seen("doubtful", REBUILT, "3.0.0"), seen("ready", TARGET, "3.0.0")])
    assert stage.images["mislabelled"] == "rehearsal/kde:barrier-1"
    assert stage.images["doubtful"] == stage.images["ready"] == "rehearsal/kde:release"
    assert stage.by_version == ("doubtful",)


def test_where_the_rollout_was_planned_versions_are_not_asked() -> None:
    given = spec()
    (variant,) = given.variants
    target = target_of(variant, [ARM], None, "3.0.0", [hop_of(variant.barriers[0], [SEEN], None)])
    devices = [seen("arm", ARM, "3.0.0"), seen("rebuilt", REBUILT, "3.0.0"), seen("between", SEEN, "2.0.0")]
    stage = set_stage(given, devices, targets={"kde": target})
    assert stage.images["arm"] == "rehearsal/kde:release"
    assert stage.images["between"] == "rehearsal/kde:barrier-1"
    assert stage.images["rebuilt"].startswith("rehearsal/kde:seen-")
    assert stage.by_version == ()


def test_the_ledger_beside_the_spec_tells_which_digests_are_the_release(tmp_path: Path) -> None:
    given = small_spec(id="winter")
    path = tmp_path / "winter.yml"
    assert _targets(given, path) == {}
    plan = plan_for(given, [("deck", "kde")])
    ledger = Ledger(tmp_path / "rollouts", "winter")
    ledger.create()
    ledger.append([Event("planned", 0.0, data={"plan": plan.as_dict()})], 1)
    assert _targets(given, path) == plan.targets
    other = spec(variants=[{"name": "kde", "image": "registry.example.com/os/skorionos", "digest": SEEN}])
    assert _targets(other, path) == {}, "of another digest it says nothing"
    (tmp_path / "rollouts" / "winter" / "events.jsonl").write_text("nonsense\n", encoding="utf-8")
    assert _targets(given, path) == {}


@pytest.mark.parametrize("mark", ["", ".rehearsal"])
def test_what_is_no_rehearsal_is_not_touched(tmp_path: Path, mark: str) -> None:
    """Also where somebody has a directory of the name of the mark, as the rehearsal's own is by default."""
    (tmp_path / "work" / mark).mkdir(parents=True, exist_ok=True)
    (tmp_path / "work" / "devices").mkdir()
    with pytest.raises(RolloutError, match="holds no rehearsal"):
        _write(tmp_path / "work", {tmp_path / "work" / "rollout.yml": ""})


def test_what_a_device_told_of_itself_is_no_option() -> None:
    device = device_of("odd", "kde", {"backend": "--force", "bootc_version": "1.13.0 --force", "booted": "nonsense"})
    assert device.arguments == []
    assert set_stage(spec(), [device]).images == {"odd": "rehearsal/kde:before"}


def test_the_rehearsal_has_the_same_waves_in_the_same_order_and_waits_for_nothing() -> None:
    real, rehearsal = spec(), played(spec())
    assert [(wave.name, wave.count, wave.percent) for wave in rehearsal.waves] == [
        (wave.name, wave.count, wave.percent) for wave in real.waves
    ]
    assert rehearsal.salt == real.salt
    assert rehearsal.pace.parallel == 3
    assert [wave.rules.approve for wave in rehearsal.waves] == [wave.rules.approve for wave in real.waves]
    assert {wave.rules.soak for wave in rehearsal.waves} == {1}
    assert not rehearsal.windows.apply
    assert rehearsal.pace.download_rate is None


def test_a_rehearsal_never_names_the_real_registry() -> None:
    text = json.dumps(dict(played(spec()).document))
    assert "registry.example.com" not in text
    assert TARGET not in text
    assert BARRIER not in text


def test_commands_of_devices_are_not_run_on_the_controller_whatever_is_kept() -> None:
    rehearsal = played(spec(), keep=["windows", "times"])
    assert rehearsal.verify.commands == ()
    assert not any(wave.rules.analysis for wave in rehearsal.waves)
    assert rehearsal.waves[0].rules.soak == 4 * 3600
    assert len(rehearsal.windows.apply) == 1


def test_the_longest_id_stays_one() -> None:
    assert len(played(spec(id="w" * 63)).id) == 63


def test_a_release_may_be_bad() -> None:
    stage = set_stage(spec(), [], ["kde"])
    sick = [entry["tags"] for entry in stage.catalogue["images"] if "org.skorionos.simulator.health" in entry["labels"]]
    assert sick == [["release"]]


def test_a_share_is_drawn_alike_everywhere_and_otherwise_with_another_seed() -> None:
    hosts = {f"deck-{number}": ["fleet"] for number in range(40)}
    hosts["desk-1"] = ["offices"]
    profile = parse_profile({"hosts": "fleet", "percent": 25, "faults": ["asleep"]})
    drawn = share_of(profile, hosts, "1 0")
    assert len(drawn) == 10
    assert "desk-1" not in drawn
    assert drawn == share_of(profile, dict(reversed(hosts.items())), "1 0")
    assert drawn != share_of(profile, hosts, "2 0")
    assert share_of(parse_profile({"hosts": "desk-*"}), hosts, "1 0") == ["desk-1"]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"percent": 101}, "percent 101"),
        ({"percent": True}, "percent True"),
        ({"fault": ["asleep"]}, "unknown key fault"),
        ({"faults": "asleep"}, "no list"),
        ("asleep", "no mapping"),
    ],
)
def test_a_profile_that_is_none_says_why(given: object, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_profile(given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"hosts": "nosuch-*"}, "no host and no group is called 'nosuch-*'"),
        ({"hosts": "desk", "percent": 20}, "20 percent of 1 host are none"),
    ],
)
def test_a_profile_about_nobody_says_why(given: object, why: str) -> None:
    assert nobody(parse_profile(given), {"deck-1": ["fleet"], "desk": []}) == why


def listed(collections: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    """What `ansible-inventory --list` says of these sources."""
    argv = [str(Path(sys.executable).with_name("ansible-inventory")), "--list"]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(collections)}
    return subprocess.run(
        argv + [word for source in sources for word in ("-i", str(source))],
        env={**environment, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1", "HOME": str(sources[0].parent)},
        cwd=sources[0].parent,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def variables(collections: Path, *sources: Path) -> dict[str, dict[str, Any]]:
    """What Ansible makes of the variables of every host, by host."""
    done = listed(collections, *sources)
    assert done.returncode == 0, done.stderr
    # What is no template is marked as such here.
    found = json.loads(done.stdout, object_hook=lambda entry: entry.get("__ansible_unsafe", entry))
    hostvars: dict[str, dict[str, Any]] = found["_meta"]["hostvars"]
    return hostvars


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(
        "fleet: {vars: {ansible_become: true, bootc_variant: kde}, hosts: {deck-1: {ansible_host: 192.0.2.1}, deck-2: ,"
        " localhost: {ansible_connection: local}}}\n",
        encoding="utf-8",
    )
    return path


def test_hosts_keep_their_variables_and_lose_their_addresses(fleet: Path, collections_path: Path) -> None:
    found = variables(collections_path, fleet, REPOSITORY / "inventory" / "rehearsal.yml")
    assert found["deck-1"]["bootc_variant"] == "kde"
    for host in ("deck-1", "deck-2"):
        assert found[host]["ansible_connection"] == "skorionos.bootc.simulated"
        assert found[host]["ansible_host"].endswith(".invalid")
        assert found[host]["ansible_become"] is False
        assert found[host]["bootc_simulated_dir"].endswith(f"/.rehearsal/devices/{host}")
    assert found["localhost"]["ansible_connection"] == "local"


def test_a_profile_about_nobody_is_told(fleet: Path, collections_path: Path) -> None:
    path = fleet.with_name("rehearsal.yml")
    path.write_text(
        "plugin: skorionos.bootc.rehearsal\nprofiles:\n- hosts: deck-*\n- hosts: nosuch-*\n", encoding="utf-8"
    )
    done = listed(collections_path, fleet, path)
    assert done.returncode == 0
    told = " ".join(done.stderr.split())
    assert "line 4: this profile is about nobody: no host and no group is called 'nosuch-*'." in told
    assert told.count("about nobody") == 1
