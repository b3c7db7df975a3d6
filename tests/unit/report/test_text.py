# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for the terminal."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.text import fleet_text, rollout_text

from tests.unit.report.rehearsals import Report, digest


def _row(text: str, first: str) -> list[str]:
    """Cells of the table line that begins with ``first``."""
    line = next(line for line in text.splitlines() if line.split()[:1] == [first])
    return re.split(r" {2,}", line.strip())


def test_a_completed_rollout_says_where_everybody_is(completed: Report) -> None:
    text = rollout_text(completed.summary)
    assert text.startswith("Rollout skorion-1.1.0: completed\n")
    assert "v1.0.0 → v1.1.0" in text
    assert _row(text, "wave")[1:] == ["devices", "updated", "rolled back", "asleep", "failed"]
    assert _row(text, "canary") == ["canary", "passed", "3", "3", "0", "0", "0"]
    assert _row(text, "total") == ["total", "24", "21", "0", "2", "1"]
    assert "Done on 2026-08-01" in text
    assert "Asleep: hyprland-06, kde-04." in text
    assert _row(text, "gnome-03")[:2] == ["gnome-03", "lost"]
    assert "Warnings" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_hold_says_why_who_and_what_to_do(held: Report) -> None:
    text = rollout_text(held.summary)
    assert "Rollout skorion-1.2.0: held" in text
    assert "Held in wave canary: more devices failed than the wave may lose (3 charged, 0 allowed)." in text
    for host in held.summary["hold"]["devices"]:
        assert text.count(host) == 1, "a device of the hold is named once"
    assert "sddm.service failed" in text
    assert "What to do: Read why they failed" in text
    assert "supersedes: [skorion-1.2.0]" in text
    assert _row(text, "total") == ["total", "24", "0", "3", "0", "0", "21"]
    assert "waiting" in text


def test_a_running_rollout_says_what_it_waits_for_and_until_when(soaking: Report) -> None:
    text = rollout_text(soaking.summary)
    assert re.search(r"Waits for the soak time to end: .*, until 2026-08-01 06:\d\d UTC\.", text)


def test_a_rollout_that_waits_for_an_approval_says_how_to_give_it(soaking: Report) -> None:
    assert "Approve" not in rollout_text(soaking.summary)
    wait = {"rule": "approval", "why": "wave canary has to be approved to pass", "until": None}
    text = rollout_text({**soaking.summary, "wait": wait})
    assert "Waits for somebody's approval: wave canary has to be approved to pass.\nApprove with:\n" in text
    assert f" -e bootc_rollout_plan_hash={soaking.summary['plan_hash'][:12]} -e bootc_rollout_wave=canary " in text


def test_devices_that_wait_for_a_better_time_are_counted_and_nothing_to_look_at(soaking: Report) -> None:
    summary = copy.deepcopy(soaking.summary)
    put_off = summary["devices"][:5]
    for number, device in enumerate(put_off[:3]):
        until = None if number else "2026-08-02T03:00:00.000Z"
        device.update(state="deferred", reason="window", message="outside its windows", until=until)
    for device in put_off[3:]:
        device.update(state="deferred", reason="inhibited", message="x", inhibitors=["game_running", "battery_low"])
    text = rollout_text(summary)
    assert "3 devices outside their windows; the next may go at 2026-08-02 03:00 UTC." in text
    assert "2 devices in use: battery low on 2, game running on 2." in text
    assert all(device["host"] not in text for device in put_off)


def test_at_most_ten_devices_are_listed(completed: Report) -> None:
    summary = copy.deepcopy(completed.summary)
    for device in summary["devices"][:13]:
        device.update(state="failed", reason="no_space", message=None)
    text = rollout_text(summary)
    assert text.count("no space") == 9, "the lost one comes first"
    assert "... and 4 more" in text


def test_warnings_are_shown(completed: Report) -> None:
    text = rollout_text({**completed.summary, "warnings": ["No host runs variant lxqt."]})
    assert text.endswith("Warnings\n  No host runs variant lxqt.")


