# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_status tells, asked with one plain command: no Python has to start on the device for it.

It tells of a device on which nothing is out of the ordinary. Whatever else is printed is read as nothing, and then the
module is to be asked, which knows causes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..module_utils._bootc.status import parse_status, parse_version
from ..module_utils._device.boot import parse_units
from ..module_utils._device.facts.power import ATTRIBUTES, DIRECTORY, judge, parse_supply
from ..module_utils._device.facts.sessions import GAME_PROCESSES
from ..module_utils._device.inhibitors import Finding, Inhibitor, judge_power
from ..module_utils._device.timezone import LOCALTIME, zone_of
from ..module_utils._errors import BootcError

_BOOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

# The variable is empty but on a simulated device.
_ROOT = '"$BOOTC_DEVICE_ROOT"'
# A connection may give it a terminal all the same: then nothing is to be coloured or paged, and errors are no output.
_PLAIN = "export TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_PAGER=; exec 2>/dev/null"
_STATUS = (
    f"cat {_ROOT}/proc/sys/kernel/random/boot_id && timeout -k 5 20 bootc --version "
    "&& timeout -k 5 30 bootc status --format=json --format-version=1"
)
STATUS_COMMAND = f"{_PLAIN}; {_STATUS}"
_PART = "-- skorionos.bootc --"
_NEXT = f"echo && echo '{_PART}'"
_ZONE = (
    f"if [ -L {_ROOT}{LOCALTIME} ]; then readlink {_ROOT}{LOCALTIME}; "
    f"elif [ -e {_ROOT}{LOCALTIME} ]; then echo; else echo /zoneinfo/UTC; fi"
)
_UNITS = "timeout -k 5 30 systemctl --no-pager list-units --state=failed --plain --no-legend --full"
_NO_GAME = "no game runs"
# Exit code 1 means that all processes were looked at. The brackets keep a pattern from finding its own command line.
_GAMES = (
    f"grep -a -h -x -F {' '.join(f'-e {shlex.quote(name[:15])}' for name in GAME_PROCESSES)} "
    f"{_ROOT}/proc/[0-9]*/comm; [ $? -eq 1 ] && {{ grep -a -l 'Steam[L]aunch' {_ROOT}/proc/[0-9]*/cmdline; "
    f"[ $? -eq 1 ]; }} && echo '{_NO_GAME}'"
)
_POWER = (
    f"ls {_ROOT}{DIRECTORY}/ > /dev/null && {{ "
    f"for name in {' '.join(ATTRIBUTES)}; do for file in {_ROOT}{DIRECTORY}/*/$name; do "
    '[ -r "$file" ] || continue; value=; read -r value < "$file"; echo "$file=$value"; done; done; true; }'
)
_LOOKS = {"game": _GAMES, "battery": _POWER}


def survey_command(inhibitors: Sequence[Inhibitor]) -> str | None:
    """The shell command, or None where one of the inhibitors cannot be looked for like this."""
    if any(inhibitor.kind not in _LOOKS or inhibitor.processes for inhibitor in inhibitors):
        return None
    looks = (f"{{ {_LOOKS[inhibitor.kind]}; }}" for inhibitor in inhibitors)
    return f"{_PLAIN}; " + f" && {_NEXT} && ".join((_STATUS, _ZONE, _UNITS, *looks))


def read_status(printed: str) -> tuple[str, dict[str, Any]] | None:
    """Boot id and normalised status from what ``STATUS_COMMAND`` printed."""
    boot_id, _unused, rest = _lines(printed).partition("\n")
    version, _unused, document = rest.partition("\n")
    if not _BOOT_ID.match(boot_id.strip()):
        return None
    try:
        return boot_id.strip(), parse_status(document, parse_version(version)).as_dict()
    except BootcError:
        return None


def read_survey(printed: str, inhibitors: Sequence[Inhibitor]) -> Mapping[str, Any] | None:
    """The result of bootc_status, as far as it is told, from what the command printed."""
    parts = _lines(printed).split(f"\n{_PART}\n")
    if len(parts) != 3 + len(inhibitors):
        return None
    status, (localtime, units, *looks) = read_status(parts[0]), parts[1:]
    seen = zip(inhibitors, looks, strict=True)
    # Not even what may be unknown: a running game is told by nothing but the absence of the word that none does.
    if status is None or any(_judge(inhibitor, look).inhibits is not False for inhibitor, look in seen):
        return None
    return {
        "boot_id": status[0],
        "bootc": status[1],
        "timezone": zone_of(localtime.strip()),
        "failed_units": list(parse_units(units)),
        "inhibited_by": [],
    }


def _lines(printed: str) -> str:
    """What a terminal makes of the ends of lines, undone."""
    return printed.replace("\r\n", "\n")


def _judge(inhibitor: Inhibitor, printed: str) -> Finding:
    if inhibitor.kind == "game":
        return Finding(False if printed.strip() == _NO_GAME else None, "")
    supplies: dict[str, dict[str, str]] = {}
    for line in printed.splitlines():
        file, found, value = line.partition("=")
        if found:
            name, _unused, attribute = file.rpartition("/")
            supplies.setdefault(name, {})[attribute] = value.strip()
    read = [parse_supply(name, attributes) for name, attributes in supplies.items()]
    return judge_power(judge([supply for supply in read if supply is not None]), inhibitor.percent)
