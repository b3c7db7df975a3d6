# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a device: one table. A new fault is a new row; the moments are asked for where they happen."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from simulator.state import State
from simulator.versions import FIRST, has


class Moment(enum.Enum):
    """When a fault makes itself felt."""

    REACH = "reach"  # the device does not answer at all; the text says why
    NEXT_BOOT = "next boot"  # the boot after the next reboot never answers
    START = "start"  # a program hangs, value in seconds
    FIND = "find"  # bootc is not installed
    REGISTRY = "registry"  # every request to a registry fails with the text
    POLICY = "policy"  # no image may be pulled
    ANSWER = "answer"  # a registry takes the value in seconds longer to say what an image is
    PREFLIGHT = "preflight"  # nothing is free where images are kept
    BOOT_FILES = "boot files"  # nothing is free where kernels are kept
    PULL = "pull"  # fetching takes the value in seconds longer
    MERGE = "merge"  # merging /etc fails
    STAGED = "staged"  # bootc never ends after it staged
    FINALIZE = "finalize"  # the orderly shutdown does not write the new boot entry
    ENTRY = "entry"  # the boot loader fails to boot what is not the deployment that ran before
    HEALTH = "health"  # the checks of the running image fail
    LOCK = "lock"  # another process holds the sysroot lock, value in seconds from the setting on
    BOOT_TIME = "boot time"  # booting takes the value in seconds


@dataclass(frozen=True)
class Fault:
    """One row: what it is, when it acts, what it says. ``default`` None means that a value must be given.

    ``mended`` is a feature of ``versions``: from the release that has it on, the fault does not exist.
    """

    name: str
    summary: str
    moment: Moment
    text: str = ""
    takes: str | None = None
    default: str | None = None
    once: bool = False
    backends: tuple[str, ...] = ("ostree", "composefs")
    mended: str | None = None
    ostree_text: str | None = None


_READING = "reading manifest {target} in {host}/{repository}"

TABLE: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("asleep", "does not answer until cleared", Moment.REACH, text="the device is asleep"),
        Fault(
            "silent-after-reboot",
            "the next reboot never comes back until cleared; it is then found booted in the new image",
            Moment.NEXT_BOOT,
            text="the device went silent after its reboot",
        ),
        Fault(
            "hang", "bootc never returns; it ends itself after SECONDS", Moment.START, takes="SECONDS", default="3600"
        ),
        Fault("bootc-missing", "the bootc program is not there", Moment.FIND),
        Fault(
            "registry-unreachable",
            "no registry can be reached",
            Moment.REGISTRY,
            text='pinging container registry {host}: Get "{scheme}://{host}/v2/": dial tcp {host}: connect: '
            "no route to host",
        ),
        Fault(
            "registry-outage",
            "every registry answers with an internal error",
            Moment.REGISTRY,
            text=f"{_READING}: received unexpected HTTP status: 503 Service Unavailable",
        ),
        Fault(
            "rate-limited",
            "every registry says that this device asked too often",
            Moment.REGISTRY,
            text=f"{_READING}: toomanyrequests: You have reached your unauthenticated pull rate limit.",
        ),
        Fault(
            "policy-reject",
            "the policy for signatures rejects every image",
            Moment.POLICY,
            text="Source image rejected: Running image {spec} is rejected by policy.",
        ),
        Fault("registry-slow", "every answer of a registry takes SECONDS longer", Moment.ANSWER, takes="SECONDS"),
        Fault(
            "auth",
            "every registry refuses the credentials",
            Moment.REGISTRY,
            text=f"{_READING}: unauthorized: authentication required",
        ),
        Fault(
            "disk-full",
            "no room for another image",
            Moment.PREFLIGHT,
        ),
        Fault("esp-full", "no room for another kernel on the ESP (ostree: in /boot)", Moment.BOOT_FILES),
        Fault("slow-pull", "fetching an image takes SECONDS longer", Moment.PULL, takes="SECONDS"),
        Fault(
            "etc-conflict",
            "local changes in /etc conflict with the new image: finalisation fails, or (composefs) staging",
            Moment.MERGE,
            text="Merge conflicts found in etc",
            ostree_text="Modified config file newly defaults to directory 'skorionos', cannot merge",
        ),
        Fault(
            "finalize-failure",
            "the next orderly reboot comes back on the old deployment",
            Moment.FINALIZE,
            text="No space left on device",
            once=True,
        ),
        Fault(
            "falls-back",
            "the next boot into another deployment fails and the boot loader falls back; the boot order stays",
            Moment.ENTRY,
            once=True,
        ),
        Fault(
            "deadlock-after-staging",
            "upgrade and switch stage and then never end (bootc up to 1.16.7)",
            Moment.STAGED,
            backends=("composefs",),
            mended="composefs gc without deadlock",
        ),
        Fault(
            "unhealthy",
            "health checks fail whatever the image; DETAIL is what they print",
            Moment.HEALTH,
            takes="DETAIL",
            default="the device was told to be unhealthy",
        ),
        Fault(
            "lock-held",
            "another process holds the sysroot lock for SECONDS from now",
            Moment.LOCK,
            takes="SECONDS",
            backends=("ostree",),
        ),
        Fault("boot-seconds", "booting takes SECONDS", Moment.BOOT_TIME, takes="SECONDS"),
    )
}


