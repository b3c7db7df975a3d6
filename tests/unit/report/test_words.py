# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and units of reports, and what untrusted text may become."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.charts import histogram, median
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.words import (
    GROUP_OF,
    GROUPS,
    STATES,
    moment,
    number,
    plain,
    short,
    size,
    span,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import some
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("unfinished \x1b]0;the rest must stay", "unfinished 0;the rest must stay"),
        ("two\r\nlines\tand  blanks", "two lines and blanks"),
        ("\u202eesrever\u2066\u200b", "esrever"),
        ("nul\x00 bell\x07", "nul bell"),
        ("lone \udce9", "lone \ufffd"),
        ("Zürich 東京", "Zürich 東京"),
        (None, "None"),
    ],
)
def test_plain_keeps_words_and_drops_what_acts(raw: object, shown: str) -> None:
    assert plain(raw) == shown


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b[]\x9b\x9d;m\x07\\\u202e"))))
def test_plain_is_one_printable_line_whatever_comes(raw: str) -> None:
    text = plain(raw)
    assert not [c for c in text if unicodedata.category(c).startswith("C") or unicodedata.category(c) in ("Zl", "Zp")]
    assert plain(text) == text
    text.encode()


def test_every_device_state_has_a_word_and_a_group() -> None:
    states = {state.value for state in DeviceState}
    assert set(STATES) == states
    assert set(GROUP_OF) == states
    assert set(GROUP_OF.values()) == set(GROUPS)


@pytest.mark.parametrize(
    ("bytes_", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_600, "1.0 MB"),
        (310e6, "310 MB"),
        (6.64e9, "6.6 GB"),
        (2.1e12, "2.1 TB"),
    ],
)
def test_sizes_are_in_powers_of_1000(bytes_: float, shown: str) -> None:
    assert size(bytes_) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (4.24, "4.2 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_numbers_of_devices_are_not_trusted() -> None:
    assert [number(value) for value in (3, 2.5)] == [3, 2.5]
    untrue = (True, "3", None, -1, float("nan"), float("inf"), 10**400)
    assert [number(value) for value in untrue] == [None] * len(untrue)


def test_what_is_not_a_time_is_shown_as_they_came() -> None:
    assert moment("2026-08-01T04:10:59.123Z") == "2026-08-01 04:10 UTC"
    assert moment("2026-08-01T06:10:00+02:00") == "2026-08-01 04:10 UTC"
    assert moment("tomorrow") == "tomorrow"
    assert moment(None) == ""


def test_names_and_digests_are_shortened() -> None:
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert some(["a", "b"], 2) == "a, b"
    assert short("sha256:0123456789abcdef") == "0123456789ab"
    assert short(None) == ""


@given(st.lists(st.floats(min_value=0, max_value=1e13), min_size=5))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    chart = histogram(sorted(values), size)
    if chart is not None:
        assert sum(stripe.count for stripe in chart.bars) == len(values)
        assert len(chart.bars) <= 13
        assert all(0 <= stripe.y <= chart.height and 0 <= stripe.x <= chart.width for stripe in chart.bars)


def test_no_histogram_of_what_has_no_shape() -> None:
    assert histogram([1.0, 2.0], size) is None
    assert histogram([3.0] * 9, size) is None
    assert histogram([3.00e9, 3.01e9, 3.02e9, 3.03e9, 3.04e9, 3.05e9], size) is None, "bars of one name"
    assert median([1, 2, 4]) == 2
    assert median([1, 2, 4, 8]) == 3
