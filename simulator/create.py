# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a device: what it is booted into, what else is deployed on it, and what is awkward about it."""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import dataclass, replace

from simulator import hardware, storage, versions
from simulator.reference import ImageRef
from simulator.state import Boot, Deployment, Image, State
from simulator.store import Device, new_boot_id

OTHER_STATEROOT = "other"


@dataclass(frozen=True)
class Awkward:
    """An option of ``create`` for a host that is not as most are. ``backends`` are those it is possible on."""

    name: str
    summary: str
    takes: str | None = None
    backends: tuple[str, ...] = ("ostree", "composefs")
    number: bool = False

    @property
    def attribute(self) -> str:
        """Its name among the parsed options."""
        return self.name.replace("-", "_")


AWKWARD = (
    Awkward("rollback", "this image is in the rollback slot", "REF"),
    Awkward("pinned", "this image is deployed besides, and pinned; may be given several times", "REF", ("ostree",)),
    Awkward("other-stateroot", "this image is deployed in another stateroot", "REF", ("ostree",)),
    Awkward("layered", "rpm-ostree put packages on top of the image: 'incompatible'", backends=("ostree",)),
    Awkward("plain", "made of an ostree commit, not of a container image", backends=("ostree",)),
    Awkward("read-only", "booted from a medium that cannot be written, such as a live ISO"),
    Awkward("imginfo", "installed by a bootc that kept digests without 'sha256:'", backends=("composefs",)),
    Awkward("disk-bytes", "size of the file system that holds images", "BYTES", number=True),
    Awkward("esp-bytes", "size of the ESP (ostree: of /boot), which holds kernels", "BYTES", number=True),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``create`` its options."""
    parser.add_argument("--image", metavar="REF", help="the image to be booted into")
    parser.add_argument("--digest", metavar="D", help="this digest of it, whatever its tag points to")
    parser.add_argument("--backend", choices=("ostree", "composefs"), default="ostree")
    parser.add_argument("--boot-type", choices=("bls", "uki"), default="bls", help="composefs: how images are booted")
    parser.add_argument("--bootc-version", default=versions.DEFAULT_VERSION, metavar="V")
    parser.add_argument("--boot-seconds", type=float, default=2.0, metavar="S")
    parser.add_argument("--arch", default="amd64", help="architecture in OCI terms")
    parser.add_argument("--hardware", choices=hardware.NAMES, default=hardware.DEFAULT, help="what it is made of")
    parser.add_argument("--no-bootc", action="store_true", help="a host without bootc")
    parser.add_argument("--in-place", action="store_true", help="the device is this machine, a systemd container")
    parser.add_argument("--force", action="store_true", help="replace a device that is there")
    for option in AWKWARD:
        flag = f"--{option.name}"
        if option.takes is None:
            parser.add_argument(flag, action="store_true", help=option.summary)
        elif option.number:
            parser.add_argument(flag, type=int, metavar=option.takes, help=option.summary)
        else:
            many = "append" if option.name == "pinned" else "store"
            parser.add_argument(flag, action=many, metavar=option.takes, help=option.summary)


def _check(parsed: argparse.Namespace) -> None:
    """Raise ValueError for options that do not go together."""
    versions.parse(parsed.bootc_version)
    if parsed.backend == "composefs" and not versions.has(parsed.bootc_version, "composefs"):
        first = versions.FIRST["composefs"]
        raise ValueError(f"composefs came with bootc {first}; take a later --bootc-version, or --backend ostree")
    if parsed.backend != "composefs" and parsed.boot_type != "bls":
        raise ValueError("only composefs boots unified kernel images here; add --backend composefs to --boot-type uki")
    if parsed.image is None and not parsed.no_bootc:
        raise ValueError("a device needs --image REF to be booted into, or --no-bootc")
    if parsed.layered and parsed.plain:
        raise ValueError("--layered is of a container image and --plain of none; take one of them")
    for option in AWKWARD:
        given = getattr(parsed, option.attribute)
        if given in (None, False):
            continue
        if parsed.backend not in option.backends:
            raise ValueError(f"--{option.name} is of the {option.backends[0]} backend; this device gets another")
        if parsed.no_bootc:
            raise ValueError(f"--{option.name} says something of bootc, and --no-bootc that there is none")
        if option.number and given <= 0:
            raise ValueError(f"--{option.name} takes a number of bytes, got {given}")


def create(parsed: argparse.Namespace) -> int:
    """Make the device asked for; raises ValueError saying what is wrong with what was asked."""
    device = Device(parsed.directory)
    _check(parsed)
    if device.state_file.exists() and not parsed.force:
        raise ValueError(f"there is a device in {device.directory} already; replace it with --force")
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
        read_only=parsed.read_only,
        disk_bytes=parsed.disk_bytes,
        esp_bytes=parsed.esp_bytes,
    )
    _clear(device)
    device.directory.mkdir(parents=True, exist_ok=True)
    if parsed.in_place:
        from simulator.inplace import current_boot_id

        boot_id = current_boot_id()
        state = replace(state, boot=replace(state.boot, id=boot_id, kernel_id=boot_id))
    if not parsed.no_bootc:
        state = _deployed(device, state, parsed)
        _check_room(state)
    with device.state_lock():
        device.write(state)
        device.sync(state)
    device.settled()
    if parsed.in_place:
        from simulator.inplace import begin_watching, show_command_line

        show_command_line(state)
        begin_watching()
    else:
        hardware.equip(device.root(state), parsed.hardware, parsed.arch)
    return 0


def _check_room(state: State) -> None:
    for what, limit, used in (
        ("disk", state.disk_bytes, sum(storage.disk(state).values())),
        ("esp", state.esp_bytes, sum(storage.boot_files(state).values())),
    ):
        if limit is not None and used > limit:
            raise ValueError(
                f"what the device has takes {used} bytes and --{what}-bytes gives it {limit}; give it more"
            )


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


def _deployed(device: Device, state: State, parsed: argparse.Namespace) -> State:
    """The device with all its deployments, booted into the first one."""
    state = _add(device, state, parsed.image, parsed.digest, layered=parsed.layered, plain=parsed.plain)
    state = replace(state, booted_id=state.deployments[0].id)
    if parsed.rollback is not None:
        state = _add(device, state, parsed.rollback)
    for name in parsed.pinned or ():
        state = _add(device, state, name, pinned=True)
    if parsed.other_stateroot is not None:
        state = _add(device, state, parsed.other_stateroot, stateroot=OTHER_STATEROOT)
    if parsed.imginfo:
        state = replace(state, deployments=tuple(replace(entry, imginfo=True) for entry in state.deployments))
    return state


def _add(
    device: Device,
    state: State,
    name: str,
    digest: str | None = None,
    *,
    pinned: bool = False,
    stateroot: str = "default",
    layered: bool = False,
    plain: bool = False,
) -> State:
    from simulator.verbs.common import PullError
    from simulator.world import DeviceWorld

    world = DeviceWorld(device, state)
    ref = ImageRef(name)
    try:
        asked = ref if digest is None else ImageRef(f"{name.partition('@')[0]}@{digest}")
        image = replace(world.resolve(asked), ref=ref)
        world.pull(image, state.layers)
        checksum = image.verity if state.composefs else image.commit
        same = [entry for entry in state.deployments if entry.checksum == checksum]
        if same and state.composefs:
            raise ValueError(f"{name} is deployed already, and composefs deploys the same content only once")
        entry = Deployment(
            image,
            checksum,
            serial=None if state.composefs else len(same),
            pinned=pinned,
            stateroot=stateroot,
            layered=layered,
            plain=plain,
        )
        world.unpack(image, entry.id)
    except PullError as failed:
        raise ValueError(f"cannot make a device with {name}: {failed}") from failed
    return replace(_stored(state, image, named=not plain), deployments=(*state.deployments, entry))


def _stored(state: State, image: Image, *, named: bool) -> State:
    if not named:
        return state
    return replace(
        state,
        # What is booted was added first, and was pulled last.
        stored=state.stored if state.composefs else {image.ref.image: image, **state.stored},
        contents=(*state.contents, image.config_digest) if state.composefs else (),
        layers={**state.layers, **{layer.digest: layer.size for layer in image.layers}},
    )
