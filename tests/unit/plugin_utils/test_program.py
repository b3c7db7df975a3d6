# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own programs on the controller."""

from __future__ import annotations

from ansible_collections.skorionos.bootc.plugins.plugin_utils._program import Ended, run_program


def test_a_program_that_does_not_read_its_input_is_as_good_as_one_that_does() -> None:
    much = "x" * 1_000_000
    assert run_program(["true"], much, 20) == Ended(0, "")
    assert run_program(["/bin/sh", "-c", "wc -c"], much, 20).output.strip() == "1000000"


def test_one_without_an_exit_code_says_why() -> None:
    assert run_program(["/nowhere/program"], "", 20).code is None
    late = run_program(["/bin/sh", "-c", "echo begun; sleep 60"], "", 0.5)
    assert late.code is None
    assert late.output.startswith("no answer within 0.5 seconds. begun")
