# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: it sorts, it filters, and what a device says stays text."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.html import rollout_html

from tests.unit.report.browser import needs_browser, open_page
from tests.unit.report.rehearsals import Report

pytestmark = needs_browser

MADE = "2026-08-01T09:00:00Z"


def _hosts(dom: str) -> list[str]:
    """Hosts of the rows that are shown, from top to bottom."""
    body = dom[dom.index('<table id="devices"') :].split("</tbody>", maxsplit=1)[0]
    return re.findall(r'<tr role="row" class="g-\w+"><th [^>]*><bdi>([^<]*)', body)


def _click(header: int) -> str:
    return f"document.querySelectorAll('#devices thead button')[{header}].click();"


def test_sorting_by_name_and_back(completed: Report, tmp_path: Path) -> None:
    html = rollout_html(completed.summary, completed.events, MADE)
    names = sorted(device["host"] for device in completed.summary["devices"])
    once = open_page(html, _click(0), tmp_path).dom
    assert _hosts(once) == names
    assert re.findall(r'<th [^>]*aria-sort="(\w+)"', once) == ["ascending"]
    twice = open_page(html, _click(0) * 2, tmp_path).dom
    assert _hosts(twice) == names[::-1]
    assert re.findall(r'<th [^>]*aria-sort="(\w+)"', twice) == ["descending"]


def test_sorting_by_reboot_is_by_seconds_and_puts_the_unknown_last(completed: Report, tmp_path: Path) -> None:
    html = rollout_html(completed.summary, completed.events, MADE)
    dom = open_page(html, _click(6) * 2, tmp_path).dom
    took = {device["host"]: device["boot_seconds"] for device in completed.summary["devices"]}
    shown = [took[host] for host in _hosts(dom)]
    known = [seconds for seconds in shown if seconds is not None]
    assert 0 < len(known) < len(shown)
    assert shown == sorted(known, reverse=True) + [None] * (len(shown) - len(known))


def test_filtering_by_words_of_any_column(completed: Report, tmp_path: Path) -> None:
    act = "const box = document.getElementById('device-filter'); box.value = 'Asleep kde';"
    act += "box.dispatchEvent(new Event('input'));"
    dom = open_page(rollout_html(completed.summary, completed.events, MADE), act, tmp_path).dom
    assert _hosts(dom) == ["kde-04"]
    assert re.search(r'id="device-count"[^>]*>1 of 24<', dom)


def test_what_devices_say_does_nothing(hostile: Report, tmp_path: Path) -> None:
    act = (
        _click(0)
        + _click(7)
        + "document.title = [window.pwned, document.images.length, document.scripts.length,"
        + " getComputedStyle(document.body).display].join();"
    )
    dom = open_page(rollout_html(hostile.summary, hostile.events, MADE), act, tmp_path).dom
    assert "<title>,0,2,block</title>" in dom
    assert len(_hosts(dom)) == 7


def test_a_script_the_page_does_not_name_does_not_run(completed: Report, tmp_path: Path) -> None:
    html = rollout_html(completed.summary, completed.events, MADE)
    dom = open_page(html, "document.title = 'ran';", tmp_path, allowed=False).dom
    assert "<title>ran</title>" not in dom
    assert "24 of 24" in dom, "while the page's own does"
