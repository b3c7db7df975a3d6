# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that is the machine itself: a container with systemd, where only bootc is simulated."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from simulator import boot
from simulator.files import command_line, drop_drafts, failed_units
from simulator.state import State
from simulator.store import Device, new_boot_id, python

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COMMAND_LINE = Path("/proc/cmdline")
RUN = Path("/run/bootc-simulator")
PROGRAM_DIRECTORY = Path("usr/lib/bootc-simulator")
UNIT_DIRECTORY = Path("usr/lib/systemd/system")

BOOT_UNIT = """\
[Unit]
Description=Start of a boot of the simulated bootc device
DefaultDependencies=no
ConditionPathExists={device}/state.json
RequiresMountsFor={device}
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} device {device} boot

[Install]
WantedBy=sysinit.target
"""

FINALIZE_UNIT = """\
[Unit]
Description=Finalization of a staged bootc deployment (simulated)
ConditionPathExists={device}/state.json
RequiresMountsFor={device}
After=bootc-simulator-boot.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={program} device {device} finalize
TimeoutStopSec=5m

[Install]
WantedBy=multi-user.target
"""

FAILING_UNIT = """\
[Unit]
Description={description}

[Service]
Type=oneshot
ExecStart=/bin/false
"""


def current_boot_id() -> str:
    """The boot id processes on this machine see."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def start_boot(device: Device) -> int:
    """At boot: what was finalised becomes the booted deployment, and this boot gets an id of its own."""
    kernel_id = current_boot_id()
    state = device.load()
    boot_id = kernel_id
    if kernel_id in (state.boot.kernel_id, state.boot.id):
        # Containers share the kernel of their host, whose boot id does not change when a container starts again.
        own = new_boot_id()
        boot_id = own if _mounted_over(BOOT_ID, own, "this boot keeps the boot id of the one before") else kernel_id

    def change(fresh: State) -> State:
        started = boot.start(fresh, time.time(), boot_id, kernel_id)
        return replace(started, boot=replace(started.boot, up_at=started.boot.started, settled=True))

    device.run_file.unlink(missing_ok=True)
    drop_drafts(device)
    state = device.update(change)
    show_command_line(state)
    fail_units(state)
    return 0


def _mounted_over(path: Path, text: str, what: str) -> bool:
    """Show ``text`` at ``path``, which is the kernel's; False, with a message, when this machine does not allow it."""
    own = RUN / path.name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f"{text}\n", encoding="ascii")
    done = subprocess.run(["mount", "--bind", str(own), str(path)], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"{what}: {done.stderr.strip()}; run the container with --cap-add SYS_ADMIN\n")
    return done.returncode == 0


def show_command_line(state: State) -> None:
    """On composefs the kernel command line says what is booted: show one that does."""
    if state.composefs and state.booted is not None:
        _mounted_over(COMMAND_LINE, command_line(state), "the kernel command line does not name the deployment")


def fail_units(state: State) -> None:
    """Have systemd know the units that fail in this boot, as a health check asks systemd itself."""
    units = failed_units(state)
    for name, description in units.items():
        path = Path("/run/systemd/system") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAILING_UNIT.format(description=description), encoding="utf-8")
    if units:
        subprocess.run(["systemctl", "daemon-reload"], check=False)
        subprocess.run(["systemctl", "start", "--no-block", *units], check=False)


def begin_watching() -> None:
    """Have the shutdown finalise, also for a device made after the units were looked at."""
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "daemon-reload"], check=False)
        subprocess.run(["systemctl", "start", "bootc-finalize-staged.service"], check=False)


def install(root: Path, device_directory: str) -> int:
    """Install programs and units below ``root``; needs root's rights when that is this machine."""
    if root == Path("/") and os.geteuid() != 0:
        sys.stderr.write("error: installing into / needs root; run it with sudo or in the image build\n")
        return 1
    source = Path(__file__).resolve().parent
    package = root / PROGRAM_DIRECTORY / "simulator"
    if source != package.resolve():
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    program = (python(), "-E", "-S", f"/{PROGRAM_DIRECTORY}/simulator/__main__.py")
    _write_program(root / "usr/bin/bootc", (*program, "device", device_directory, "bootc"))
    for name in ("skopeo", "ostree"):
        if shutil.which(name, path=str(root / "usr/bin")) is None:
            _write_program(root / "usr/bin" / name, (*program, "device", device_directory, name))
    command = " ".join(shlex.quote(word) for word in program)
    units = {"bootc-simulator-boot.service": BOOT_UNIT, "bootc-finalize-staged.service": FINALIZE_UNIT}
    for name, text in units.items():
        path = root / UNIT_DIRECTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(program=command, device=device_directory), encoding="utf-8")
        target = "sysinit.target.wants" if "WantedBy=sysinit" in text else "multi-user.target.wants"
        link = root / UNIT_DIRECTORY / target / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"../{name}")
    return 0


def _write_program(path: Path, command: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexec " + " ".join(shlex.quote(word) for word in command) + ' "$@"\n', encoding="utf-8")
    path.chmod(0o755)