def test_colour_is_only_added_on_request(completed: Report, held: Report) -> None:
    for report in (completed, held):
        coloured = rollout_text(report.summary, color=True)
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[\d+m", "", coloured).split() == rollout_text(report.summary).split()


def test_nothing_a_device_says_acts_on_the_terminal(hostile: Report) -> None:
    text = rollout_text(hostile.summary)
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", text) is None
    text.encode()
    assert "<script>" in text, "in a terminal it is a word like any other"


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_a_narrow_terminal_gets_no_endless_lines(held: Report, width: int) -> None:
    prose = [line for line in rollout_text(held.summary, width=width).splitlines() if "  wave" not in line]
    assert max(map(len, prose)) <= max(width, 90)


def _device(host: str, version: str, **other: Any) -> dict[str, Any]:
    slot = {"version": version, "digest": digest(version), "image": "registry.example/skorionos/kde:stable"}
    return {
        "host": host,
        "variant": "kde",
        "reachable": True,
        "is_bootc": True,
        "backend": "ostree",
        "bootc_version": "1.16.9",
        "booted": slot,
        "staged": None,
        "rollback": None,
        "reboot_required": False,
        "drifted": False,
        "seen_at": "2026-08-01T04:10:00.000Z",
        "unreachable_since": None,
        "known_bugs": [],
        "message": "",
        **other,
    }


_SILENT = {
    "reachable": False,
    "seen_at": None,
    "is_bootc": None,
    "backend": None,
    "bootc_version": None,
    "booted": None,
}


def test_a_fleet_is_counted_by_version_and_listed() -> None:
    new = {"version": "v1.1.0", "digest": digest("v1.1.0"), "image": "registry.example/skorionos/kde:stable"}
    text = fleet_text(
        [
            _device("kde-10", "v1.0.0", staged=new, reboot_required=True),
            _device("kde-02", "v1.1.0", backend="composefs", bootc_version="1.15.1"),
            _device("kde-03", "v1.1.0"),
            _device("kde-04", "", **_SILENT, message="timed out"),
            _device("nas", "", **{**_SILENT, "reachable": True, "is_bootc": False}, variant=None),
        ]
    )
    assert text.startswith("5 devices, 3 of them answered and run bootc\n")
    versions = [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.startswith("  kde ")]
    assert versions == [["kde", "v1.1.0", digest("v1.1.0")[7:19], "2"], ["kde", "v1.0.0", digest("v1.0.0")[7:19], "1"]]
    assert _row(text, "kde-10")[2:] == [
        "v1.0.0",
        digest("v1.0.0")[7:19],
        "v1.1.0",
        "ostree",
        "waits for a reboot",
    ]
    assert _row(text, "kde-04")[-1] == "did not answer: timed out"
    assert "\nDid not answer: kde-04\n" in text
    assert "\nDo not run bootc: nas\n" in text
    assert "\nWait for a reboot: kde-10\n" in text
    assert "bootc versions: 1.15.1 on 1, 1.16.9 on 2" in text


def test_who_does_not_answer_counts_with_what_it_ran_and_who_drifted_is_named() -> None:
    silent = {"reachable": False, "unreachable_since": "2026-08-02T00:00:00.000Z", "message": "timed out"}
    text = fleet_text(
        [
            _device("kde-01", "v1.1.0"),
            _device("kde-02", "v1.1.0", **silent),
            _device("kde-03", "v1.0.0", drifted=True, known_bugs=["it may hang after staging"]),
        ],
        width=160,
    )
    counted = [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.startswith("  kde ")]
    assert [line[-2:] for line in counted] == [["2", "1"], [digest("v1.0.0")[7:19], "1"]]
    assert _row(text, "kde-02")[-1] == "did not answer, seen 2026-08-01 04:10 UTC: timed out"
    assert "\nRun something else than their last rollout left them with: kde-03\n" in text
    assert "bootc 1.16.9: it may hang after staging." in text


def test_wide_characters_keep_the_columns_aligned() -> None:
    text = fleet_text([_device("東京-01", "v1"), _device("kde-0123", "v1")])
    tokyo, plain = (next(line for line in text.splitlines() if host in line) for host in ("東京-01", "kde-0123"))
    assert plain.index("kde ", 8) - tokyo.index("kde ") == 2, "two characters took four cells"


def test_a_hostile_fleet_prints_as_plain_text() -> None:
    row = _device("\x1b[2Jkde\n01", "v1\x9b31m\u202e", message="\x1b]0;x\x07" + "m" * 500, variant="k\x1b[0mde")
    text = fleet_text([row], width=100)
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text) is None
    assert max(map(len, text.splitlines())) <= 100


def test_an_empty_fleet_is_said_to_be_empty() -> None:
    assert fleet_text([]) == "No devices."
