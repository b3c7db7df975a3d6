# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows that the inventory gives to single devices, besides those of the spec. Pure.

The plan does not freeze them: whoever keeps a device may close it at any time, and the next run heeds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import schema
from .errors import RolloutError, some
from .spec import Spec, check_room
from .timing import OWN_WINDOWS
from .windows import NO_WINDOWS, Windows, parse_windows

REASON = "invalid_windows"
_SHAPE = "It has the keys of `windows` in a spec, `apply` and `download`."


def own_windows(given: object, hosts: Sequence[str], spec: Spec) -> Windows:
    """The windows in the inventory variable of these hosts, as plain data; None stands for none.

    Raises RolloutError (``invalid_windows``) that names the hosts.
    """
    if given is None:
        return NO_WINDOWS
    source = f"{OWN_WINDOWS} of {some(hosts)}"
    try:
        schema.check(given, schema.WINDOWS, source, kind="set of windows")
        windows = parse_windows(given if isinstance(given, Mapping) else {}, f"{source}: ")
        check_room(spec, windows, f"{source}: ")
    except RolloutError as error:
        remedy = f"{error.remedy} {_SHAPE} Mend it in the inventory: nobody is updated before."
        raise RolloutError(error.cause, remedy, REASON) from error
    return windows


def check_own_windows(given: Mapping[str, object], spec: Spec) -> None:
    """Raise RolloutError for what is wrong in the windows of any host; most of a fleet have the same ones."""
    hosts: dict[str, list[str]] = {}
    for host, windows in given.items():
        hosts.setdefault(repr(windows), []).append(host)
    errors = []
    for alike in hosts.values():
        try:
            own_windows(given[alike[0]], alike, spec)
        except RolloutError as error:
            errors.append(error)
    if errors:
        causes, remedies = (dict.fromkeys(getattr(error, part) for error in errors) for part in ("cause", "remedy"))
        raise RolloutError(" ".join(causes), " ".join(remedies), errors[0].reason)
