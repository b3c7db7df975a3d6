# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files a device shows its processes: rendered from the state, written where the device's root is."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.faults import Moment, active, value
from simulator.hardware import mountinfo
from simulator.state import Image, State

if TYPE_CHECKING:
    from simulator.store import Device

HEALTH = "org.skorionos.simulator.health"
DETAIL = HEALTH + "-detail"
FAILED_UNIT = "org.skorionos.simulator.failed-unit"
STARTING_SECONDS = "org.skorionos.simulator.starting-seconds"
DEFAULT_FAILED_UNIT = "plasma-session.service"
HEALTH_CHECK = "usr/lib/greenboot/check/required.d/50-simulated-health.sh"
STAMP = "boot/ostree/finalize-failure.stamp"
_EXECUTABLE = 0o755
DEFAULT_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


@dataclass(frozen=True)
class File:
    """A file or, with ``link``, a symbolic link."""

    content: bytes = b""
    mode: int = 0o644
    link: str | None = None


def health_problem(state: State) -> str | None:
    """What is wrong with the running system; None when it is healthy."""
    told = value(state, Moment.HEALTH)
    if told is not None:
        return told
    if state.booted is None or state.booted.image.labels.get(HEALTH, "healthy") == "healthy":
        return None
    return state.booted.image.labels.get(DETAIL, "the image was told to be unhealthy")


def failed_units(state: State) -> dict[str, str]:
    """Units that failed in this boot, with their descriptions."""
    units = dict.fromkeys(state.boot.failed_units, "OSTree Complete Boot")
    if health_problem(state) is not None:
        labels = state.booted.image.labels if state.booted else {}
        units[labels.get(FAILED_UNIT, DEFAULT_FAILED_UNIT)] = "Session of the desktop"
    return units


def os_release(image: Image) -> str:
    """An os-release made of the labels of an image that has no files."""
    labels = image.labels
    version = labels.get("org.opencontainers.image.version", "")
    title = labels.get("org.opencontainers.image.title", "Simulated system")
    values = {
        "NAME": labels.get("org.skorionos.simulator.os-name", "SkorionOS"),
        "ID": labels.get("org.skorionos.simulator.os-id", "skorionos"),
        "ID_LIKE": "arch",
        "PRETTY_NAME": f"{title} {version}".strip(),
        "VARIANT_ID": labels.get("org.skorionos.variant", ""),
        "IMAGE_ID": labels.get("org.skorionos.variant", ""),
        "IMAGE_VERSION": version,
    }
    return "".join(f'{key}="{text}"\n' for key, text in values.items() if text)


def rendered(state: State, tree: Path) -> dict[str, File]:
    """Every file that follows from the state, by path below the root; ``tree`` has what the image's layers brought."""
    files = _image_files(tree)
    without_files = not files
    booted = state.booted
    if booted is not None:
        if "usr/lib/os-release" not in files and "etc/os-release" not in files:
            files["usr/lib/os-release"] = File(os_release(booted.image).encode())
        if "usr/lib/os-release" in files:
            files.setdefault("etc/os-release", File(link="../usr/lib/os-release"))
        problem = health_problem(state)
        if problem is not None or without_files:
            files[HEALTH_CHECK] = File(_check_script(problem).encode(), _EXECUTABLE)
    elif not state.in_place:
        files["usr/lib/os-release"] = File(b'NAME="Linux"\nID="linux"\nPRETTY_NAME="A system without bootc"\n')
        files["etc/os-release"] = File(link="../usr/lib/os-release")
    files.update(_run_files(state))
    if not state.in_place:
        files["proc/sys/kernel/random/boot_id"] = File(f"{state.boot.id}\n".encode())
        files["proc/cmdline"] = File(f"{command_line(state)}\n".encode())
        files["proc/self/mountinfo"] = File(mountinfo(state).encode())
    return files


def _image_files(tree: Path) -> dict[str, File]:
    files: dict[str, File] = {}
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        if path.is_symlink():
            files[name] = File(link=os.readlink(path))
        elif path.is_file():
            files[name] = File(path.read_bytes(), path.stat().st_mode & 0o777)
    return files


def _check_script(problem: str | None) -> str:
    if problem is None:
        return "#!/bin/sh\necho 'the simulated system is healthy'\n"
    return f"#!/bin/sh\necho {shlex.quote(problem)}\nexit 1\n"


def command_line(state: State) -> str:
    """The kernel command line of the running system."""
    root, booted = "root=UUID=5e1f0000-0000-4000-8000-000000000001 rw", state.booted
    if booted is None:
        return f"{root} quiet"
    # A soft reboot leaves the kernel, and what it was started with.
    checksum = (state.boot.entry or booted.id).partition(".")[0]
    if state.composefs:
        return f"{root} composefs={checksum} quiet"
    return f"{root} ostree=/ostree/boot.1/{booted.stateroot}/{checksum}/0"


