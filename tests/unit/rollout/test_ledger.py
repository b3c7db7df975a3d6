# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps, whoever writes to it and however it was interrupted."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def head_file(ledger: Ledger) -> Path:
    return ledger.directory / "head.json"


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
    ledger = fresh(tmp_path, *[note(str(number)) for number in range(before)])
    head = head_file(ledger).read_bytes()
    ledger.append([note("torn")], 1)
    *whole, last = lines(ledger)
    head_file(ledger).write_bytes(head)  # the append did not come to its end
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
    assert lines(ledger) == whole, "what was written of it was not taken back"
    assert error.reason == "ledger_full"
    assert "No space left on device" in error.cause
    assert "Make room" in error.remedy
    assert "nothing was sent" not in error.remedy
    assert "run again" in error.remedy
    assert len(ledger.read()) == 1
    ledger.append([note("c")], 1)
    assert lines(ledger)[:1] == whole
    assert [event.data["text"] for event in ledger.read()] == ["a", "c"]


def failing(number: int) -> Any:
    def fails(*_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fails


@pytest.mark.parametrize("call", ["fsync", "pwrite", "ftruncate"])
def test_a_disk_that_fails_at_the_last_moment_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Also when only the sync of the lines, or the head after it, says that there is no room."""
    ledger = fresh(tmp_path, note("a"))
    before = (ledger.directory / "events.jsonl").read_bytes(), head_file(ledger).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.ENOSPC))
        assert refused(ledger.append, [note("b"), note("c")], 1).reason == "ledger_full"
    assert ((ledger.directory / "events.jsonl").read_bytes(), head_file(ledger).read_bytes()) == before
    ledger.append([note("d")], 1)
    assert [event.data["text"] for event in ledger.read()] == ["a", "d"]


@pytest.mark.parametrize("is_new", [False, True])
def test_what_fails_after_the_head_was_written_takes_no_line_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """A network file system may say when a file is closed that it could not be written: the head lags, if anything."""
    ledger = fresh(tmp_path, note("a"))
    if is_new:
        head_file(ledger).unlink()
    pwrite, written = os.pwrite, []

    def writes(*arguments: Any) -> int:
        written.append(arguments)
        return pwrite(*arguments)

    def fails_then(call: Any) -> Any:
        def fails(descriptor: int) -> None:
            call(descriptor)
            if written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        return fails

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", writes)
        patch.setattr(os, "close", fails_then(os.close))
        patch.setattr(os, "fsync", fails_then(os.fsync))
        assert ledger.append([note("b")], 1)
    assert written
    ledger.append([note("c")], 1)
    assert [event.data["text"] for event in ledger.read()] == ["a", "b", "c"]


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
ledger = Ledger(Path(sys.argv[1]), "r1")
for number in range(100):
    try:
        ledger.append([Event("noted", 0.0, data={"number": number}), Event("noted", 0.0, data={"pair": "x" * 50})], 1)
    except RolloutError as error:
        print(number, error.reason)
        break
"""


def test_a_file_that_really_may_not_grow_keeps_whole_appends(tmp_path: Path, collections_path: Path) -> None:
    ledger = fresh(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    argv = [sys.executable, "-c", _LIMITED, str(tmp_path)]
    said = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert said[1] == "ledger_unwritable"
    assert len(ledger.read()) == 2 * int(said[0]) > 0
    assert (ledger.directory / "events.jsonl").read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    ("number", "reason", "remedy"),
    [
        (errno.ENOSPC, "ledger_full", "Make room"),
        (errno.EDQUOT, "ledger_full", "Make room"),
        (errno.EROFS, "ledger_read_only", "Mount it writable"),
        (errno.EACCES, "ledger_read_only", "chown"),
        (errno.EPERM, "ledger_read_only", "chown"),
        (errno.EIO, "ledger_unwritable", "bootc_rollout_ledger"),
    ],
)
def test_why_a_ledger_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str, remedy: str
) -> None:
    ledger = fresh(tmp_path, note())
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", failing(number))
        appended = refused(ledger.append, [note()], 1)
        with pytest.raises(RolloutError) as locked, ledger_root_lock(tmp_path):
            raise AssertionError("not reached")
        patch.setattr(Path, "mkdir", failing(number))
        created = refused(ledger.create)
    for error in (appended, locked.value, created):
        assert error.reason == reason
        assert os.strerror(number) in error.cause
        assert remedy in error.remedy
        assert "run again" in error.remedy
        assert ("belongs to" in error.cause) == (number in (errno.EACCES, errno.EPERM))


def test_a_ledger_of_somebody_else_is_told_with_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = fresh(tmp_path, note())
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    monkeypatch.setattr(Path, "open", failing(errno.EACCES))
    for error in (refused(ledger.append, [note()], 1), refused(ledger.read)):
        owner = pwd.getpwuid(tmp_path.stat().st_uid).pw_name
        assert f"events.jsonl belongs to {owner}, and this is user 4000000." in error.cause
        assert "Run as its owner" in error.remedy


