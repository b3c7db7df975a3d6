# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps, whoever writes to it and however it was interrupted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.template import trust_as_template
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event, format_time, parse_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import (
    Ledger,
    ledger_root_lock,
    rollouts_in,
)

AT = 1_800_000_000.0


def note(text: str = "x", at: float = AT) -> Event:
    return Event("noted", at, "d1", data={"text": text})


def fresh(root: Path, *events: Event) -> Ledger:
    ledger = Ledger(root, "r1")
    ledger.create()
    ledger.append(events, 1)
    return ledger


def lines(ledger: Ledger) -> list[bytes]:
    return (ledger.directory / "events.jsonl").read_bytes().splitlines()


def rewrite(ledger: Ledger, content: bytes) -> None:
    (ledger.directory / "events.jsonl").write_bytes(content)


def refused(action: object, *arguments: object) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        action(*arguments)  # type: ignore[operator]
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    "event",
    [
        Event("completed", AT),
        Event("wave_opened", AT + 0.25, wave=0),
        Event("staged", AT, "d1", data={"boot_id": "b", "previous_digest": ""}),
        Event("odd", AT, "a b/ü\n\u2028{{ x }}", 2, {"list": [1, None, {"x": 1.5}], "text": 'quote " and \\ \x00'}),
    ],
)
def test_events_are_read_back_as_they_were_written(tmp_path: Path, event: Event) -> None:
    assert fresh(tmp_path, event).read() == [event]


def test_every_line_continues_the_chain(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note("a"), note("b"))
    ledger.append([note("c")], 2)
    written = [json.loads(line) for line in lines(ledger)]
    assert [line["seq"] for line in written] == [1, 2, 3]
    assert [line["epoch"] for line in written] == [1, 1, 2]
    previous = "0" * 64
    for line, document in zip(lines(ledger), written, strict=True):
        assert document["prev"] == previous
        previous = hashlib.sha256(line).hexdigest()


def test_a_ledger_nobody_made_is_empty(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "r1")
    assert (ledger.read(), ledger.last_epoch(), ledger.exists()) == ([], 0, False)
    assert list(tmp_path.iterdir()) == []


def test_appending_nothing_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "r1")
    ledger.append([], 1)
    assert not ledger.exists()


def test_creating_a_ledger_again_keeps_it(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note())
    ledger.create()
    assert len(ledger.read()) == 1


@pytest.mark.parametrize("keep", [0, 1, 40, -1])
@pytest.mark.parametrize("before", [0, 2])
def test_a_torn_last_line_is_ignored_and_written_over(tmp_path: Path, before: int, keep: int) -> None:
    ledger = fresh(tmp_path, *[note(str(number)) for number in range(before)], note("torn"))
    *whole, last = lines(ledger)
    rewrite(ledger, b"".join(line + b"\n" for line in whole) + last[:keep])
    assert len(ledger.read()) == before
    ledger.append([note("next")], 1)
    assert [event.data["text"] for event in ledger.read()] == [*map(str, range(before)), "next"]


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda all_lines: [all_lines[0], b"garbage", *all_lines[2:]], "line 2 is not JSON"),
        (lambda all_lines: [all_lines[0], b"", *all_lines[1:]], "line 2 is not JSON"),
        (lambda all_lines: [all_lines[0], b"\xff\xfe", *all_lines[2:]], "line 2 is not JSON"),
        (lambda all_lines: [all_lines[0], b"[]", *all_lines[2:]], "line 2 is not an event"),
        (lambda all_lines: [all_lines[0].replace(b'"a"', b'"z"'), *all_lines[1:]], "line 2 does not follow"),
        (lambda all_lines: [all_lines[0], *all_lines[2:]], "line 2 does not follow"),
        (lambda all_lines: all_lines[1:], "line 1 does not follow"),
        (lambda all_lines: [all_lines[1], all_lines[0], all_lines[2]], "line 1 does not follow"),
        (lambda all_lines: [*all_lines, all_lines[2]], "line 4 does not follow"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, damage: object, where: str) -> None:
    ledger = fresh(tmp_path, note("a"), note("b"), note("c"))
    rewrite(ledger, b"".join(line + b"\n" for line in damage(lines(ledger))))  # type: ignore[operator]
    error = refused(ledger.read)
    assert error.reason == "ledger_damaged"
    assert where in error.cause
    assert "events.jsonl" in error.cause


def test_nothing_is_appended_after_a_damaged_last_line(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note("a"))
    rewrite(ledger, lines(ledger)[0] + b"\ngarbage\n")
    assert "the last line is not JSON" in refused(ledger.append, [note()], 1).cause
    assert lines(ledger)[-1] == b"garbage"


