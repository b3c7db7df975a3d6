# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a rollout: what it says, that it is well-formed, and that nothing in it can act."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.html import rollout_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.timeline import tell

from tests.unit.report.rehearsals import PAYLOADS, Report

MADE = "2026-08-01T09:00:00Z"
VOID = {"meta", "input", "br", "link", "img", "hr", "base", "source", "embed"}
ALONE_IN_SVG = {"path", "circle", "line"}
INLINE = {"span", "b", "bdi", "code", "time", "svg", "use"}
DRAWS = {"svg", "symbol", "use", "path", "circle", "rect", "line", "text", "title"}


class Page(HTMLParser):
    """Reads a page as a browser would: its tags in balance, its attributes, its visible text, its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.text += [] if tag in INLINE else [" "]
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALONE_IN_SVG, f"<{tag}/> closes itself only in SVG"
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
        self.text += [] if tag in INLINE else [" "]

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(params=["completed", "held", "soaking", "hostile"])
def page(request: pytest.FixtureRequest) -> Page:
    report: Report = request.getfixturevalue(request.param)
    return Page(rollout_html(report.summary, report.events, MADE))


def test_the_page_needs_nothing_from_elsewhere(page: Page) -> None:
    loading = {"src", "srcset", "action", "formaction", "data", "poster", "background", "ping"}
    assert not [attribute for attribute in page.attributes if attribute[1] in loading]
    assert all(value.startswith("#i-") for _unused, name, value in page.attributes if name in ("href", "xlink:href"))
    assert not page.tags & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for _unused, name, _unused in page.attributes if name.startswith("on")]


def test_only_the_named_script_may_run(page: Page) -> None:
    (script,) = page.scripts
    named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for _unused, name, value in page.attributes if name == "content" and "default-src" in value]
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{named}'" in policy
    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script


def test_the_page_can_be_read_without_eyes_or_mouse(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    pointers = {"aria-labelledby", "aria-describedby", "for"}
    pointed = {value for _unused, name, value in page.attributes if name in pointers}
    assert pointed <= set(page.ids)
    assert ("html", "lang", "en") in page.attributes
    assert [value for tag, name, value in page.attributes if tag == "th" and name == "scope"].count("col") == 12


def test_a_completed_rollout_is_told_whole(completed: Report) -> None:
    words = Page(rollout_html(completed.summary, completed.events, MADE)).words
    assert "skorion-1.1.0 completed" in words
    assert "gnome, hyprland, kde: v1.0.0 → v1.1.0" in words
    assert "Started 2026-08-01 06:10 UTC, ended 2026-08-01" in words
    assert "Asleep: hyprland-06, kde-04" in words
    assert "gnome-03 lost" in words
    assert "24 of" not in words, "the script counts, and it did not run"
    for variant in completed.summary["variants"]:
        assert variant["digest"] in words
    assert all(device["host"] in words for device in completed.summary["devices"])
    assert "Reboot, until it answered 21 devices:" in words
    assert "Wave canary passed" in words
    assert "proven healthy on the new image" in words
    assert "Made on 2026-08-01 09:00 UTC" in words


def test_a_hold_says_why_who_and_what_to_do(held: Report) -> None:
    html = rollout_html(held.summary, held.events, MADE)
    words = Page(html).words
    assert "Held in wave canary: more devices failed than the wave may lose 3 charged, 0 allowed." in words
    assert "What to do. Read why they failed" in words
    assert "<code>supersedes: [skorion-1.2.0]</code>" in html
    assert "Devices that need a look" not in words, "they are in the box already"
    assert "going back to the previous image" in words


def test_a_wait_says_for_what_and_until_when(soaking: Report) -> None:
    words = Page(rollout_html(soaking.summary, soaking.events, MADE)).words
    assert re.search(r"Waits for the soak time to end time for trouble to show, until 2026-08-01 06:\d\d UTC", words)
    assert "Held in" not in words


def test_bars_show_the_same_numbers_as_the_words_below(completed: Report) -> None:
    html = rollout_html(completed.summary, completed.events, MADE)
    bars = re.findall(r'<div class="bar".*?</div>', html)
    assert [[int(n) for n in re.findall(r"flex-grow:(\d+)", stripe)] for stripe in bars] == [[3], [8], [10, 1], [2]]


def test_nothing_anybody_said_becomes_markup(hostile: Report) -> None:
    html = rollout_html(hostile.summary, hostile.events, MADE)
    page = Page(html)
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "script"),
        *("h1", "h2", "h3", "p", "span", "b", "bdi", "code", "ul", "ol", "li", "dl", "dt", "dd", "div", "time", "br"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details", "summary"),
        *("label", "input"),
        *DRAWS,
    }
    assert html.count("<script") == 1
    assert html.count("</style>") == 1
    assert "<script>window.pwned=1</script>" in page.words, "shown as what it is"
    assert "{{ 7*7 }}" in page.words
    assert " 49" not in page.words
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", html) is None
    html.encode()


def test_a_hostile_remedy_or_event_is_escaped_too(held: Report) -> None:
    summary, events = copy.deepcopy(held.summary), copy.deepcopy(held.events)
    summary["hold"].update(remedy="do `<b id=x>` this", numbers=PAYLOADS[1], rule=PAYLOADS[0])
    events.append({"kind": PAYLOADS[0], "at": PAYLOADS[1], "host": PAYLOADS[5], "data": {"message": PAYLOADS[0]}})
    html = rollout_html(summary, events, PAYLOADS[1])
    page = Page(html)
    assert html.count("<script") == 1
    assert "img" not in page.tags
    assert "x" not in page.ids
    assert "<code>&lt;b id=x&gt;</code>" in html


def test_a_summary_read_back_from_json_with_odd_values_still_renders(completed: Report) -> None:
    summary = copy.deepcopy(completed.summary)
    summary["devices"][0].update(state="of_a_later_version", booted_digest=None, boot_seconds=[])
    words = Page(rollout_html(summary, [{"kind": "renamed", "at": MADE, "host": "kde-01"}], MADE)).words
    assert "of a later version" in words
    assert "kde-01 renamed" in words


def test_the_story_puts_together_what_happens_in_one_minute(held: Report) -> None:
    story = tell(held.summary, held.events)
    assert [entry.what for entry in story[:2]] == ["Rollout started", "Wave canary opened"]
    going_back = [entry for entry in story if entry.what == "going back to the previous image"]
    assert sorted(host for entry in going_back for host in entry.hosts) == sorted(held.summary["hold"]["devices"])
    assert story[-1].what == "Held in wave canary"
    assert story[-1].detail == "more devices failed than the wave may lose (3 charged, 0 allowed)"


def test_the_story_keeps_its_order_across_waves() -> None:
    events = [
        {"kind": "staging", "at": "2026-08-01T06:10:01Z", "host": "a"},
        {"kind": "wave_passed", "at": "2026-08-01T06:10:02Z", "wave": 0},
        {"kind": "staging", "at": "2026-08-01T06:10:03Z", "host": "b"},
        {"kind": "staging", "at": "2026-08-01T06:10:04Z", "host": "c"},
        {"kind": "staging", "at": "2026-08-01T06:11:00Z", "host": "d"},
    ]
    story = tell({"started_at": "2026-08-01T06:10:00Z", "waves": [{"name": "one"}]}, events)
    assert [entry.hosts for entry in story] == [(), ("a",), (), ("b", "c"), ("d",)]


def test_the_story_keeps_the_order_of_what_happens_to_one_device_within_a_minute() -> None:
    told = [
        *(("succeeded", "a"), ("staging", "b"), ("staging", "c"), ("succeeded", "b")),
        *(("succeeded", "b"), ("succeeded", "c"), ("succeeded", "d")),
    ]
    events = [{"kind": kind, "at": f"2026-08-01T06:10:0{at}Z", "host": host} for at, (kind, host) in enumerate(told, 1)]
    story = tell({"started_at": "2026-08-01T06:10:00Z", "waves": []}, events)
    assert [(entry.at[-3:-1], entry.what, entry.hosts) for entry in story[1:]] == [
        ("01", "proven healthy on the new image", ("a",)),
        ("02", "began to download the new image", ("b", "c")),
        ("04", "proven healthy on the new image", ("b", "c", "d")),
    ]


def test_thousands_of_devices_make_a_page_without_growing_out_of_bounds(completed: Report) -> None:
    copies = [{**d, "host": f"{d['host']}-{at}"} for at in range(200) for d in completed.summary["devices"]]
    events = [{**e, "host": f"{e['host']}-{at}"} for at in range(200) for e in completed.events if "host" in e]
    started = time.monotonic()
    html = rollout_html({**completed.summary, "devices": copies}, events, MADE)
    assert html.count('<tr role="row" class="g-') == 4800
    # Some seconds on a quiet machine; what grows with the square of the fleet takes many minutes on any.
    assert time.monotonic() - started < 240
