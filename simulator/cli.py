# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full command line of ``python3 simulator``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from simulator import faults, storage
from simulator.create import AWKWARD, add_options
from simulator.create import create as make
from simulator.programs import NAMES
from simulator.session import UNREACHABLE, refusal
from simulator.state import FaultSetting, State
from simulator.statefile import deployment_to_json, to_json
from simulator.store import Device, NoDevice, Unreachable, reach


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.call(parsed))
    except (NoDevice, ValueError) as wrong:
        sys.stderr.write(f"error: {wrong}\n")
        return 1
    except Unreachable as why:
        sys.stderr.write(f"unreachable: {why}\n")
        return UNREACHABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulator", description="A bootc device without hardware, and its registry.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    device = commands.add_parser("device", help="act on one device")
    device.add_argument("directory", metavar="DIR", help="directory that keeps the device")
    actions = device.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a device, booted into an image")
    add_options(create)
    create.set_defaults(call=make)
    reboot = actions.add_parser("reboot", help="reboot the device from outside")
    how = reboot.add_mutually_exclusive_group()
    how.add_argument("--power-loss", action="store_true", help="cut the power: nothing is finalised")
    how.add_argument("--soft", action="store_true", help="restart user space only, as 'systemctl soft-reboot' does")
    reboot.set_defaults(call=_reboot)
    menu = actions.add_parser("boot-menu", help="reboot the device and pick what it does not boot by default")
    menu.add_argument(
        "--entry", type=int, default=1, metavar="N", help="its place in the menu, counted from 0 (default: 1)"
    )
    menu.set_defaults(call=_boot_menu)
    fault = actions.add_parser("fault", help="make something go wrong")
    fault.add_argument("name", nargs="?", metavar="NAME")
    fault.add_argument("value", nargs="?", metavar="VALUE")
    fault.add_argument("--clear", action="store_true", help="end the fault NAME")
    fault.add_argument("--all", action="store_true", help="with --clear: end all faults")
    fault.set_defaults(call=_fault)
    actions.add_parser("show", help="print the state as JSON").set_defaults(call=_show)
    actions.add_parser("boot", help="in place, at boot: start the boot").set_defaults(call=_boot_in_place)
    actions.add_parser("finalize", help="in place, at shutdown: finalise").set_defaults(call=_finalize_in_place)
    for name in NAMES:
        actions.add_parser(name, help=f"run {name} on the device")
    actions.add_parser("exec", help="run any command on the device: exec [--as-user] -- COMMAND")

    commands.add_parser("faults", help="list the faults, and what else can be awkward").set_defaults(call=_faults)
    retag = commands.add_parser("retag", help="put an image of a running simulated registry under another tag")
    retag.add_argument("registry", metavar="HOST:PORT")
    retag.add_argument("repository", metavar="REPO")
    retag.add_argument("tag", metavar="TAG", help="the tag to move, or to make")
    retag.add_argument("target", metavar="DIGEST|OTHER_TAG", help="what it is to name, in the same repository")
    retag.set_defaults(call=_retag)
    registry = commands.add_parser("registry", help="serve images over plain HTTP")
    registry.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes any free one")
    registry.add_argument("--catalogue", type=Path, metavar="FILE", help="what to serve (default: SkorionOS releases)")
    registry.add_argument("--address-file", type=Path, metavar="FILE", help="write HOST:PORT there once listening")
    registry.set_defaults(call=_registry)
    install = commands.add_parser("install", help="make this machine ready to be a device in place")
    install.add_argument("--device-dir", default="/var/lib/bootc-simulator", metavar="DIR")
    install.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="install below this directory")
    install.set_defaults(call=_install)
    return parser


def _from_outside(parsed: argparse.Namespace) -> Device:
    device = Device(parsed.directory)
    if device.load().in_place:
        raise ValueError("this device is the machine itself: reboot or kill its container")
    return device


def _boot_menu(parsed: argparse.Namespace) -> int:
    _from_outside(parsed).choose_in_boot_menu(parsed.entry)
    return 0


def _reboot(parsed: argparse.Namespace) -> int:
    device = _from_outside(parsed)
    if parsed.soft:
        device.soft_reboot()
    else:
        device.reboot(orderly=not parsed.power_loss)
    return 0


