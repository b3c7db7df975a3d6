# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a fleet: what it counts, what its script is given, and that nothing in it can act."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import fleet_html

from tests.unit.report.fleets import GIGABYTE, NOW, history, row, rows_after, slot
from tests.unit.report.rehearsals import PAYLOADS, Report
from tests.unit.report.test_html import Page


def _data(page: Page) -> dict[str, Any]:
    """What the script has, each device by the names of its columns."""
    document: dict[str, Any] = json.loads(page.scripts[0])
    document["devices"] = [dict(zip(document["columns"], values, strict=True)) for values in document["devices"]]
    return document


@pytest.fixture(params=["completed", "held", "soaking", "hostile"])
def page(request: pytest.FixtureRequest) -> Page:
    report: Report = request.getfixturevalue(request.param)
    return Page(fleet_html(rows_after(report), history(report), NOW, {report.summary["id"]: "./r/report.html"}))


def test_the_page_needs_nothing_from_elsewhere(page: Page) -> None:
    loading = {"src", "srcset", "action", "formaction", "data", "poster", "background", "ping"}
    assert not [attribute for attribute in page.attributes if attribute[1] in loading]
    linked = {value for _unused, name, value in page.attributes if name in ("href", "xlink:href")}
    assert {value for value in linked if not value.startswith("#i-")} == {"./r/report.html"}
    assert not page.tags & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for _unused, name, _unused in page.attributes if name.startswith("on")]
    data, script = page.scripts
    named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for _unused, name, value in page.attributes if name == "content" and "default-src" in value]
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{named}'" in policy
    assert not set("<>&") & set(data)
    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script


def test_the_page_can_be_read_without_eyes_or_mouse(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    pointers = {"aria-labelledby", "aria-describedby", "for"}
    assert {value for _unused, name, value in page.attributes if name in pointers} <= set(page.ids)
    labelled = {value for tag, name, value in page.attributes if tag == "label" and name == "for"}
    controls = {"device-filter", "device-variant", "device-version", "device-group"}
    assert labelled == controls
    assert ("html", "lang", "en") in page.attributes


def test_versions_are_counted_per_variant_with_those_that_are_silent() -> None:
    rows = [row(f"kde-{at}", "kde", "v1.1.0") for at in range(6)] + [row("kde-7", "kde", "v1.0.0", silent=2)]
    rows += [row(f"gnome-{at}", "gnome", f"v0.{at}") for at in range(12)]
    words = Page(fleet_html(rows, None, NOW)).words
    assert "kde 7 devices v1.1.0 6, 86 % v1.0.0 1, 14 %; 1 silent" in words
    assert "5 others 5, 42 %" in words, "those that hardly anybody runs are put together"
    assert "Rollout" not in words.partition("Devices")[0], "without ledgers there is nothing to tell of rollouts"


@pytest.mark.parametrize(
    ("device", "group", "words"),
    [
        (row("a"), "updated", "answered"),
        (row("a", silent=9), "asleep", "silent since 2026-07-26"),
        (row("a", is_bootc=False), "left_out", "no bootc"),
        (row("a", is_bootc=False, message="no root"), "failed", "could not tell"),
        (row("a", reboot_required=True), "in_flight", "waiting for a reboot"),
        (row("a", wanted=("sha256:0",), reboot_required=True), "rolled_back", "drifted"),
    ],
)
def test_each_device_stands_somewhere(device: dict[str, Any], group: str, words: str) -> None:
    page = Page(fleet_html([device], None, NOW))
    (told,) = _data(page)["devices"]
    assert (told["group"], told["standing"]) == (group, words)
    assert _data(page)["groups"][group] in page.words, "it is counted above"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, ""),
        ({"staged": slot("kde", "v2"), "next_boot": "staged"}, "v2"),
        ({"staged": slot("kde", "v2")}, "v2, parked"),
        ({"next_boot": "rollback"}, "back to v1.0.0"),
    ],
)
def test_what_boots_next_is_said(said: dict[str, Any], words: str) -> None:
    (told,) = _data(Page(fleet_html([row("a", **said)], None, NOW)))["devices"]
    assert told["next"] == words


