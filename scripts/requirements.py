# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what pyproject.toml requires for a purpose, one requirement a line: ``run``, or ``test`` which includes it."""

from __future__ import annotations

import sys
from pathlib import Path

import tomllib


def main(purpose: str) -> None:
    pyproject = Path(__file__).resolve().parents[1] / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extra = [] if purpose == "run" else project["optional-dependencies"][purpose]
    print("\n".join([*project["dependencies"], *extra]))


if __name__ == "__main__":
    main(sys.argv[1])
