# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between looking at a host and having changed it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import Client
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention import flow
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.plan import Wish
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import Completed
from ansible_collections.skorionos.bootc.plugins.module_utils._device.content import Content
from ansible_collections.skorionos.bootc.plugins.module_utils._device.markers import RollbackMark, remember_rollback
from ansible_collections.skorionos.bootc.plugins.module_utils._device.pins import Pin, read_pins, write_pins
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError


@dataclass
class FakeHost:
    """An ostree host: letters in boot order, ``c`` is booted. ``before`` and ``after`` are called with each command."""

    menu: list[str]
    pinned: set[str] = field(default_factory=set)
    free: int = 10_000_000_000
    frees: int = 0
    commands: list[list[str]] = field(default_factory=list)
    before: Callable[[list[str]], None] = lambda _argv: None
    after: Callable[[list[str]], None] = lambda _argv: None
    locked: bool = False

    def run(self, argv: Sequence[str], timeout: float, *, watch: object = None) -> Completed:
        words = list(argv)
        if words == ["bootc", "--version"]:
            return Completed(0, b"bootc 1.16.9\n")
        if words[:2] == ["bootc", "status"]:
            return Completed(0, json.dumps(self._status()).encode())
        if words[:3] == ["ostree", "admin", "status"]:
            return Completed(0, json.dumps({"deployments": self._listing()}).encode())
        if words[0] == "findmnt":
            found = [{"target": "/sysroot", "fstype": "btrfs", "size": 10**11, "avail": self.free}]
            return Completed(0, json.dumps({"filesystems": found}).encode()) if "/sysroot" in words else Completed(1)
        self.before(words)
        self.commands.append(words)
        assert self.locked
        self._change(words)
        self.after(words)
        return Completed(0)

    def _change(self, words: list[str]) -> None:
        if words[:3] == ["ostree", "admin", "pin"]:
            name = self.menu[int(words[-1])]
            (self.pinned.discard if "-u" in words else self.pinned.add)(name)
        elif words[:3] == ["ostree", "admin", "undeploy"]:
            self.menu.pop(int(words[3]))
        elif words == ["bootc", "internals", "cleanup"]:
            self.free += self.frees
            self.frees = 0

    def _listing(self) -> list[dict[str, Any]]:
        return [
            {
                "checksum": name * 64,
                "serial": 0,
                "stateroot": "default",
                "index": index,
                "booted": name == "c",
                "staged": False,
                "pinned": name in self.pinned,
            }
            for index, name in enumerate(self.menu)
        ]

    def _status(self) -> dict[str, Any]:
        def entry(name: str) -> dict[str, Any]:
            image = {"image": {"image": "r.example/os", "transport": "registry"}, "imageDigest": f"sha256:{name * 64}"}
            ostree = {"checksum": name * 64, "deploySerial": 0, "stateroot": "default"}
            return {"image": {**image, "version": name}, "ostree": ostree, "pinned": name in self.pinned}

        rest = [entry(name) for name in self.menu if name != "c"]
        slots = {"booted": entry("c"), "staged": None, "rollback": rest[0] if rest else None}
        return {"kind": "BootcHost", "spec": {}, "status": {**slots, "otherDeployments": rest[1:]}}

    @contextlib.contextmanager
    def lock(self, _wait: float) -> Iterator[None]:
        self.locked = True
        yield
        self.locked = False


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


def retain(host: FakeHost, wish: Wish, **more: Any) -> flow.Outcome:
    return flow.retain(Client(host.run, host.lock), wish, 60, **more)


def owned(*names: str) -> None:
    write_pins(Pin(name * 64 + ".0", None, "keep", "t") for name in names)


def test_numbers_are_looked_up_again_before_each_command() -> None:
    """Somebody deploys an image meanwhile: the number of the second deployment to go is another by then."""
    host = FakeHost(["c", "b", "a", "f"], {"a", "f"})
    owned("a", "f")

    def somebody_deploys(_argv: list[str]) -> None:
        if host.menu[0] == "c":
            host.menu.insert(0, "d")

    host.after = somebody_deploys
    with pytest.raises(BootcError, match="is not pinned instead of gone") as wrong:
        retain(host, Wish(delete=("a", "f")))
    assert host.commands[:2] == [["ostree", "admin", "undeploy", "3"], ["ostree", "admin", "undeploy", "3"]]
    assert wrong.value.kind == "unexpected"


def test_a_deployment_that_went_by_itself_takes_no_other_with_it() -> None:
    host = FakeHost(["c", "b", "a", "f"], {"a", "f"})
    owned("a", "f")
    host.after = lambda _argv: host.menu.remove("a")
    with pytest.raises(BootcError, match="is gone, and nothing was done in its place") as wrong:
        retain(host, Wish(delete=("f", "a")))
    assert len(wrong.value.data["deployments"]) == len(host.menu) == 2


def test_a_pin_is_remembered_before_it_is_set() -> None:
    host = FakeHost(["c", "b"])
    remembered: list[int] = []
    host.before = lambda _argv: remembered.append(len(read_pins()))
    retain(host, Wish(keep=3))
    assert remembered == [2, 2]


def test_without_memory_nothing_is_pinned(root: Path) -> None:
    (root / "var").write_text("no directory")
    host = FakeHost(["c", "b"])
    with pytest.raises(BootcError, match="nothing was done"):
        retain(host, Wish(keep=3))
    assert host.commands == []


def test_a_pin_that_was_remembered_and_is_gone_is_forgotten() -> None:
    host = FakeHost(["c", "b"], {"b"})
    owned("b", "a")
    assert retain(host, Wish()).changed is False
    assert [pin.deployment[0] for pin in read_pins()] == ["b"]


def test_check_mode_remembers_nothing_and_holds_no_lock() -> None:
    host = FakeHost(["c", "b"])
    outcome = retain(host, Wish(keep=3), check_mode=True)
    assert (outcome.changed, outcome.freed_bytes) == (True, 0)
    assert (host.commands, read_pins()) == ([], ())


@pytest.mark.parametrize(("freed", "changed"), [(flow.NOISE_BYTES - 1, False), (flow.NOISE_BYTES, True)])
def test_what_a_running_system_frees_by_itself_is_no_change(freed: int, changed: bool) -> None:
    host = FakeHost(["c", "b"], frees=freed)
    outcome = retain(host, Wish(collect_garbage=True))
    assert (outcome.changed, outcome.freed_bytes) == (changed, freed)


def test_what_the_host_was_taken_back_from_is_not_kept() -> None:
    remember_rollback(RollbackMark.now(Content(f"sha256:{'b' * 64}"), Content(f"sha256:{'c' * 64}")))
    host = FakeHost(["c", "b", "a"], {"a", "b"})
    owned("a", "b")
    retain(host, Wish(keep=3))
    assert host.pinned == {"a", "c"}


def test_a_command_that_fails_says_what_the_host_is_now() -> None:
    host = FakeHost(["c", "b", "a"], {"a"})

    def fail(argv: Sequence[str], timeout: float, **more: Any) -> Completed:
        if "undeploy" in argv:
            return Completed(1, stderr=b"error: No space left on device")
        return host.run(argv, timeout, **more)

    with pytest.raises(BootcError) as failed:
        flow.retain(Client(fail, host.lock), Wish(delete=("a",)), 60)
    assert failed.value.kind == "no_space"
    assert failed.value.data["commands"] == [["ostree", "admin", "undeploy", "2"]]
    assert len(failed.value.data["deployments"]) == 3
