# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the script that installs pip into an empty virtual environment: installs the pip wheel lying beside it.

ansible-test runs it with pip's own options, the versions wanted, and two switches that only the original knows.
"""

from __future__ import annotations

import sys
from pathlib import Path

(WHEEL,) = Path(__file__).resolve().parent.glob("pip-*.whl")
sys.path.insert(0, str(WHEEL))

from pip._internal.cli.main import main  # noqa: E402 - importable only from the wheel

switches = [
    option for option in sys.argv[1:] if option.startswith("-") and option not in {"--no-setuptools", "--no-wheel"}
]
sys.exit(main(["install", *switches, str(WHEEL)]))