def _fault(parsed: argparse.Namespace) -> int:
    device = Device(parsed.directory)
    if parsed.clear:
        if parsed.all == (parsed.name is not None):
            raise ValueError("--clear takes the NAME of a fault, or --all")
        if parsed.name is not None and parsed.name not in faults.TABLE:
            raise ValueError(f"there is no fault {parsed.name!r}; 'simulator faults' lists them")
        device.update(
            lambda state: replace(
                state,
                faults={} if parsed.all else {k: v for k, v in state.faults.items() if k != parsed.name},
            )
        )
        return 0
    if parsed.name is None or parsed.all:
        raise ValueError("name the fault; 'simulator faults' lists them")
    setting = FaultSetting(faults.checked_value(parsed.name, parsed.value), time.time())
    faults.check_fits(parsed.name, device.load())
    device.update(lambda state: replace(state, faults={**state.faults, parsed.name: setting}))
    return 0


def _faults(_unused: argparse.Namespace) -> int:
    happen = [(fault.name, fault.takes, fault.summary, fault.backends) for fault in faults.TABLE.values()]
    made = [(f"--{option.name}", option.takes, option.summary, option.backends) for option in AWKWARD]
    events = [
        ("reboot --power-loss", None, "the power is cut: nothing is finalised, what is staged is lost", ()),
        ("reboot --soft", None, "user space restarts under the same kernel", ()),
        ("boot-menu --entry N", None, "somebody picks an entry of the boot menu; the order stays", ()),
    ]
    width = max(len(name) + len(takes or "") for name, takes, _text, _where in (*happen, *made, *events)) + 3
    for title, rows in (
        ("Faults, with 'device DIR fault NAME [VALUE]':", happen),
        ("Awkward hosts, with 'device DIR create --image REF':", made),
        ("Events, with 'device DIR':", events),
    ):
        sys.stdout.write(f"{title}\n")
        for name, takes, summary, where in rows:
            shown = name if takes is None else f"{name} {takes}"
            only = f"; {where[0]} only" if len(where) == 1 else ""
            sys.stdout.write(f"  {shown:<{width}}{summary}{only}\n")
    sys.stdout.write("A tag of a registry moves with 'retag HOST:PORT REPO TAG DIGEST|OTHER_TAG'.\n")
    return 0


def describe(state: State, now: float) -> dict[str, object]:
    """Everything about a device, with what is derived from its state."""
    from simulator.verbs.common import told_queued

    why = refusal(reach(state), now)
    return {
        **to_json(state),
        "disk": {
            "bytes": state.disk_bytes,
            "used": sum(storage.disk(state).values()),
            "free": storage.disk_free(state),
        },
        "esp": {
            "bytes": state.esp_bytes,
            "used": sum(storage.boot_files(state).values()),
            "free": storage.esp_free(state),
        },
        "reachable": why is None,
        "unreachable": why,
        "rollback": None if state.rollback is None else deployment_to_json(state.rollback),
        "rollback_queued": state.rollback_queued,
        "rollback_queued_as_told": told_queued(state),
    }


def _show(parsed: argparse.Namespace) -> int:
    device = Device(parsed.directory)
    state = device.load()
    if refusal(reach(state), time.time()) is None:
        state = device.settled()
    sys.stdout.write(json.dumps(describe(state, time.time()), indent=2) + "\n")
    return 0


def _boot_in_place(parsed: argparse.Namespace) -> int:
    from simulator.inplace import start_boot

    return start_boot(Device(parsed.directory))


def _finalize_in_place(parsed: argparse.Namespace) -> int:
    from simulator.boot import finalise

    Device(parsed.directory).update(finalise)
    return 0


def _retag(parsed: argparse.Namespace) -> int:
    from simulator.retag import retag

    sys.stdout.write(f"{retag(parsed.registry, parsed.repository, parsed.tag, parsed.target)}\n")
    return 0


def _registry(parsed: argparse.Namespace) -> int:
    from simulator.registry import serve

    return serve(parsed.listen, parsed.catalogue, parsed.address_file)


def _install(parsed: argparse.Namespace) -> int:
    from simulator.inplace import install

    return install(parsed.root, parsed.device_dir)
