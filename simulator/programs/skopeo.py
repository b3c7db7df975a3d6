# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``skopeo inspect --raw`` on a device."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from simulator.client import Registry
from simulator.reference import ImageRef
from simulator.state import State
from simulator.store import Device
from simulator.verbs.common import PullError, check_registry


class Refused(Exception):
    """Arguments this skopeo does not know."""


def options(arguments: list[str]) -> tuple[str, Path | None]:
    """The reference and auth file of ``inspect --raw [--no-tags] [--authfile FILE] docker://REF``."""
    words = list(arguments)
    if not words or words.pop(0) != "inspect":
        raise Refused("only 'inspect --raw' is simulated")
    name: str | None = None
    auth_file: Path | None = None
    raw = False
    while words:
        word = words.pop(0)
        flag, _unused, given = word.partition("=")
        if word == "--raw":
            raw = True
        elif flag == "--authfile":
            if not given and not words:
                raise Refused("flag needs an argument: --authfile")
            auth_file = Path(given or words.pop(0))
        elif word.startswith("docker://") and name is None:
            name = word[len("docker://") :]
        elif word not in ("--no-tags", "-n"):
            raise Refused(f"unknown argument: {word}")
    if not raw or name is None:
        raise Refused("only 'inspect --raw docker://REFERENCE' is simulated")
    return name, auth_file


def run(device: Device, arguments: list[str]) -> int:
    """The program ``skopeo``. Raises Unreachable and Rebooted."""
    state = device.visited()
    try:
        name, auth_file = options(arguments)
        raw = _manifest(device, state, name, auth_file)
    except Refused as refused:
        return _fatal(str(refused))
    except PullError as failed:
        return _fatal(f'Error parsing image name "{arguments[-1]}": {failed}')
    sys.stdout.buffer.write(raw)
    return 0


def _manifest(device: Device, state: State, name: str, auth_file: Path | None) -> bytes:
    check_registry(state, ImageRef(name))
    return Registry(name, device.root(state), state, auth_file).manifest()[0]


def _fatal(message: str) -> int:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    sys.stderr.write(f'time="{now}" level=fatal msg="{quoted}"\n')
    return 1