def _run_files(state: State) -> dict[str, File]:
    files: dict[str, File] = {}
    if state.booted is not None and not state.composefs:
        files["run/ostree-booted"] = File()
        if state.reboot_required is not None:
            note = f"bootc: Reboot required for image: {state.reboot_required}"
            files["run/reboot-required"] = File(note.encode())
    if state.staged is not None:
        if state.composefs:
            entry = {"depl_id": state.staged.id, "finalization_locked": state.staged_locked}
            note = json.dumps(entry, separators=(",", ":"))
            files["run/composefs/staged-deployment"] = File(note.encode())
        else:
            files["run/ostree/staged-deployment"] = File(state.staged.id.encode())
            if state.staged_locked:
                files["run/ostree/staged-deployment-locked"] = File()
    if state.soft_reboot_target is not None and not state.in_place:
        # In place of the mount, which a device that is a directory cannot have.
        files["run/nextroot/.prepared"] = File(state.soft_reboot_target.encode())
    return files


def arrange(device: Device, state: State) -> None:
    """Write what ``rendered`` says and remove what an earlier state had put there."""
    root = device.root(state)
    tree = device.trees / (state.booted_id or "none")
    files = rendered(state, tree)
    ledger = device.directory / "managed.json"
    before = json.loads(ledger.read_text(encoding="utf-8")) if ledger.exists() else []
    for name in before:
        if name not in files:
            (root / name).unlink(missing_ok=True)
    for name, file in files.items():
        _write(root / name, file)
    if sorted(files) != before:
        ledger.write_text(json.dumps(sorted(files)), encoding="utf-8")
    _drop_trees(device, state)


def etc_changes(device: Device, state: State) -> list[tuple[str, str]]:
    """What differs in /etc from the booted image: ``added``, ``modified`` or ``removed``, and the path below /etc."""
    etc = device.root(state) / "etc"
    given = rendered(state, device.trees / (state.booted_id or "none"))
    image = {name[len("etc/") :]: file for name, file in given.items() if name.startswith("etc/")}
    image["containers/policy.json"] = File(DEFAULT_POLICY.encode())
    here = {str(path.relative_to(etc)) for path in etc.rglob("*") if path.is_symlink() or path.is_file()}
    changes = [("added", name) for name in sorted(here - set(image))]
    for name in sorted(set(image) & here):
        path, file = etc / name, image[name]
        if (os.readlink(path) if path.is_symlink() else None) != file.link or (
            file.link is None and path.read_bytes() != file.content
        ):
            changes.append(("modified", name))
    return changes + [("removed", name) for name in sorted(set(image) - here)]


def arrange_stamp(device: Device, state: State) -> None:
    """What ostree leaves in /boot of a finalisation that failed, until the next boot has seen it."""
    stamp = device.root(state) / STAMP
    if state.finalize_stamp is None:
        stamp.unlink(missing_ok=True)
    else:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(f"{state.finalize_stamp}\n", encoding="utf-8")


def _write(path: Path, file: File) -> None:
    if file.link is not None:
        if path.is_symlink() and str(path.resolve()) == str((path.parent / file.link).resolve()):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(file.link)
        return
    if not path.is_symlink() and path.is_file() and path.read_bytes() == file.content:
        if path.stat().st_mode & 0o777 != file.mode:
            path.chmod(file.mode)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(file.content)
    draft.chmod(file.mode)
    draft.replace(path)


def _drop_trees(device: Device, state: State) -> None:
    import shutil

    keep = {entry.id for entry in state.everything}
    if device.trees.is_dir():
        for tree in device.trees.iterdir():
            # A tree being unpacked carries a dot: its deployment is not in the state yet.
            if tree.name not in keep and not tree.name.startswith("."):
                shutil.rmtree(tree, ignore_errors=True)


def arrange_boot(device: Device, state: State) -> None:
    """What a boot does to the file system before anything runs: /run starts empty, the fixed directories exist."""
    import shutil

    drop_drafts(device)
    if state.in_place:
        return
    root = device.root(state)
    if not state.boot.soft:
        shutil.rmtree(root / "run", ignore_errors=True)
    # systemd makes this one, by which others know that it runs.
    for name in ("run/systemd/system", "tmp", "etc", "var/lib", "var/tmp", "usr/lib/greenboot/check/required.d"):
        (root / name).mkdir(parents=True, exist_ok=True)
    policy = root / "etc/containers/policy.json"
    if not policy.exists():
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(DEFAULT_POLICY, encoding="utf-8")


def drop_drafts(device: Device) -> None:
    """Remove what pulls that were killed had fetched of a layer."""
    for draft in device.blobs.glob(".*.part"):
        draft.unlink(missing_ok=True)


def arrange_programs(device: Device, state: State) -> None:
    """Keep DIR/bin: one script for each program the device has."""
    from simulator.programs import NAMES
    from simulator.store import python

    device.programs.mkdir(exist_ok=True)
    absent = set()
    if not state.has_bootc:
        absent = {"bootc", "ostree", "skopeo"}
    elif active(state, Moment.FIND) is not None:
        absent = {"bootc"}
    if state.composefs:
        absent.add("ostree")
    package = Path(__file__).resolve().parent
    for name in NAMES:
        if name in absent:
            (device.programs / name).unlink(missing_ok=True)
            continue
        command = " ".join(
            shlex.quote(word)
            for word in (python(), "-E", "-S", str(package / "__main__.py"), "device", str(device.directory), name)
        )
        _write(device.programs / name, File(f'#!/bin/sh\nexec {command} "$@"\n'.encode(), _EXECUTABLE))
