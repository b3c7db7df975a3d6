# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether traffic costs money, as NetworkManager knows or guesses it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..command import Run
from .probe import PROBE_SECONDS, ask

BUSCTL = (
    "busctl",
    "--json=short",
    "get-property",
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
    "Metered",
)
NMCLI = ("nmcli", "-t", "-f", "GENERAL.TYPE,GENERAL.STATE,GENERAL.METERED", "device", "show")
_CONNECTED = 100


@dataclass(frozen=True)
class Network:
    """``metered`` is None where nobody knows; ``guessed`` says that nobody set it, as with the hotspot of a phone."""

    metered: bool | None = None
    guessed: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"metered": self.metered, "guessed": self.guessed}


UNKNOWN = Network()
# NMMetered: 0 unknown, 1 yes, 2 no, 3 guess yes, 4 guess no.
_METERED = {1: Network(True, False), 2: Network(False, False), 3: Network(True, True), 4: Network(False, True)}
_WORDS = {
    "yes": Network(True, False),
    "no": Network(False, False),
    "yes (guessed)": Network(True, True),
    "no (guessed)": Network(False, True),
}


def parse_busctl(text: str) -> Network | None:
    """NetworkManager's own property: ``{"type":"u","data":4}``. None when that is not what the text is."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, int) or isinstance(data, bool):
        return None
    return _METERED.get(data, UNKNOWN)


def parse_nmcli(text: str) -> Network:
    """Blocks of one interface each. Only connected ones count, and a metered one among them decides."""
    found = []
    for block in text.split("\n\n"):
        values = dict(line.partition(":")[::2] for line in block.splitlines())
        state = values.get("GENERAL.STATE", "").split(" ")[0]
        if state == str(_CONNECTED) and values.get("GENERAL.TYPE") != "loopback":
            found.append(_WORDS.get(values.get("GENERAL.METERED", "").strip(), UNKNOWN))
    for wanted in (True, None, False):
        for network in found:
            if network.metered is wanted:
                return network
    return UNKNOWN


def read_network(run: Run, timeout: float = PROBE_SECONDS) -> Network:
    """What NetworkManager says; ``UNKNOWN`` where it does not run."""
    told = ask(run, BUSCTL, timeout)
    network = None if told is None else parse_busctl(told)
    if network is not None:
        return network
    told = ask(run, NMCLI, timeout)
    return UNKNOWN if told is None else parse_nmcli(told)
