# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks.floor PLAN``: the least that an update costs, without Ansible.

Runs on every device the bare commands over the connection that the playbooks use, as many devices at a time as they
have forks: look, switch, reboot, look until the new image runs. PLAN is a JSON file with ``connect`` (the words in
front of a device's directory), ``devices`` (their directories), ``image``, ``digest`` and ``parallel``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STATUS = ("bootc", "status", "--format=json", "--format-version=1")
_POLL_SECONDS = 1.0
_BOOT_SECONDS = 120.0


async def on_device(connect: Sequence[str], device: str, *command: str) -> tuple[int, bytes]:
    """Exit status and standard output of a command on a device."""
    process = await asyncio.create_subprocess_exec(
        *connect,
        device,
        "exec",
        "--",
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _unused = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output


def booted(status: bytes) -> str:
    """Digest of the image that runs."""
    return str(json.loads(status)["status"]["booted"]["image"]["imageDigest"])


async def update(plan: dict[str, Any], device: str, turns: asyncio.Semaphore) -> None:
    """Take one device to the image; raises RuntimeError when it does not get there."""
    connect = plan["connect"]
    async with turns:
        code, status = await on_device(connect, device, *_STATUS)
        if code == 0 and booted(status) == plan["digest"]:
            return
        code, _unused = await on_device(connect, device, "bootc", "switch", f"{plan['image']}@{plan['digest']}")
        if code != 0:
            raise RuntimeError(f"bootc switch on {device} ended with {code}")
        await on_device(connect, device, "systemctl", "reboot")
        for _attempt in range(int(_BOOT_SECONDS / _POLL_SECONDS)):
            await asyncio.sleep(_POLL_SECONDS)
            code, status = await on_device(connect, device, *_STATUS)
            if code == 0 and booted(status) == plan["digest"]:
                return
        raise RuntimeError(f"{device} does not run {plan['digest']}")


async def main(plan: dict[str, Any]) -> None:
    turns = asyncio.Semaphore(plan["parallel"])
    await asyncio.gather(*(update(plan, device, turns) for device in plan["devices"]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