def test_a_controller_that_lost_its_lease_cannot_write(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note("a"))
    ledger.append([note("b")], 3)
    error = refused(ledger.append, [note("c")], 2)
    assert error.reason == "superseded_controller"
    assert "epoch 3, ours is 2" in error.cause
    assert len(ledger.read()) == 2
    assert ledger.last_epoch() == 3
    ledger.append([note("d")], 3)


@pytest.mark.parametrize("size", [1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 3 << 16, 1 << 20])
def test_lines_of_any_length_keep_the_chain(tmp_path: Path, size: int) -> None:
    ledger = fresh(tmp_path, note("first"), note("x" * size))
    ledger.append([note("y" * size)], 1)
    ledger.append([note("last")], 1)
    assert [len(event.data["text"]) for event in ledger.read()] == [5, size, size, 4]


def test_a_line_exactly_as_long_as_what_is_read_from_the_end(tmp_path: Path) -> None:
    overhead = len(lines(fresh(tmp_path / "probe", note("a"), note("")))[1]) + 1
    for surplus in (-1, 0, 1):
        ledger = fresh(tmp_path / str(surplus), note("a"), note("x" * ((1 << 16) - overhead + surplus)))
        ledger.append([note("z")], 1)
        assert len(ledger.read()) == 3


_APPENDER = """
import sys
from pathlib import Path
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "r1")
for number in range(int(sys.argv[3])):
    ledger.append([Event("noted", 0.0, sys.argv[2], data={"number": number}), Event("noted", 0.0, "pair")], 1)
"""


def test_several_processes_append_without_breaking_the_chain(tmp_path: Path, collections_path: Path) -> None:
    ledger = fresh(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", _APPENDER, str(tmp_path), f"p{number}", "15"], env=environment)
        for number in range(4)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    events = ledger.read()
    assert len(events) == 120
    for number in range(4):
        mine = [event.data["number"] for event in events if event.host == f"p{number}"]
        assert mine == list(range(15))
    assert all(events[at + 1].host == "pair" for at in range(0, 120, 2))


def test_a_place_below_a_regular_file_cannot_hold_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "rollouts"
    ledger = Ledger(root, "r1")
    assert ledger.read() == []
    error = refused(ledger.create)
    assert error.reason == "ledger_unwritable"
    assert str(ledger.directory) in error.cause
    assert "Not a directory" in error.cause
    assert "nothing was sent to any device" in error.remedy
    with pytest.raises(RolloutError, match="Not a directory"), ledger_root_lock(root):
        raise AssertionError("not reached")


def test_a_disk_that_fills_up_midway_does_not_claim_that_nothing_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = fresh(tmp_path, note("a"))
    whole = lines(ledger)

    room = iter([10])
    real = os.write

    def write(descriptor: int, content: memoryview) -> int:
        left = next(room, None)
        if left is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content[:left])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        error = refused(ledger.append, [note("b")], 1)
    assert "No space left on device" in error.cause
    assert "nothing was sent" not in error.remedy
    assert "run again" in error.remedy
    assert len(ledger.read()) == 1
    ledger.append([note("c")], 1)
    assert lines(ledger)[:1] == whole
    assert [event.data["text"] for event in ledger.read()] == ["a", "c"]


def test_an_error_inside_the_lock_is_not_blamed_on_the_ledger(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), ledger_root_lock(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "by the registry")


def test_rollouts_are_found_by_their_ledgers(tmp_path: Path) -> None:
    for name in ("r2", "r1"):
        Ledger(tmp_path, name).create()
    (tmp_path / "notes").mkdir()
    assert [ledger.directory.name for ledger in rollouts_in(tmp_path)] == ["r1", "r2"]
    assert rollouts_in(tmp_path / "gone") == []


def test_bytes_that_were_no_text_do_not_stop_a_device_from_being_journaled(tmp_path: Path) -> None:
    (event,) = fresh(tmp_path, note("bad \udcff byte")).read()
    assert event.data["text"] == "bad ? byte"
    assert event.data["text"].encode()


def test_values_that_ansible_tagged_are_written_as_what_they_are(tmp_path: Path) -> None:
    tagged = trust_as_template("d1")
    assert tagged.__class__ is not str
    event = Event(trust_as_template("noted"), AT, tagged, data={tagged: [tagged]})
    (read,) = fresh(tmp_path, event).read()
    assert read == Event("noted", AT, "d1", data={"d1": ["d1"]})
    assert read.host.__class__ is str


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (AT, "2027-01-15T08:00:00.000Z"), (AT + 0.25, "2027-01-15T08:00:00.250Z")],
)
def test_times_are_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
    assert parse_time(text) == seconds


def test_a_clock_that_went_backwards_does_not_stop_the_ledger(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note("a", AT), note("b", AT - 86400))
    assert [event.at for event in ledger.read()] == [AT, AT - 86400]
