# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit in a terminal and as a page: what it says, and that nothing in it can act."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.skorionos.bootc.plugins.action import rollout_audit
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.account import audit, read_channels
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.lines import audit_lines
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.scope import Scope
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.audit_html import audit_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.audit_text import audit_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.examine import examine
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.unit.audit.ledgers import HOSTS, audited, canary_of, write
from tests.unit.report.rehearsals import PAYLOADS
from tests.unit.report.test_html import Page
from tests.unit.rollout.builders import BEGIN, told


def test_the_text_says_who_what_why_and_whether_it_is_whole(root: Path) -> None:
    text = audit_text(audited(root))
    assert text.splitlines()[0] == "Audit: 2 rollouts; 2 ledgers, all intact"
    assert "approved wave canary (plan aaaaaaaaaaaa), by boss@desk: looked at the plan" in text
    assert "otto@pc: wrong image" in text
    assert "accepted as it was" in text
    assert "2027-01-15 (UTC)\n  08:00:00  r1  Rollout started" in text
    assert "\nDevices" not in text


def test_the_text_of_a_device_has_a_table_of_its_ends(root: Path) -> None:
    canary = canary_of(root)
    text = audit_text(audited(root, Scope(hosts=frozenset({canary, "deck-99"}))))
    assert "No rollout knows deck-99." in text
    assert "succeeded 2027-01-15 08:02 UTC" in text


def test_the_terminal_gets_the_newest_entries_and_the_number_of_the_others(root: Path) -> None:
    entries = len(audited(root)["story"])
    text = audit_text(audited(root), newest=2)
    assert f"{entries - 2} earlier entries not shown here." in text
    assert "Canceled by otto@pc" in text
    assert "Held in wave" not in text
    assert "not shown" not in audit_text(audited(root), newest=entries)


def test_a_broken_ledger_is_named_in_text_and_page(root: Path) -> None:
    events = root / "r1" / "events.jsonl"
    events.write_text(events.read_text().replace("no network", "no trouble"))
    found = audited(root)
    text = audit_text(found)
    assert text.splitlines()[0] == "Audit: 2 rollouts; 1 of 2 ledgers broken"
    assert "BROKEN r1: " in text
    assert "vouched for by" in text
    words = Page(audit_html(found)).words
    assert "Broken: r1" in words
    assert "1 of 2 ledgers broken" in words


def test_the_page_has_orders_waves_and_the_time_line(root: Path) -> None:
    words = Page(audit_html(audited(root))).words
    for said in ("approved wave canary (plan aaaaaaaaaaaa)", "boss@desk", "looked at the plan", "accepted as it was"):
        assert said in words
    assert "known <b>trouble</b>" in words  # as text
    assert "A device counts once for each rollout" in words


def test_the_same_ledgers_make_the_same_page(root: Path) -> None:
    assert audit_html(audited(root)) == audit_html(audited(root))


def test_files_that_are_there_are_compared_and_replaced_whatever_is_in_them(root: Path, tmp_path: Path) -> None:
    action = object.__new__(rollout_audit.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    told, dest = audited(root), tmp_path / "audit"
    assert action._written(told, str(dest))[0]
    (dest / "audit.txt").write_bytes(b"\xff\n")
    assert action._written(told, str(dest))[0]
    assert (dest / "audit.txt").read_text("utf-8").startswith("Audit: 2 rollouts")
    assert not action._written(told, str(dest))[0]
    assert sorted(path.name for path in dest.iterdir()) == ["audit.html", "audit.jsonl", "audit.txt"]
    with pytest.raises(RolloutError, match=r"could not be written to .*: Not a directory\. Choose") as refused:
        action._written(told, str(dest / "audit.txt" / "further"))
    assert refused.value.reason == "unwritable"


def test_nothing_on_record_says_nothing(tmp_path: Path) -> None:
    found = audit([examine(Ledger(tmp_path, "r1"))], None, Scope())
    assert "No rollout has a part in this." in audit_text(found)
    assert "Nothing happened." in Page(audit_html(found)).words


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Everybody whose words get into a ledger or a journal says something nasty."""
    nasty = " ".join(PAYLOADS)
    host = HOSTS[0]
    write(
        tmp_path,
        "r1",
        BEGIN,
        [
            Event("wave_opened", BEGIN + 2, wave=0),
            *told("staging", host, at=BEGIN + 3, previous_version=nasty, previous_digest=nasty),
            *told("rolled_back", host, at=BEGIN + 4, reason=nasty, message=nasty, booted_digest=nasty),
            Event("paused", BEGIN + 5, data={"by": nasty, "why": nasty}),
            Event("excluded", BEGIN + 6, HOSTS[1], data={"by": nasty, "why": nasty}),
            Event("hosts_superseded", BEGIN + 7, data={"by": nasty, "who": nasty, "why": nasty, "hosts": [nasty]}),
            Event(nasty, BEGIN + 8),
        ],
        why=nasty,
    )
    line = {
        **dict.fromkeys(("operation", "verb", "state", "by", "why", "variant", "channel", "image", "tag"), nasty),
        **{"at": nasty, "from": nasty, "to": nasty, "version": nasty, "overruled": [nasty], "undoes": None},
    }
    (tmp_path / "channels.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path


def test_nothing_in_the_page_can_act(hostile: Path) -> None:
    page = Page(audit_html(audited(hostile, journal=read_channels(hostile / "channels.jsonl"))))
    assert page.scripts == []
    loading = {"src", "srcset", "action", "formaction", "data", "poster", "background", "ping", "style"}
    assert not [attribute for attribute in page.attributes if attribute[1] in loading]
    assert all(value.startswith("#i-") for _tag, name, value in page.attributes if name in ("href", "xlink:href"))
    assert not page.tags & {"link", "img", "iframe", "object", "embed", "base", "form", "script"}
    assert not [name for _tag, name, _value in page.attributes if name.startswith("on")]
    (policy,) = [value for _tag, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert len(page.ids) == len(set(page.ids))
    assert "<script>window.pwned=1</script>" in page.words  # as text
    pointed = {value for _tag, name, value in page.attributes if name in ("aria-labelledby", "aria-describedby")}
    assert pointed <= set(page.ids)


def test_nothing_in_text_or_export_can_act_on_a_terminal(hostile: Path) -> None:
    found = audited(hostile, journal=read_channels(hostile / "channels.jsonl"))
    for text in (audit_text(found), audit_lines(found)):
        assert not [character for character in text if character != "\n" and not character.isprintable()]
    assert audit_lines(found).isascii()
    assert len(audit_lines(found).splitlines()) == audit_lines(found).count("\n")
