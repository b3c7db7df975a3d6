# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release of bootc knows which command, checked before anything is run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ..._errors import BootcError
from ..status import COMPOSEFS, OSTREE, Status
from .model import ARM, Command

Version = Tuple[int, int, int]

_UPDATE_FIRST = "Update the device first, with an image that contains a newer bootc"


@dataclass(frozen=True)
class _Feature:
    """Words of a command, and the first release that understands them on each backend."""

    words: tuple[str, ...]
    ostree: Version
    composefs: Version
    instead: str = ""


# As tabulated from the sources of every release; composefs itself came with 1.9.0.
_FEATURES = (
    _Feature(("rollback",), (0, 1, 10), (1, 9, 0), "Name the image to go back to with skorionos.bootc.bootc_switch"),
    _Feature(("switch", "--enforce-container-sigpolicy"), (0, 1, 5), (1, 9, 0)),
    _Feature(
        ("upgrade", "--download-only"),
        (1, 12, 0),
        (1, 13, 0),
        "Use state=staged shortly before the reboot instead of state=downloaded",
    ),
    _Feature(("upgrade", "--from-downloaded"), (1, 12, 0), (1, 13, 0)),
    _Feature(("upgrade", "--tag"), (1, 15, 0), (1, 15, 0), "Use state=staged, which older releases can do by a switch"),
    _Feature(
        ("delete-deployment",),
        (1, 11, 0),
        (1, 11, 0),
        "Stage another image in its place with skorionos.bootc.bootc_switch",
    ),
)


def supports(status: Status, command: Command) -> bool:
    """Whether the bootc of this host understands the command; one whose version cannot be read counts as new."""
    return _missing(status, command) is None


def require_supported(status: Status, commands: Sequence[Command]) -> None:
    """Raise BootcError of kind unsupported_version for the first command that this host would not understand."""
    for command in commands:
        feature = _missing(status, command)
        if feature is not None:
            raise BootcError(
                "unsupported_version",
                f"bootc {status.bootc_version} does not support 'bootc {' '.join(feature.words)}' on a "
                f"{status.backend} host, {'.'.join(map(str, _needed(status, feature)))} or newer does",
                f"{feature.instead}, or update the device first" if feature.instead else _UPDATE_FIRST,
            )


def can_park(status: Status) -> bool:
    """Whether an image that is named can be staged so that no reboot applies it.

    Releases that cannot arm what is parked do not tell either that it is.
    """
    return status.backend == OSTREE and supports(status, ARM)


def require_parking(status: Status) -> None:
    """Raise BootcError of kind unsupported_version where ``can_park`` says no."""
    if status.backend != OSTREE:
        raise BootcError(
            "unsupported_version",
            "On the composefs backend bootc cannot park an image that is named",
            "Stage it shortly before the reboot, without parked=true; an update of what is tracked can be parked",
        )
    require_supported(status, [ARM])


def _missing(status: Status, command: Command) -> _Feature | None:
    if command[0] != "bootc":
        return None
    for feature in _FEATURES:
        understood = status.at_least(*_needed(status, feature))
        if command[1] == feature.words[0] and set(feature.words) <= set(command) and not understood:
            return feature
    return None


def _needed(status: Status, feature: _Feature) -> Version:
    return feature.composefs if status.backend == COMPOSEFS else feature.ostree