def checked_value(name: str, value: str | None) -> str:
    """The value to store for fault ``name``; raises ValueError saying what is wrong with what was given."""
    if name not in TABLE:
        raise ValueError(f"there is no fault {name!r}; 'simulator faults' lists them")
    fault = TABLE[name]
    if fault.takes is None:
        if value is not None:
            raise ValueError(f"fault {name} takes no value, got {value!r}")
        return ""
    chosen = fault.default if value is None else value
    if chosen is None:
        raise ValueError(f"fault {name} needs a value: {fault.takes}")
    if fault.takes == "SECONDS":
        try:
            seconds = float(chosen)
        except ValueError:
            raise ValueError(f"fault {name} needs a number of seconds, got {chosen!r}") from None
        if seconds < 0:
            raise ValueError(f"fault {name} needs a number of seconds that is not negative, got {chosen!r}")
    return chosen


def check_fits(name: str, state: State) -> None:
    """Raise ValueError when fault ``name`` cannot happen on this device: it would be ignored."""
    fault = TABLE[name]
    if state.backend not in fault.backends:
        raise ValueError(f"fault {name} is one of the {fault.backends[0]} backend; this device has {state.backend}")
    if fault.mended is not None and has(state.bootc_version, fault.mended):
        raise ValueError(
            f"fault {name} was mended in bootc {FIRST[fault.mended]} and this device has {state.bootc_version}; "
            "create it with an older --bootc-version"
        )


def active(state: State, moment: Moment) -> Fault | None:
    """The first fault of the table that is on and acts at ``moment`` on this device."""
    for name, fault in TABLE.items():
        if fault.moment is moment and name in state.faults and state.backend in fault.backends:
            return fault
    return None


def over(state: State, fault: Fault) -> State:
    """The device after ``fault`` happened: one that happens once is gone."""
    if not fault.once:
        return state
    return replace(state, faults={name: setting for name, setting in state.faults.items() if name != fault.name})


def value(state: State, moment: Moment) -> str | None:
    """The value of the fault acting at ``moment``; None when there is none."""
    fault = active(state, moment)
    return None if fault is None else state.faults[fault.name].value


def seconds(state: State, moment: Moment) -> float:
    """The seconds of the fault acting at ``moment``; 0 when there is none."""
    chosen = value(state, moment)
    return float(chosen) if chosen else 0.0


def unreachable(state: State) -> str | None:
    """Why the device does not answer, apart from being busy booting."""
    fault = active(state, Moment.REACH)
    if fault is None and state.boot.silent:
        fault = active(state, Moment.NEXT_BOOT)
    return None if fault is None else fault.text


def lock_free_at(state: State) -> float:
    """The moment from which the sysroot lock can be taken as far as faults go."""
    fault = active(state, Moment.LOCK)
    if fault is None:
        return 0.0
    setting = state.faults[fault.name]
    return setting.since + float(setting.value)
