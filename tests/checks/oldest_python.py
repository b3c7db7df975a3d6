# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use what runs on devices with the oldest Python of this machine that a device may have.

Every module of the device's packages is imported, with nothing but the standard library. Then the simulator makes,
updates and reboots a device, and the collection's client reads its state on it, and so do modules in the way that
rollouts run them: whose Python is not the controller's, so that they are compiled on the device.
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
DEVICE_CODE = (
    "_errors.py",
    "_bootc/**/*.py",
    "_device/**/*.py",
    "_device_modules/*.py",
    "_direct.py",
    "_trust/**/*.py",
    "_process.py",
)
COLLECTIONS = REPOSITORY / ".venv" / "collections"

sys.path[:0] = [str(REPOSITORY), str(COLLECTIONS)]

from ansible_collections.skorionos.bootc.plugins.plugin_utils import _direct_program as direct  # noqa: E402

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
    with tempfile.TemporaryDirectory(prefix="bootc-python-") as directory, registry(Path(directory)) as address:
        for arguments in (["--backend", "ostree"], ["--backend", "composefs"]):
            device = [python, str(SIMULATOR), "device", str(Path(directory, arguments[-1]))]
            image = f"{address}/skorionos/kde"
            for step in (
                ["create", "--image", f"{image}:v1.0.0", "--boot-seconds", "0", *arguments],
                ["bootc", "switch", f"{image}:v1.1.0"],
                ["reboot"],
                ["exec", "--", python, "-S", "-c", ON_THE_DEVICE, str(COLLECTIONS), *names],
            ):
                done = subprocess.run([*device, *step], check=False)
                if done.returncode:
                    print(f"exit code {done.returncode}: {python} simulator device {' '.join(step[:3])} ...")
                    return 1
            for module in ("bootc_status", "device_health"):
                if not runs_directly(module, device, python, Path(directory)):
                    return 1
    return 0


def runs_directly(module: str, device: list[str], python: str, folder: Path) -> bool:
    """Whether a module does its work on the device without Ansible; says what is wrong where it does not."""
    mark = "oldest-python:"
    done = subprocess.run(
        [*device, "exec", "--", "/bin/sh", "-c", direct.command(python, ())],
        input=direct.program(module, {}, mark, folder, check_mode=False, note=None),
        capture_output=True,
        check=False,
    )
    result = direct.answer(done.stdout.decode(), mark) or {}
    if not result.get("failed") and result.get("bootc", {}).get("booted", {}).get("version") == "1.1.0":
        return True
    print(f"{module} with {python}: {result}\n{done.stderr.decode()}")
    return False


if __name__ == "__main__":
    sys.exit(main())
