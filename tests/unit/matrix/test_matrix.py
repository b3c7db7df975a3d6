# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The combinations of the device matrix, without running them."""

from __future__ import annotations

import pytest

from tests.matrix.cases import all_cases, selected_cases
from tests.matrix.model import Expected, Holding, Seen
from tests.matrix.starts import HOSTS, STARTS


@pytest.mark.parametrize("text", [*sorted({start.holding for start in STARTS}), "N<B^|AC^>(D)", "B<A!>N"])
def test_a_holding_is_written_as_it_is_read(text):
    assert str(Holding.read(text)) == text


def test_nonsense_is_no_holding():
    with pytest.raises(ValueError, match="is no holding"):
        Holding.read("A>B<C")


def test_hundreds_of_combinations_cover_every_host_and_state():
    cases = selected_cases()
    assert len(cases) >= 300
    assert len({case.device for case in all_cases()}) == len(all_cases())
    assert {case.host for case in cases} == set(HOSTS)
    assert {case.start.name for case in cases} == {start.name for start in STARTS}


def test_what_was_not_expected_differs():
    expected = Expected("ok", Holding.read("B<A>N"), changed=True)
    assert Seen("ok", Holding.read("B<A>N"), True).as_expected(expected)
    for other in (
        Seen("network", Holding.read("B<A>N"), True),
        Seen("ok", Holding.read("B<A>(N)"), True),
        Seen("ok", Holding.read("B<A>N"), False),
        Seen("ok", Holding.read("B<A>N"), True, objections=("check mode predicts B<A",)),
    ):
        assert not other.as_expected(expected)
