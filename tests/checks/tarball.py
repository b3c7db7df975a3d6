# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the collection as README.md says, and again as the guide on upgrading does, and run the demonstration.

Nothing of the checkout takes part in the last step: directory and home are empty, and no configuration is read. It is
done with the oldest ansible-core that pyproject.toml allows, where the Python of this environment can run that; all
other checks use the newest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.guides import installation

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = (
    "MANIFEST.json",
    "README.md",
    "CHANGELOG.md",
    "LICENSES/GPL-3.0-or-later.txt",
    "meta/runtime.yml",
    "meta/execution-environment.yml",
    "meta/ee-requirements.txt",
    "inventory/simulated.yml",
    "playbooks/demo.yml",
    "playbooks/rollout.yml",
    "plugins/modules/bootc_status.py",
    "simulator/__main__.py",
)
NEWEST_PYTHON_OF_OLDEST_CORE = (3, 14)
NOT_SHIPPED = (".git", ".ci", ".venv", ".ansible", "tests", "molecule", "rollouts", "releases")


def run(*command: str, cwd: Path, **environment: str) -> None:
    print("+", " ".join(command), flush=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    subprocess.run(command, cwd=cwd, env={**kept, **environment}, check=True)


def oldest_core() -> str:
    """The lower bound of the dependency on ansible-core."""
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (bound,) = re.findall(r'"ansible-core>=([0-9.]+)', project)
    return str(bound)


def user_environment(root: Path) -> str:
    """A virtual environment with nothing but what a user installs; returns its folder of programs."""
    place = root / "venv"
    venv.create(place, with_pip=True)
    core = f"ansible-core=={oldest_core()}.*" if sys.version_info < NEWEST_PYTHON_OF_OLDEST_CORE else "ansible-core"
    command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", core, "requests", "jsonschema"]
    print("+", " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    return str(place / "bin")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bootc-tarball-") as directory:
        root = Path(directory).resolve()
        home, work = root / "home", root / "work"
        for path in (home, work):
            path.mkdir()
        programs = os.pathsep.join([user_environment(root), os.environ.get("PATH", os.defpath)])
        common = {"HOME": str(home), "PATH": programs}
        run("ansible", "--version", cwd=work, **common)
        run("bash", "-exc", "\n".join(installation(REPOSITORY / "README.md")), cwd=REPOSITORY, **common)
        (tarball,) = home.glob("skorionos-bootc-*.tar.gz")
        print(f"{tarball.name}: {tarball.stat().st_size} bytes", flush=True)
        run("bash", "-exc", "\n".join(installation(REPOSITORY / "docs" / "upgrading.md")), cwd=home, **common)
        installed = home / ".ansible" / "collections" / "ansible_collections" / "skorionos" / "bootc"
        problems = [f"{name} is not in the tarball" for name in SHIPPED if not (installed / name).is_file()]
        problems += [f"{name} must not be in the tarball" for name in NOT_SHIPPED if (installed / name).exists()]
        if problems:
            print("\n".join(problems))
            return 1
        inventory = work / "fleet.yml"
        shipped = installed / "inventory" / "simulated.yml"
        # Of each kind of device four at most: what is proved here is that everything is there, not how it scales.
        inventory.write_text(re.sub(r"count: [5-9]", "count: 4", shipped.read_text(encoding="utf-8")), encoding="utf-8")
        run("ansible-playbook", "-i", str(inventory), "skorionos.bootc.demo", cwd=work, **common)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"exit code {error.returncode}: {' '.join(error.cmd)}")
        sys.exit(1)
