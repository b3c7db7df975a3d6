# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two releases is the older for sure."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.versions import is_older_release

ORDER = ["1.0.0-alpha", "1.0.0-beta.2", "1.0-rc1", "1.0.0-rc2", "1.0", "1.0.1", "1.9", "v1.10.0", "2.0"]


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_releases_come_one_after_the_other(place: int) -> None:
    assert [is_older_release(ORDER[place], other) for other in ORDER] == [at > place for at in range(len(ORDER))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1.0.0"),
        ("1.0.0", "44.20260901"),
        ("1.0.0", "2026.11.1"),
        ("2026.11.1", "44.0"),
        ("20261101", "20261102"),
        ("3f2a1bc", "9c0ffee"),
        ("1.0.0", "nightly"),
        ("1.0.0", "1.0.0-dirty"),
        ("1." + "9" * 5000, "2.0"),
    ],
)
def test_of_others_nobody_can_tell(one: str, other: str) -> None:
    assert not is_older_release(one, other)
    assert not is_older_release(other, one)


def test_dates_with_dots_are_compared_with_each_other() -> None:
    assert is_older_release("2026.11.1", "2026.11.2")
    assert is_older_release("44.20260901", "44.20261001")
