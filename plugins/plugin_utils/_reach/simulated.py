# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a simulated device answers, from the file that its simulator keeps: a process for each would take minutes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .knock import AWAKE, Answer, asleep, unknown
from .ways import SimulatedDevice


def look_at(device: SimulatedDevice, now: float) -> Answer:
    """What the simulator would say at ``now`` (seconds since the epoch)."""
    directory = Path(os.path.expandvars(device.directory)).expanduser()
    try:
        reach = json.loads((directory / "state.json").read_text(encoding="utf-8"))["reach"]
        why, up_at, while_booting = reach["why"], float(reach["up_at"]), reach["while_booting"]
    except (OSError, ValueError, KeyError, TypeError):
        return unknown(f"{directory} holds no device that is known here")
    if why is not None:
        return asleep(str(why))
    return AWAKE if now >= up_at else asleep(str(while_booting))
