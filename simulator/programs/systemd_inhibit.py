# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``systemd-inhibit --list``: what holds the device back is what run/simulator/inhibitors.json lists.

The file holds an array of objects: ``[{"who": "Steam", "what": "shutdown", "why": "Downloading", "mode": "block"}]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.programs.loginctl import BadFile, read_list
from simulator.programs.tables import JSON_FORMS, as_json, table
from simulator.programs.words import BadOption, parse
from simulator.store import Device

FILE = "run/simulator/inhibitors.json"
DEFAULTS = {
    "who": "somebody",
    "uid": 1000,
    "user": "deck",
    "pid": 900,
    "comm": "somebody",
    "what": "shutdown:sleep",
    "why": "busy",
    "mode": "block",
}


def answer(path: Path, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    try:
        words = parse(
            arguments,
            flags=("list", "no-legend", "no-pager"),
            values=("json", "what", "who", "why", "mode"),
            command_follows=True,
        )
        held = [{**DEFAULTS, **entry} for entry in read_list(path)]
    except (BadOption, BadFile) as wrong:
        return 1, "", f"systemd-inhibit: {wrong}\n"
    if words.words or not (words.on("list") or not arguments):
        return 1, "", f"systemd-inhibit: not simulated: {' '.join(arguments)}\n"
    form = words.last("json") or "off"
    if form in JSON_FORMS:
        return 0, as_json([{name: entry[name] for name in DEFAULTS} for entry in held], form), ""
    if not held:
        return 0, "" if words.on("no-legend") else "No inhibitors.\n", ""
    legend = None if words.on("no-legend") else f"{len(held)} inhibitors listed."
    return 0, table(tuple(DEFAULTS), held, legend=legend), ""


def run(device: Device, arguments: list[str]) -> int:
    """The program ``systemd-inhibit``. Raises Unreachable and Rebooted."""
    state = device.visited()
    code, out, err = answer(device.root(state) / FILE, arguments)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
