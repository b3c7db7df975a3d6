# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of every device module run, each on a simulated device of its own that was made ready for it.

The modules are those of the action group, so that a new one joins by itself. Its examples find a device that was just
updated, unless READY knows better.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import catalogue
from tests.simulated_fleet import SimulatedFleet, registry

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[3]
GROUP = yaml.safe_load((REPOSITORY / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]["bootc"]
IMAGE = "ghcr.io/acme/deck"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# What would take long for no gain here.
SHORTENED = {"settle: 60": "settle: 1"}

RELEASES = {"v1": ["v1"], "v2": ["v2"], "v3": ["v3", "stable"], "v4": ["v4", "testing"]}


@dataclass(frozen=True)
class Ready:
    """What is done to a device on v2 of the stable channel, which is at v3, and what is in its slots after the example.

    ``ends`` gives the releases by slot; a slot that is not named may hold anything.
    """

    steps: tuple[str, ...] = ()
    ends: tuple[tuple[str, str | None], ...] = ()
    backend: str = "ostree"


UPDATED = ("bootc upgrade --quiet", "reboot")
READY: dict[str, Ready] = {
    "Run exactly this image from the next reboot on": Ready(ends=(("booted", "v2"), ("staged", "v3"))),
    "Follow another channel": Ready(ends=(("booted", "v4"), ("rollback", "v2"))),
    "Ask whether there is an update": Ready(ends=(("booted", "v2"), ("staged", None)), backend="composefs"),
    "Fetch the update over the day": Ready(ends=(("staged", "v3"),)),
    "Arm in the maintenance window what was fetched, even if there is something newer by now": Ready(
        ("bootc upgrade --quiet --download-only",), (("staged", "v3"),), "composefs"
    ),
    "Stage the newest content": Ready(ends=(("staged", "v3"),), backend="composefs"),
    "Follow another channel of the same repository": Ready(ends=(("staged", "v4"),)),
    "Call off whatever is staged": Ready(("bootc upgrade --quiet",), (("booted", "v2"), ("staged", None)), "composefs"),
    "Go back to the previous image at the next reboot": Ready(UPDATED, (("booted", "v2"), ("rollback", "v3"))),
    "Look at the host": Ready(("bootc upgrade --quiet",), (("staged", "v3"),)),
    "Reboot into what is staged, if anything is": Ready(("bootc upgrade --quiet",), (("booted", "v3"),)),
    "Reboot into this content and nothing else": Ready(("bootc upgrade --quiet",), (("booted", "v3"),)),
    "Accept only images that we signed": Ready(),
    "Accept the next key as well": Ready(),
}
BY_DEFAULT = Ready(UPDATED)


@dataclass(frozen=True)
class Example:
    """Tasks that belong together: one of a device module and what uses its result."""

    host: str
    tasks: tuple[dict[str, Any], ...]

    @property
    def ready(self) -> Ready:
        return READY.get(self.tasks[0]["name"], BY_DEFAULT)

    @property
    def counted(self) -> int:
        """How many tasks Ansible counts: those for its own control flow it does not."""
        return sum("ansible.builtin.meta" not in task for task in self.tasks)

    @property
    def may_skip(self) -> int:
        """How many tasks only say something, and only under a condition."""
        return sum(_module(task) is None and "when" in task for task in self.tasks)


def _module(task: dict[str, Any]) -> str | None:
    return next((name for name in GROUP if f"skorionos.bootc.{name}" in task), None)


def _text(module: str) -> str:
    tree = ast.parse((REPOSITORY / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES"
    ]
    return str(ast.literal_eval(values[0]))


def examples(module: str, text: str) -> list[Example]:
    """A task of a device module begins an example, unless it uses what an earlier one of the example registered."""
    groups: list[list[dict[str, Any]]] = []
    for task in yaml.safe_load(text):
        registered = {each["register"] for each in (groups[-1] if groups else []) if "register" in each}
        said = json.dumps({key: value for key, value in task.items() if key != "name"})
        uses = any(re.search(rf"\b{name}\b", said) for name in registered)
        if not groups or (_module(task) is not None and not uses):
            groups.append([])
        groups[-1].append(task)
    return [Example(f"{module}-{number}".replace("_", "-"), tuple(tasks)) for number, tasks in enumerate(groups, 1)]


def _catalogue(path: Path) -> dict[str, str]:
    """Write a catalogue with the releases; returns their digests."""
    labels = {"containers.bootc": "1", "ostree.bootable": "1"}
    data = {
        "schema": 1,
        "labels": labels,
        "layers": {"base": 1000000, **{f"layer {name}": 100000 for name in RELEASES}},
        "images": [
            {
                "repository": "acme/deck",
                "tags": tags,
                "created": f"2026-08-0{number}T04:10:00Z",
                "labels": {"org.opencontainers.image.version": name},
                "annotations": {"org.opencontainers.image.version": name},
                "layers": ["base", f"layer {name}"],
            }
            for number, (name, tags) in enumerate(RELEASES.items(), 1)
        ],
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return {image.tags[0]: catalogue.build(image).top for image in catalogue.parse(data)}


@pytest.fixture
def digests(tmp_path: Path) -> dict[str, str]:
    return _catalogue(tmp_path / "catalogue.json")


@pytest.fixture
def fleet(tmp_path: Path, digests: dict[str, str], collections_path: Path) -> Iterator[SimulatedFleet]:
    """Devices that find the registry of the examples on this machine."""
    (tmp_path / "keys").mkdir()
    for name, content in (("2026", "MANvbGQ="), ("2027", "MANuZXc=")):
        key = f"-----BEGIN PUBLIC KEY-----\n{content}\n-----END PUBLIC KEY-----\n"
        (tmp_path / "keys" / f"{name}.pub").write_text(key, encoding="utf-8")
    with registry(tmp_path, tmp_path / "catalogue.json") as address:
        yield SimulatedFleet(tmp_path, address, collections_path)


def _make_ready(fleet: SimulatedFleet, example: Example, digests: dict[str, str]) -> None:
    host, ready = example.host, example.ready
    conf = fleet.root / "devices" / host / "root/etc/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        f'[[registry]]\nprefix = "ghcr.io/acme"\nlocation = "{fleet.registry}/acme"\ninsecure = true\n',
        encoding="utf-8",
    )
    image = ("--image", f"{IMAGE}:stable", "--digest", digests["v2"])
    fleet.simulate(host, "create", *image, "--backend", ready.backend, "--boot-seconds", "0.5")
    for step in ready.steps:
        fleet.simulate(host, *step.split())
        if step == "reboot":
            fleet.wait_for_boot(host)
    fleet.hosts[host] = "kde"


def _play(fleet: SimulatedFleet, shown: list[Example], newest: str) -> Path:
    """All examples at once: every host includes its own. Their digests become one that exists."""
    for example in shown:
        text = DIGEST.sub(newest, yaml.safe_dump(list(example.tasks), sort_keys=False, width=1000))
        for long, short in SHORTENED.items():
            text = text.replace(long, short)
        (fleet.root / f"{example.host}.yml").write_text(text, encoding="utf-8")
    play = {
        "name": "Run every example",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "ansible.builtin.free",
        "tasks": [
            {
                "name": "Run the example of this host",
                "ansible.builtin.include_tasks": f"{fleet.root}/{{{{ inventory_hostname }}}}.yml",
            }
        ],
    }
    path = fleet.root / "examples.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    return path


def _slots(fleet: SimulatedFleet, host: str, digests: dict[str, str]) -> dict[str, str | None]:
    """Releases in the slots of a device."""
    releases = {digest: name for name, digest in digests.items()}
    told = json.loads(fleet.simulate(host, "bootc", "status", "--format=json", "--format-version=1"))["status"]
    return {
        slot: None if told[slot] is None else releases.get(told[slot]["image"]["imageDigest"])
        for slot in ("booted", "staged", "rollback")
    }


def test_every_example_runs_and_does_what_it_says(fleet: SimulatedFleet, digests: dict[str, str]) -> None:
    shown = [example for module in GROUP for example in examples(module, _text(module))]
    for example in shown:
        _make_ready(fleet, example, digests)
    run = fleet.run(str(_play(fleet, shown, digests["v3"]).with_suffix("")))
    recap = run.recap()
    assert set(recap) == {example.host for example in shown}, run.output
    for example in shown:
        counts = recap[example.host]
        names = [task["name"] for task in example.tasks]
        assert (counts["failed"], counts["unreachable"]) == (0, 0), f"{names} failed:\n{run.output}"
        # The task that includes them counts as well.
        assert counts["skipped"] <= example.may_skip, f"of {names} some were skipped:\n{run.output}"
        assert counts["ok"] + counts["skipped"] == example.counted + 1, f"of {names} some did not run:\n{run.output}"
        found = _slots(fleet, example.host, digests)
        assert {slot: found[slot] for slot, _release in example.ready.ends} == dict(example.ready.ends), names


def test_what_is_known_of_an_example_belongs_to_one() -> None:
    names = {example.tasks[0]["name"] for module in GROUP for example in examples(module, _text(module))}
    assert set(READY) - names == set()


def test_an_example_goes_on_as_long_as_results_are_used() -> None:
    text = """
- name: A
  skorionos.bootc.bootc_status:
  register: status
- name: B
  debug: {msg: x}
- name: C
  skorionos.bootc.bootc_apply:
  when: status.is_bootc
- name: D, of which the status is another matter
  skorionos.bootc.bootc_update:
"""
    grouped = examples("bootc_apply", text)
    assert [[task["name"] for task in example.tasks] for example in grouped] == [
        ["A", "B", "C"],
        ["D, of which the status is another matter"],
    ]
    assert grouped[1].host == "bootc-apply-2"
