# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``wall``: what is said to everybody on a device is kept, one JSON object a line, in run/simulator/wall.jsonl."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from simulator.programs.words import BadOption, parse
from simulator.store import Device

FILE = "run/simulator/wall.jsonl"


def run(device: Device, arguments: list[str]) -> int:
    """The program ``wall``: a message from the arguments, a file or stdin. Raises Unreachable and Rebooted."""
    state = device.visited()
    try:
        words = parse(
            arguments,
            flags=("nobanner",),
            values=("timeout", "group"),
            short={"n": "nobanner", "t": "timeout", "g": "group"},
        )
    except BadOption as wrong:
        sys.stderr.write(f"wall: {wrong}\nTry 'wall --help' for more information.\n")
        return 1
    if words.on("timeout") and not (words.last("timeout") or "").isdigit():
        sys.stderr.write(f"wall: invalid timeout argument: {words.last('timeout')}\n")
        return 1
    text = " ".join(words.words) if words.words else sys.stdin.read()
    if len(words.words) == 1 and Path(text).is_file() and os.access(text, os.R_OK):
        text = Path(text).read_text(encoding="utf-8", errors="replace")
    path = device.root(state) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"time": time.time(), "text": text, "banner": not words.on("nobanner")}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
    return 0
