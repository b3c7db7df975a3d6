# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback plugin for tests: kills the controller at a chosen point of a rollout.

Callback plugins are loaded before the workers are forked, so what is wrapped here is wrapped in all of them. The
product knows nothing of it. ``BOOTC_TEST_POINTS`` names a file that gets a line for every point that was passed, and
``BOOTC_TEST_KILL`` where to kill: ``3 before``, ``3 within`` or ``3 after`` of those lines, counted from 0; or
``staged all 2`` as soon as two devices have that event on record, which wait for each other there.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ansible.plugins.callback import CallbackBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _device_port
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout import ledger

DOCUMENTATION = """
name: kill_at
type: aggregate
short_description: Kills the controller at a chosen point of a rollout
description: For tests.
"""


class Points:
    """What the controller passes on its way; ``controller`` is its process and leads its process group."""

    def __init__(self, passed: Path, kill: str, controller: int) -> None:
        self._passed = passed
        self._where, self._moment, self._count = (*kill.split(), "", "", "")[:3]
        self._controller = controller

    def reach(self, moment: str) -> bool:
        """Whether it is to be killed at this moment of the next point."""
        return (self._where, self._moment) == (str(len(self._lines())), moment)

    def _lines(self) -> list[str]:
        return self._passed.read_text(encoding="utf-8").splitlines() if self._passed.exists() else []

    def before(self) -> None:
        if self.reach("before"):
            self.kill()

    def after(self, name: str) -> None:
        is_last = self.reach("after")
        with self._passed.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        if is_last:
            self.kill()
        if (self._where, self._moment) == (name, "all"):
            self._wait_for_the_others()

    def _wait_for_the_others(self) -> NoReturn:
        if self._lines().count(self._where) == int(self._count):
            self.kill()
        while os.getppid() == self._controller:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives that")

    def kill(self) -> NoReturn:
        """End the controller with all that is in its process group, and this worker, which is in one of its own."""
        os.killpg(self._controller, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives that")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kill_at"

    def __init__(self) -> None:
        super().__init__()
        kill = os.environ.get("BOOTC_TEST_KILL", "")
        points = Points(Path(os.environ["BOOTC_TEST_POINTS"]), kill, os.getpid())
        _wrap_append(points)
        _wrap_write(points)
        _wrap_reboot(points)


def _wrap_append(points: Points) -> None:
    append: Callable[..., bool] = ledger.Ledger.append

    def wrapped(self: Any, events: Sequence[Any], *arguments: Any) -> bool:
        if not events:
            return append(self, events, *arguments)
        points.before()
        recorded = append(self, events, *arguments)
        if recorded:
            points.after(" ".join(event.kind for event in events))
        return recorded

    ledger.Ledger.append = wrapped


def _wrap_write(points: Points) -> None:
    """Within an append: half of it is on disk."""
    write: Callable[[int, bytes], None] = ledger._write_all

    def wrapped(descriptor: int, content: bytes) -> None:
        if points.reach("within"):
            write(descriptor, content[: len(content) // 2])
            points.kill()
        write(descriptor, content)

    ledger._write_all = wrapped


def _wrap_reboot(points: Points) -> None:
    """The reboot was asked for, and the device is on its way down."""
    reboot: Callable[..., Any] = _device_port.ModulePort.reboot

    def wrapped(self: Any, *arguments: Any) -> Any:
        answer = reboot(self, *arguments)
        points.after("(reboot)")
        return answer

    _device_port.ModulePort.reboot = wrapped
