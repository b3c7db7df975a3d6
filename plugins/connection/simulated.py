# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to a simulated device: a directory that `python3 simulator` keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: simulated
short_description: Run tasks on a simulated bootc device
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Talks to a device that exists only as a directory, kept by the simulator that this collection ships.
  - Commands run on the controller, as the user that runs Ansible, with the device's own C(bootc) and C(systemctl) in
    front of C(PATH) and the environment variable E(BOOTC_DEVICE_ROOT) pointing to the device's files. It is a
    rehearsal, not a sandbox.
  - A device that is switched off, asleep or booting is unreachable, as it would be over the network.
options:
  device:
    description: Directory of the device, as given to C(python3 simulator device DIR create).
    type: path
    required: true
    vars:
      - name: bootc_simulated_dir
  simulator:
    description: The simulator to run. Found beside this collection's plugins when not given.
    type: path
    vars:
      - name: bootc_simulator
    env:
      - name: BOOTC_SIMULATOR
  pipelining:
    description: Send modules through standard input instead of copying them first.
    type: bool
    default: true
    vars:
      - name: ansible_pipelining
  python:
    description: Python interpreter that runs the simulator. The one that runs Ansible when not given.
    type: path
    vars:
      - name: bootc_simulator_python
"""

EXAMPLES = r"""
# In an inventory:
all:
  hosts:
    deck-01:
      ansible_connection: skorionos.bootc.simulated
      bootc_simulated_dir: devices/deck-01
      bootc_variant: kde
"""

import shutil
import subprocess
import sys
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase

_UNREACHABLE = 255
"""Exit status by which the simulator says that nobody answered; that of ssh."""


class Connection(ConnectionBase):
    """Every command is one run of ``simulator device DIR exec``."""

    transport = "skorionos.bootc.simulated"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def set_become_plugin(self, plugin: object) -> None:
        """Ignore it: commands run as the device's root already, and sudo would take them out to the controller."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command on the device; returns exit status, stdout and stderr."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._run(["/bin/sh", "-c", cmd], in_data)
        if done.returncode == _UNREACHABLE:
            raise AnsibleConnectionFailure(done.stderr.decode(errors="replace").strip() or "the device does not answer")
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file to the device, which shares the controller's file system."""
        super().put_file(in_path, out_path)
        self._copy(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file from the device, which shares the controller's file system."""
        super().fetch_file(in_path, out_path)
        self._copy(in_path, out_path)

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False

    def reset(self) -> None:
        """Every command connects anew."""

    def _copy(self, source: str, destination: str) -> None:
        self.exec_command("true")
        if not Path(source).exists():
            raise AnsibleFileNotFound(f"there is no file {source}")
        shutil.copyfile(source, destination)

    def _run(self, command: list[str], in_data: bytes | None) -> subprocess.CompletedProcess[bytes]:
        python = self.get_option("python") or sys.executable
        simulator = Path(self.get_option("simulator") or Path(__file__).resolve().parents[2] / "simulator")
        device = self.get_option("device")
        # Without site packages, and by the file rather than the folder, it starts in half the time.
        argv = [str(python), "-E", "-S", str(simulator / "__main__.py"), "device", str(device), "exec", "--", *command]
        self._display.vvv(f"EXEC {argv}", host=self._play_context.remote_addr)
        return subprocess.run(argv, input=in_data or b"", capture_output=True, check=False)