def test_a_hold_is_told_with_its_waves_and_its_reason(held: Report) -> None:
    words = Page(fleet_html(rows_after(held), history(held), NOW)).words
    assert "Rollout skorion-1.2.0 held gnome, hyprland, kde: v1.1.0 → v1.2.0" in words
    assert "Held in wave canary: more devices failed than the wave may lose" in words
    assert "canary open 3 devices, opened 2026-08-01 06:10 UTC" in words
    assert "Wave canary opened" in words
    assert "skorion-1.2.0 held 2026-08-01 06:10 UTC 24 0 3 0 0" in words


def test_a_soak_is_waited_for_and_what_is_over_is_the_last(soaking: Report, completed: Report) -> None:
    during = history(soaking)
    opened = during.current[0].rollout.changed_at
    words = Page(fleet_html(rows_after(soaking), during, opened + 300)).words
    assert "Waits for the soak time to end" in words
    assert (
        "Last rollout skorion-1.1.0 completed" in Page(fleet_html(rows_after(completed), history(completed), NOW)).words
    )


def test_each_device_has_its_history_and_what_was_measured(completed: Report) -> None:
    page = Page(fleet_html(rows_after(completed), history(completed), NOW))
    document = _data(page)
    told = {device["host"]: device for device in document["devices"]}["kde-01"]
    phrases = [document["phrases"][at][0] for at in told["steps"][2::3]]
    assert phrases[-1] == "began to download the new image"
    assert "proven healthy on the new image" in phrases
    assert document["rollouts"][told["rollout"]] == "skorion-1.1.0"
    assert told["stood"] == "updated"
    assert told["boot"][0] == next(d["boot_seconds"] for d in completed.summary["devices"] if d["host"] == "kde-01")
    assert told["download"] == "at most 7.2 GB"
    for title in ("Download of the last update", "Download and staging, time", "Reboot, until it answered"):
        assert f"{title} " in page.words
    assert "22 counted with the whole image" in page.words, "two are asleep"


def test_room_and_what_is_kept_is_told() -> None:
    rows = [
        row(f"a{at}", space={"system": {"total_bytes": 64 * GIGABYTE, "free_bytes": at * GIGABYTE}}) for at in range(9)
    ]
    rows[3] = row("a3", others=[slot("kde", "v0.9.0")], pinned=["sha256:1"], space=None)
    page = Page(fleet_html(rows, None, NOW))
    assert "2 deployments 8, 89 % 3 deployments 1, 11 %" in page.words
    assert "Free space for images 8 devices: from 0 B to 8.0 GB, median" in page.words
    devices = {device["host"]: device for device in _data(page)["devices"]}
    assert devices["a5"]["free"] == [5 * GIGABYTE, "5.0 GB of 64 GB"]
    assert (devices["a3"]["kept"], devices["a3"]["pinned"], devices["a3"]["free"]) == (3, 1, None)


def test_nothing_anybody_said_becomes_markup(hostile: Report) -> None:
    nasty = " ".join(PAYLOADS)
    bad = {**slot("kde", "v1"), "version": nasty, "image": nasty}
    rows = [*rows_after(hostile), row(nasty, nasty, bootc_version=nasty, booted=bad, message=nasty)]
    html = fleet_html(rows, history(hostile), NOW)
    page = Page(html)
    assert "<script>window.pwned=1</script>" in page.words, "shown as what it is"
    assert "<script>window.pwned=1</script>" in _data(page)["devices"][0]["version"]
    assert html.count("<script") == 2
    assert html.count("</style>") == 1
    assert page.tags.isdisjoint({"img", "form", "a"})
    html.encode()


def test_an_empty_fleet_has_a_page() -> None:
    assert "0 devices" in Page(fleet_html([], None, NOW)).words


def test_thousands_of_devices_with_a_past_make_a_page_without_growing_out_of_bounds(completed: Report) -> None:
    rows = [{**told, "host": f"{told['host']}-{at}"} for at in range(200) for told in rows_after(completed)]
    started = time.monotonic()
    html = fleet_html(rows, history(completed), NOW)
    assert len(html) < 6_000_000
    # Some seconds on a quiet machine; what grows with the square of the fleet takes many minutes on any.
    assert time.monotonic() - started < 240
