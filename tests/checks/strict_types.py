# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the types of the pure packages under their real import names, strictly (see [tool.mypy] in pyproject.toml)."""

from __future__ import annotations

import subprocess
import sys

PREFIX = "ansible_collections.skorionos.bootc"


def main(packages: list[str]) -> int:
    arguments = [argument for package in packages for argument in ("-p", f"{PREFIX}.{package.replace('/', '.')}")]
    return subprocess.run([sys.executable, "-m", "mypy", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