@pytest.mark.parametrize(
    ("action", "call"),
    [
        (Ledger.read, "read_bytes"),
        (Ledger.read, "open"),
        (Ledger.position, "open"),
        (Ledger.last_epoch, "open"),
        (lambda ledger: ledger.read_since(0), "open"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Any, call: str
) -> None:
    ledger = fresh(tmp_path, note())
    monkeypatch.setattr(Path, call, failing(errno.EIO))
    error = refused(action, ledger)
    assert error.reason == "ledger_unreadable"
    assert "Input/output error" in error.cause


# -- the end ---------------------------------------------------------------------------------------------------------


def cut(ledger: Ledger, keep: int) -> None:
    rewrite(ledger, b"".join(line + b"\n" for line in lines(ledger)[:keep]))


def test_the_head_names_the_last_line(tmp_path: Path) -> None:
    ledger = fresh(tmp_path)
    assert json.loads(head_file(ledger).read_text()) == {"seq": 0, "sha256": "0" * 64}
    size = head_file(ledger).stat().st_size
    for number in range(1, 12):
        ledger.append([note(str(number))], 1)
        last = hashlib.sha256(lines(ledger)[-1]).hexdigest()
        assert json.loads(head_file(ledger).read_text()) == {"seq": number, "sha256": last}
        assert head_file(ledger).stat().st_size == size


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_whole_lines_that_are_missing_at_the_end_are_noticed(tmp_path: Path, keep: int) -> None:
    ledger = fresh(tmp_path, note("a"), note("b"), note("c"))
    cut(ledger, keep)
    before = lines(ledger)
    for error in (refused(ledger.read), refused(ledger.append, [note()], 1)):
        assert error.reason == "ledger_damaged"
        assert f"it had 3 lines and has {keep}" in error.cause
        assert "head.json together" in error.remedy
    assert lines(ledger) == before


def test_events_that_are_gone_altogether_are_not_taken_for_a_new_ledger(tmp_path: Path) -> None:
    ledger = fresh(tmp_path, note("a"))
    (ledger.directory / "events.jsonl").unlink()
    assert "it had 1 lines and has 0" in refused(ledger.read).cause
    assert [each.directory for each in rollouts_in(tmp_path)] == [ledger.directory]


def test_a_ledger_of_another_fate_is_noticed(tmp_path: Path) -> None:
    """As long as the one that was written, with a chain of its own: a copy from before that somebody went on with."""
    ledger, other = fresh(tmp_path / "one", note("a"), note("b")), fresh(tmp_path / "two", note("a"), note("z"))
    for more in ((), (note("more"),)):
        other.append(more, 1)
        rewrite(ledger, (other.directory / "events.jsonl").read_bytes())
        assert "line 2 is not the one that head.json names" in refused(ledger.read).cause
        assert "line 2 is not the one that head.json names" in refused(ledger.append, [note()], 1).cause or more


@pytest.mark.parametrize("number", [1, 3])
def test_line_ends_that_git_converted_are_named(tmp_path: Path, number: int) -> None:
    ledger = fresh(tmp_path, *[note(str(each)) for each in range(number)])
    for path in (ledger.directory / "events.jsonl", head_file(ledger)):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for error in (refused(ledger.read), refused(ledger.append, [note()], 1)):
        assert error.reason == "ledger_damaged"
        assert "its lines end in CR LF" in error.cause
        assert f"{tmp_path / '.gitattributes'} with the line `* -text`" in error.remedy


def test_git_is_told_to_take_the_ledgers_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "rollouts"
    with ledger_root_lock(root):
        pass
    assert (root / ".gitattributes").read_text().endswith("\n* -text\n")
    (root / ".gitattributes").unlink()
    with ledger_root_lock(root):
        pass
    assert not (root / ".gitattributes").exists(), "somebody removed it"


def test_what_somebody_told_git_stays(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text("*.html binary\n")
    with ledger_root_lock(tmp_path):
        pass
    assert (tmp_path / ".gitattributes").read_text() == "*.html binary\n"


def test_a_controller_killed_between_a_line_and_its_head_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = fresh(tmp_path, note("a"))

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.append([note("b"), note("c")], 1)
    assert json.loads(head_file(ledger).read_text())["seq"] == 1
    assert len(ledger.read()) == 3
    ledger.append([note("d")], 1)
    assert json.loads(head_file(ledger).read_text())["seq"] == 4
    assert [event.data["text"] for event in ledger.read()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("left", [None, b"", b"\0" * 128], ids=["none", "empty", "zeros"])
def test_a_ledger_without_a_head_gets_one_with_the_next_append(tmp_path: Path, left: bytes | None) -> None:
    """An earlier version kept none, and a power loss may leave its file without content."""
    ledger = fresh(tmp_path, note("a"), note("b"))
    if left is None:
        head_file(ledger).unlink()
    else:
        head_file(ledger).write_bytes(left)
    ledger.create()
    assert len(ledger.read()) == 2
    ledger.append([note("c")], 1)
    assert json.loads(head_file(ledger).read_text())["seq"] == 3
    cut(ledger, 2)
    assert refused(ledger.read).reason == "ledger_damaged"


@pytest.mark.parametrize("content", [b"garbage", b"[]", b"{}", b'{"seq": "1", "sha256": ""}', b'{"seq": -1', b"7"])
def test_a_head_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    ledger = fresh(tmp_path, note("a"))
    head_file(ledger).write_bytes(content)
    for error in (refused(ledger.read), refused(ledger.append, [note()], 1)):
        assert error.reason == "ledger_damaged"
        assert str(head_file(ledger)) in error.cause
        assert "remove head.json" in error.remedy


def test_who_reads_while_others_write_sees_no_damage(tmp_path: Path, collections_path: Path) -> None:
    ledger = fresh(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    argv = [sys.executable, "-c", _APPENDER, str(tmp_path), "p", "150"]
    process = subprocess.Popen(argv, env=environment)
    seen = 0
    while process.poll() is None:
        now = len(ledger.read())
        assert now >= seen
        seen = now
    assert process.returncode == 0
    assert len(ledger.read()) == 300


def test_the_head_is_on_the_disk_when_a_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = fresh(tmp_path, note())
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    ledger.release_lease(1)
    assert synced == [str(head_file(ledger))]


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
