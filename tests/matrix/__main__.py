# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.matrix``: try every combination and print what was expected and what was seen."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.simulated_fleet import registry

from .bench import Bench, Releases, catalogue
from .cases import all_cases, selected_cases
from .model import Case, Seen
from .play import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only combinations whose name has this in it")
    parser.add_argument("--all", action="store_true", help="every combination, also those that repeat others' paths")
    parser.add_argument("--list", action="store_true", help="list the combinations and stop")
    parser.add_argument("--differing", action="store_true", help="print only what was not as expected")
    options = parser.parse_args()
    cases = [case for case in (all_cases() if options.all else selected_cases()) if options.only in case.name]
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    if not cases:
        parser.error(f"no combination has {options.only!r} in its name")
    with tempfile.TemporaryDirectory(prefix="bootc-matrix-") as directory:
        root = Path(directory)
        described = root / "catalogue.json"
        described.write_text(json.dumps(catalogue()), encoding="utf-8")
        with registry(root, described) as address:
            bench = Bench(root, Releases.of(address))
            workers = max(2, os.cpu_count() or 2)
            bench.make(cases, workers)
            seen = run(bench, cases, forks=2 * workers)
    return report(cases, seen, only_differing=options.differing)


def report(cases: Sequence[Case], seen: dict[str, Seen], *, only_differing: bool) -> int:
    """Print the table and the count; 1 when anything was not as expected."""
    rows = [("host", "starts as", "operation", "expected", "seen", "")]
    differing = []
    for case in cases:
        found = seen[case.device]
        fits = found.as_expected(case.expected)
        if not fits:
            differing.append((case, found))
        if fits and only_differing:
            continue
        expected = case.expected
        rows.append(
            (
                case.host.name,
                f"{case.start.name} {case.start.holding}",
                case.operation.name,
                _words(expected.outcome, str(expected.holding), expected.changed),
                _words(found.outcome, str(found.holding), found.changed),
                "" if fits else "DIFFERS",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for case, found in differing:
        print(f"\n{case.name}: {'; '.join(found.objections) or 'not as expected'}\n  {found.detail}")
    print(f"\n{len(cases)} combinations, {len(cases) - len(differing)} as expected")
    return 1 if differing else 0


def _words(outcome: str, holding: str, changed: bool) -> str:
    return f"{outcome} {holding}{' changed' if changed else ''}"


if __name__ == "__main__":
    sys.exit(main())
