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
from .states import DISRUPTED, STOPPED, Device, DeviceClass, Rollout, RolloutPhase
from .timing import OWN_WINDOWS
from .windows import NO_WINDOWS, UnknownZone, Windows, find_zone, longest_wait, need_zone, parse_windows, spans

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


def check_own_windows(given: Mapping[str, object], spec: Spec) -> dict[str, Windows]:
    """The windows of each host that has any. Raises RolloutError for what is wrong in those of any host.

    Most of a fleet have the same ones, so these are looked at once.
    """
    hosts: dict[str, list[str]] = {}
    for host, windows in given.items():
        hosts.setdefault(repr(windows), []).append(host)
    found: dict[str, Windows] = {}
    errors = []
    for alike in hosts.values():
        try:
            windows = own_windows(given[alike[0]], alike, spec)
        except RolloutError as error:
            errors.append(error)
        else:
            found.update(dict.fromkeys(alike, windows) if windows != NO_WINDOWS else {})
    if errors:
        causes, remedies = (dict.fromkeys(getattr(error, part) for error in errors) for part in ("cause", "remedy"))
        raise RolloutError(" ".join(causes), " ".join(remedies), errors[0].reason)
    return found


def heeds_windows(rollout: Rollout | None, host: str) -> bool:
    """Whether a run may begin something on this host. What is in the middle of its update comes to an end anyway."""
    if rollout is None:
        return True
    if rollout.phase in STOPPED or rollout.phase is RolloutPhase.SUPERSEDED:
        return False
    device = rollout.devices.get(host)
    return device is None or (device.is_undecided and device.device_class is not DeviceClass.FLIGHT)


def windows_of_device(given: object, device: Device, spec: Spec, *, draining: bool) -> Windows:
    """The windows of one device whose turn it is.

    Those that are wrong raise RolloutError, but not where nothing begins any more: who has to be brought to an end, or
    back, is not left in the middle for them.
    """
    try:
        return own_windows(given, [device.host], spec)
    except RolloutError:
        if draining or device.state in DISRUPTED:
            return NO_WINDOWS
        raise


def own_timing_warnings(
    rollout: Rollout, own: Mapping[str, Windows], zones: Mapping[str, str | None], now: float
) -> list[str]:
    """What of these windows, and of those of the spec for devices where they are, will surprise whoever runs it.

    ``zones`` are those that the inventory knows.
    """
    spec = rollout.plan.spec
    undecided = [device for device in rollout.devices.values() if device.is_undecided]
    waiting = [device for device in undecided if device.host in own]
    hasty = [
        device.host
        for device in waiting
        if not device.catching_up
        and rollout.plan.waves[device.wave].rules.coverage_timeout < longest_wait(own[device.host].apply)
    ]
    meet: dict[tuple[Windows, str | None], bool] = {}
    never: list[str] = []
    for device in undecided:
        key = (own.get(device.host, NO_WINDOWS), zones.get(device.host))
        if key not in meet:
            meet[key] = _ever_meet(spec, *key, now)
        if not meet[key]:
            never.append(device.host)
    apart = [host for host in never if host not in own]
    never = [host for host in never if host in own]
    warnings = []
    if apart:
        warnings.append(
            "In the days to come the download and the apply windows of the spec are never open together, and without "
            f"`stage.policy: parked` nothing begins outside of both, so that every run puts it off: {some(apart)}."
        )
    if hasty:
        warnings.append(
            f"From one of its own apply windows ({OWN_WINDOWS}) to the next more time passes than the coverage_timeout "
            f"of its wave: {some(hasty)}."
        )
    if never:
        warnings.append(
            f"In the days to come its own windows ({OWN_WINDOWS}) and those of the spec are never open together, so "
            f"that it is put off by every run: {some(never)}."
        )
    for zone, hosts in _unknown_zones(spec, [device.host for device in undecided], own, zones).items():
        warnings.append(
            f"This machine does not know the time zone {zone!r} (bootc_timezone), so that every run puts it off until "
            f"that is mended in the inventory, or tzdata updated: {some(hosts)}."
        )
    return warnings


def _unknown_zones(
    spec: Spec, hosts: Sequence[str], own: Mapping[str, Windows], zones: Mapping[str, str | None]
) -> dict[str, list[str]]:
    """Zones that nobody can tell the time of, and the hosts whose windows go by them."""
    found: dict[str, list[str]] = {}
    known: dict[str, bool] = {}
    for host in hosts:
        zone = zones.get(host)
        if zone and any(need_zone((*each.download, *each.apply)) for each in (spec.windows, own.get(host, NO_WINDOWS))):
            if zone not in known:
                known[zone] = _is_known(zone)
            if not known[zone]:
                found.setdefault(zone, []).append(host)
    return found


def _is_known(zone: str) -> bool:
    try:
        find_zone(zone)
    except UnknownZone:
        return False
    return True


def _ever_meet(spec: Spec, own: Windows, zone: str | None, now: float) -> bool:
    """Whether that can be, as far as anybody knows before a device has told its zone, and that it can park an image."""
    apply, download = (spec.windows.apply, own.apply), (spec.windows.download, own.download)
    together = (apply, download) if spec.stage.ahead else ((*apply, *download),)
    if all(window.zone is None for windows in (*apply, *download) for window in windows):
        zone = zone or "UTC"  # any will do where all windows go by the same clock
    try:
        return all(any(span.end > now for span in spans(lists, zone, now)) for lists in together)
    except UnknownZone:
        return True
