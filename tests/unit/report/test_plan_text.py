# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for people who review it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.plan_text import full_plan_text, plan_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.forecast import (
    Action,
    Assumptions,
    Latecomer,
    Need,
    Tempo,
    WaveInput,
    forecast,
    plan_document,
)

from tests.fleet_model import plan_for, small_spec

GB = 10**9


def document(
    needs: dict[str, Need] | None = None,
    phase: str | None = None,
    size: int = 40,
    joining: Sequence[Latecomer] = (),
    **spec: Any,
) -> Any:
    """The plan of ``size`` devices that fetch 1 GB each, apart from those in ``needs``."""
    changes = {"waves": [{"name": "canary", "count": 1, "soak": "2h"}], "verify": {"settle": "2m"}, **spec}
    plan = plan_for(small_spec(**changes), [(f"kde-{number:02}", "kde") for number in range(1, size + 1)])
    waves = [
        WaveInput(
            wave.name,
            wave.rules.soak,
            Tempo(10, 1, 10),
            [(needs or {}).get(host) or need(host, site=None) for host in hosts],
            wave.rules.approve,
        )
        for wave, hosts in zip(plan.waves, plan.hosts, strict=True)
    ]
    taken = Assumptions(rate=6_250_000, reboot=120, settle=120)
    return plan_document(plan, forecast(waves, taken), phase, ["The registry is slow."], joining)


def need(host: str, action: Action = Action.UPDATE, **changes: Any) -> Need:
    return Need(host, "kde", action, {"layer": GB} if action is Action.UPDATE else {}, **changes)


def row(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.split()[:1] == [first])
    return re.split(r" {2,}", line.strip())


def test_waves_say_whom_they_take_what_they_cost_and_what_hash_to_approve() -> None:
    told = document()
    text = plan_text(told)
    assert text.startswith("Plan of the rollout r1\nkde: registry.example/os@aaaaaaaaaaaa\n")
    assert row(text, "wave")[1:] == ["devices", "to update", "download", "takes", "soak"]
    assert row(text, "canary") == ["canary", "1", "1", "1.0 GB", "7 min", "2 h"]
    assert row(text, "total") == ["total", "40", "40", "40 GB", "34 min", "2 h"]
    assert "About 2 h 34 min in all" in text
    assert "50 Mbit/s for each device" in text
    assert f"Plan hash: {told['plan_hash']}" in text
    assert "The registry is slow." in text
    assert "upper bounds" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_many_hosts_are_named_in_part_on_the_terminal_and_all_in_the_file() -> None:
    told = document()
    assert "and 19 more" in plan_text(told)
    text = full_plan_text(told)
    assert "more" not in text
    for number in range(1, 41):
        assert text.count(f"kde-{number:02}") == 2, "in its wave, and on a line of its own"


def test_who_cannot_be_asked_or_updated_is_told_once_for_all_of_them() -> None:
    asleep = {"exact": False, "reason": "unreachable", "message": "no route"}
    needs = {f"kde-{number:02}": need(f"kde-{number:02}", **asleep) for number in (1, 2)}
    needs["kde-03"] = need("kde-03", Action.REFUSED, reason="not_bootc", message="It is not booted by bootc.")
    needs["kde-04"] = need("kde-04", Action.CURRENT)
    needs["kde-05"] = need("kde-05", Action.DECIDED, reason="rolled_back")
    needs["kde-06"] = need("kde-06", notes=("It follows another.",))
    text = plan_text(document(needs, "held"))
    assert "Plan of the rollout r1 (held)" in text
    assert re.search(r"  kde-0[12], kde-0[12]: did not answer \(no route\); the whole image is counted\n", text)
    assert "  kde-03: not bootc: It is not booted by bootc.\n" in text
    assert "  kde-04: runs the image already" in text
    assert "  kde-05: has its verdict in this rollout: rolled back\n" in text
    assert "  kde-06: It follows another.\n" in text
    assert row(text, "total")[1:4] == ["40", "37", "≤ 37 GB"]


def test_waves_that_wait_for_approval_are_named_with_the_command() -> None:
    assert "approval" not in plan_text(document())
    told = document(waves=[{"name": "canary", "count": 1, "approve": "after"}])
    text = plan_text(told)
    assert "Waits for approval after canary. Approve with:\n" in text
    given = (
        f" -e bootc_rollout_spec=FILE -e bootc_rollout_plan_hash={told['plan_hash'][:12]} -e bootc_rollout_wave=canary"
    )
    assert f"{given} -e \"bootc_rollout_why='...'\"\n" in text


def test_every_approval_has_its_own_command() -> None:
    waves = [{"name": "canary", "count": 1, "approve": "after"}, {"name": "all", "percent": 100, "approve": "before"}]
    text = plan_text(document(waves=waves))
    assert "Waits for approval after canary, before all. Approve each with:\n" in text
    assert [line.split(" -e ")[4] for line in text.splitlines() if "bootc_rollout_verb=approve" in line] == [
        "bootc_rollout_wave=canary",
        "bootc_rollout_wave=all",
    ]


def test_those_who_came_after_the_plan_are_told_apart_and_counted_in_no_sum() -> None:
    plan = document()
    assert "Came after the plan was made" not in plan_text(plan)
    joining = [
        Latecomer(need("new-1"), None, on_record=False),
        Latecomer(need("new-2"), None, on_record=False),
        Latecomer(need("new-3", exact=False, reason="unreachable", message="no route"), "rest", on_record=False),
        Latecomer(need("old-1", Action.DECIDED, reason="succeeded"), None, on_record=True),
    ]
    told = document(phase="running", joining=joining)
    assert (told["plan_hash"], told["totals"]) == (plan["plan_hash"], plan["totals"])
    text = plan_text(told)
    expected = """Came after the plan was made
  new-1, new-2: would join to catch up when all waves passed
  new-3: would join wave rest
  old-1: joined to catch up when all waves passed
  ≤ 3.0 GB to download, which no figure above counts
"""
    assert expected in text
    assert "  new-3: did not answer (no route); the whole image is counted\n" in text
    assert row(full_plan_text(told), "new-1")[:3] == ["new-1", "catch-up", "kde"]
    assert row(full_plan_text(told), "new-3")[:3] == ["new-3", "rest", "kde"]


def test_caches_have_a_column_where_there_are_sites() -> None:
    needs = {f"kde-{number:02}": need(f"kde-{number:02}", site="attic") for number in range(1, 40)}
    text = plan_text(document(needs))
    assert row(text, "wave")[4] == "with site caches"
    assert row(text, "total")[3:5] == ["40 GB", "2.0 GB"]


@pytest.mark.parametrize("shown", [plan_text, full_plan_text])
def test_nothing_that_a_device_says_reaches_the_terminal_as_it_is(shown: Any) -> None:
    evil = "\x1b[2J\u202eevil\nPlan hash: 0"
    needs = {
        "kde-01": need("kde-01", Action.REFUSED, reason=evil, message=evil),
        "kde-02": need("kde-02", exact=False, reason=evil, message=evil, notes=(evil,), site=evil),
    }
    text = shown(document(needs))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(re.findall(r"^Plan hash:", text, re.MULTILINE)) == 1


def test_braces_of_a_device_are_no_template() -> None:
    needs = {"kde-01": need("kde-01", Action.REFUSED, reason="not_bootc", message="{{ 7 * 7 }} {x}")}
    assert "{{ 7 * 7 }} {x}" in plan_text(document(needs))
