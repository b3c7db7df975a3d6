# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full command line of ``python3 simulator``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from simulator import faults, hardware, versions
from simulator.programs import NAMES
from simulator.session import UNREACHABLE, refusal
from simulator.state import Boot, Deployment, FaultSetting, State
from simulator.statefile import deployment_to_json, to_json
from simulator.store import Device, NoDevice, Unreachable, new_boot_id, reach


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
    create.add_argument("--image", metavar="REF", help="the image to be booted into")
    create.add_argument("--digest", metavar="D", help="this digest of it, whatever its tag points to")
    create.add_argument("--backend", choices=("ostree", "composefs"), default="ostree")
    create.add_argument("--boot-type", choices=("bls", "uki"), default="bls", help="composefs: how images are booted")
    create.add_argument("--bootc-version", default=versions.DEFAULT_VERSION, metavar="V")
    create.add_argument("--boot-seconds", type=float, default=2.0, metavar="S")
    create.add_argument("--arch", default="amd64", help="architecture in OCI terms")
    create.add_argument("--hardware", choices=hardware.NAMES, default=hardware.DEFAULT, help="what it is made of")
    create.add_argument("--no-bootc", action="store_true", help="a host without bootc")
    create.add_argument("--in-place", action="store_true", help="the device is this machine, a systemd container")
    create.add_argument("--force", action="store_true", help="replace a device that is there")
    create.set_defaults(call=_create)
    reboot = actions.add_parser("reboot", help="reboot the device from outside")
    reboot.add_argument("--power-loss", action="store_true", help="cut the power: nothing is finalised")
    reboot.set_defaults(call=_reboot)
    menu = actions.add_parser("boot-menu", help="reboot the device and pick what it does not boot by default")
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

    commands.add_parser("faults", help="list the faults").set_defaults(call=_faults)
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


def _create(parsed: argparse.Namespace) -> int:
    device = Device(parsed.directory)
    versions.parse(parsed.bootc_version)
    if parsed.backend == "composefs" and not versions.has(parsed.bootc_version, "composefs"):
        first = versions.FIRST["composefs"]
        raise ValueError(f"composefs came with bootc {first}; take a later --bootc-version, or --backend ostree")
    if parsed.backend != "composefs" and parsed.boot_type != "bls":
        raise ValueError("only composefs boots unified kernel images here; add --backend composefs to --boot-type uki")
    if device.state_file.exists() and not parsed.force:
        raise ValueError(f"there is a device in {device.directory} already; replace it with --force")
    if parsed.image is None and not parsed.no_bootc:
        raise ValueError("a device needs --image REF to be booted into, or --no-bootc")
    now = time.time()
    state = State(
        backend=parsed.backend,
        bootc_version=parsed.bootc_version,
        boot=Boot(id=new_boot_id(), started=now, up_at=now),
        architecture=parsed.arch,
        boot_seconds=parsed.boot_seconds,
        has_bootc=not parsed.no_bootc,
        in_place=parsed.in_place,
        boot_type=parsed.boot_type,
    )
    _clear(device)
    device.directory.mkdir(parents=True, exist_ok=True)
    if parsed.in_place:
        from simulator.inplace import current_boot_id

        boot_id = current_boot_id()
        state = replace(state, boot=replace(state.boot, id=boot_id, kernel_id=boot_id))
    if not parsed.no_bootc:
        state = _booted_into(device, state, parsed.image, parsed.digest)
    with device.state_lock():
        device.write(state)
        device.sync(state)
    device.settled()
    if not parsed.in_place:
        hardware.equip(device.root(state), parsed.hardware, parsed.arch)
    if parsed.in_place:
        from simulator.inplace import begin_watching, show_command_line

        show_command_line(state)
        begin_watching()
    return 0


def _clear(device: Device) -> None:
    # The files of a former device go, but not how registries are to be reached: creating the new one needs that.
    for path in (device.directory / "store", device.trees, device.programs):
        shutil.rmtree(path, ignore_errors=True)
    root = device.directory / "root"
    kept = [
        root / name for name in ("etc/containers/registries.conf", "etc/containers/registries.conf.d", "etc/ostree")
    ]
    for path in sorted(root.rglob("*"), reverse=True):
        if any(path == keep or keep in path.parents or path in keep.parents for keep in kept):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for name in ("state.json", "managed.json"):
        (device.directory / name).unlink(missing_ok=True)


def _booted_into(device: Device, state: State, name: str, digest: str | None) -> State:
    from simulator.reference import ImageRef
    from simulator.verbs.common import PullError
    from simulator.world import DeviceWorld

    world = DeviceWorld(device, state)
    ref = ImageRef(name)
    try:
        asked = ref if digest is None else ImageRef(f"{name.partition('@')[0]}@{digest}")
        image = replace(world.resolve(asked), ref=ref)
        world.pull(image, {})
        composefs = state.composefs
        entry = Deployment(image, image.verity if composefs else image.commit, serial=None if composefs else 0)
        world.unpack(image, entry.id)
    except PullError as failed:
        raise ValueError(f"cannot make a device booted into {name}: {failed}") from failed
    return replace(
        state,
        deployments=(entry,),
        booted_id=entry.id,
        stored={} if composefs else {ref.image: image},
        contents=(image.config_digest,) if composefs else (),
        layers={layer.digest: layer.size for layer in image.layers},
    )


def _from_outside(parsed: argparse.Namespace) -> Device:
    device = Device(parsed.directory)
    if device.load().in_place:
        raise ValueError("this device is the machine itself: reboot or kill its container")
    return device


def _boot_menu(parsed: argparse.Namespace) -> int:
    _from_outside(parsed).choose_in_boot_menu()
    return 0


def _reboot(parsed: argparse.Namespace) -> int:
    device = _from_outside(parsed)
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
    width = max(len(fault.name) + len(fault.takes or "") for fault in faults.TABLE.values()) + 3
    for fault in faults.TABLE.values():
        shown = fault.name if fault.takes is None else f"{fault.name} {fault.takes}"
        where = f"; {fault.backends[0]} only" if len(fault.backends) == 1 else ""
        sys.stdout.write(f"{shown:<{width}}{fault.summary}{where}\n")
    return 0


def describe(state: State, now: float) -> dict[str, object]:
    """Everything about a device, with what is derived from its state."""
    from simulator.verbs.common import told_queued

    why = refusal(reach(state), now)
    return {
        **to_json(state),
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


def _registry(parsed: argparse.Namespace) -> int:
    from simulator.registry import serve

    return serve(parsed.listen, parsed.catalogue, parsed.address_file)


def _install(parsed: argparse.Namespace) -> int:
    from simulator.inplace import install

    return install(parsed.root, parsed.device_dir)
