# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use what runs on devices with the oldest Python of this machine that a device may have.

Every module of the device's packages is imported, with nothing but the standard library. Then the simulator makes,
updates and reboots a device, and the collection's client reads its state on it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEVICE_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
MODULE_UTILS = REPOSITORY / "plugins" / "module_utils"
DEVICE_CODE = ("_errors.py", "_bootc/**/*.py", "_device/**/*.py", "_trust/**/*.py", "_process.py")

sys.path.insert(0, str(REPOSITORY))

from tests.simulated_fleet import SIMULATOR, registry  # noqa: E402 - the repository is no installed package

ON_THE_DEVICE = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
base = "ansible_collections.skorionos.bootc.plugins.module_utils."
for name in sys.argv[2:]:
    importlib.import_module(base + name)
assert "ansible" not in sys.modules, "code for devices imports ansible"
status = importlib.import_module(base + "_bootc.client").Client().status(30)
assert (status.booted.version, status.rollback.version, status.next_boot) == ("1.1.0", "1.0.0", "booted"), status
print("Python", sys.version.split()[0], status.backend, status.bootc_version)
"""


def oldest() -> str:
    """The oldest interpreter that runs; a name on the PATH may be a launcher with nothing behind it."""
    for version in DEVICE_PYTHONS:
        python = shutil.which(f"python{version}")
        if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return sys.executable


def main() -> int:
    python = oldest()
    paths = [path for pattern in DEVICE_CODE for path in sorted(MODULE_UTILS.glob(pattern))]
    modules = [path.relative_to(MODULE_UTILS).with_suffix("") for path in paths if path.stem != "__init__"]
    names = [".".join(module.parts) for module in modules]
    collections = str(REPOSITORY / ".venv" / "collections")
    with tempfile.TemporaryDirectory(prefix="bootc-python-") as directory, registry(Path(directory)) as address:
        for arguments in (["--backend", "ostree"], ["--backend", "composefs"]):
            device = [python, str(SIMULATOR), "device", str(Path(directory, arguments[-1]))]
            image = f"{address}/skorionos/kde"
            for step in (
                ["create", "--image", f"{image}:v1.0.0", "--boot-seconds", "0", *arguments],
                ["bootc", "switch", f"{image}:v1.1.0"],
                ["reboot"],
                ["exec", "--", python, "-S", "-c", ON_THE_DEVICE, collections, *names],
            ):
                done = subprocess.run([*device, *step], check=False)
                if done.returncode:
                    print(f"exit code {done.returncode}: {python} simulator device {' '.join(step[:3])} ...")
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
