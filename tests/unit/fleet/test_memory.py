# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.action import fleet_status
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import (
    is_standard_stream,
    is_stream,
    is_written,
    replace_file,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.answers import complaint, tidy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.clients import flaws_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.groups import seen_groups
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.listing import COLUMNS, fleet_csv, fleet_json
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.memory import (
    beside,
    load_memory,
    remember,
    save_memory,
    shares,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.rows import recalled
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import fleet_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError

NOW = 1_800_000_000.0
DAY = 86_400.0


def answer(host: str = "a", digest: str = "sha256:1", **other: Any) -> dict[str, Any]:
    return {
        "host": host,
        "variant": "kde",
        "reachable": True,
        "is_bootc": True,
        "backend": "composefs",
        "bootc_version": "1.16.9",
        "booted": {"version": "1.0", "digest": digest, "image": "registry.example/kde:stable", "timestamp": None},
        "staged": None,
        "rollback": None,
        "others": [],
        "pinned": [],
        "next_boot": "booted",
        "reboot_required": False,
        "space": {"system": {"total_bytes": 64_000, "free_bytes": 20_000}, "boot": None},
        "message": "",
        **other,
    }


def silent(host: str = "a") -> dict[str, Any]:
    nothing = dict.fromkeys(("backend", "bootc_version", "booted", "next_boot"))
    return answer(host, **nothing, reachable=False, is_bootc=False, message="timed out")


def test_who_does_not_answer_is_shown_as_it_was_seen_last_and_since_when() -> None:
    seen = remember({}, [answer()], None, {"a"}, NOW)
    seen = remember(seen, [silent()], None, {"a"}, NOW + DAY)
    seen = remember(seen, [silent()], None, {"a"}, NOW + 9 * DAY)
    (row,) = recalled([silent()], seen)
    assert row["booted"]["version"] == "1.0"
    assert not row["reachable"]
    assert (row["seen_at"], row["unreachable_since"]) == ("2027-01-15T08:00:00.000Z", "2027-01-16T08:00:00.000Z")
    assert {"bootc_unreachable", "bootc_unreachable_7d"} <= set(seen_groups(seen["a"], NOW + 9 * DAY))
    assert "bootc_unreachable_30d" not in set(seen_groups(seen["a"], NOW + 9 * DAY))
    seen = remember(seen, [answer()], None, {"a"}, NOW + 10 * DAY)
    assert seen["a"].unreachable_since is None


def test_who_was_not_asked_stays_and_who_left_the_inventory_is_forgotten() -> None:
    seen = remember({}, [answer("a"), answer("b"), answer("c")], None, {"a", "b", "c"}, NOW)
    seen = remember(seen, [answer("a")], None, {"a", "b"}, NOW + DAY)
    assert (sorted(seen), seen["b"].asked_at) == (["a", "b"], NOW)


def test_one_that_runs_something_else_than_its_last_rollout_left_it_with_has_drifted() -> None:
    seen = remember(
        {}, [answer("a", "sha256:1"), answer("b", "sha256:2")], {"a": ["sha256:1"], "b": ["sha256:1"]}, {"a", "b"}, NOW
    )
    assert (seen["a"].drifted, seen["b"].drifted) == (False, True)
    assert "bootc_drifted" in set(seen_groups(seen["b"], NOW))
    later = remember(seen, [answer("b", "sha256:2")], None, {"a", "b"}, NOW)
    assert later["b"].drifted, "what it is meant to run is remembered"


def test_one_that_could_not_tell_is_not_called_drifted_by_what_was_seen_before() -> None:
    meant = {"a": ["sha256:1"]}
    seen = remember({}, [answer("a", "sha256:2")], meant, {"a"}, NOW)
    nothing = dict.fromkeys(("backend", "bootc_version", "booted", "next_boot"))
    mute = answer(**nothing, is_bootc=False, message="bootc is broken")
    seen = remember(seen, [mute], meant, {"a"}, NOW + DAY)
    (row,) = recalled([mute], seen)
    assert (row["drifted"], row["booted"]) == (False, None)
    assert row["seen_at"] == "2027-01-15T08:00:00.000Z", "when it told what is remembered of it"
    assert (seen["a"].asked_at, seen["a"].unreachable_since) == (NOW + DAY, None)
    assert "bootc_drifted" not in set(seen_groups(seen["a"], NOW + DAY))
    (gone,) = recalled([silent()], remember(seen, [silent()], meant, {"a"}, NOW + 2 * DAY))
    assert gone["drifted"], "one that is silent is shown as it was seen last"


def test_groups_tell_what_runs_and_what_waits() -> None:
    staged = {"version": "1.1", "digest": "sha256:3", "image": "x"}
    told = answer(digest="sha256:" + "ab" * 32, staged=staged, reboot_required=True)
    seen = remember({}, [told], None, {"a"}, NOW)
    assert set(seen_groups(seen["a"], NOW)) == {
        "backend_composefs",
        "booted_1_0",
        "digest_abababababab",
        "bootc_staged",
        "bootc_needs_reboot",
    }


def test_names_of_groups_are_harmless_whatever_devices_say() -> None:
    booted = {"version": "{{ lookup('pipe', 'id') }}\n1", "digest": "sha256:../../etc", "image": "x"}
    seen = remember({}, [answer(booted=booted)], None, {"a"}, NOW)
    assert {"booted_lookup_pipe_id_1", "digest_etc"} <= set(seen_groups(seen["a"], NOW))


@pytest.mark.parametrize(
    "nonsense",
    [
        {"bootc_version": 5},
        {"bootc_version": "1." + "9" * 5000},
        {"bootc_version": ["1"]},
        {"booted": "x"},
        {"booted": {"digest": 5, "version": {}}},
        {"staged": [1], "rollback": 0, "backend": {}},
        {"others": {"a": 1}, "pinned": [[]], "space": [1]},
        {"others": ["x", None], "pinned": "all", "space": {"system": {"free_bytes": "9"}, "boot": 5}},
        {"space": {"system": {"free_bytes": -1, "total_bytes": True}, "boot": {}}},
    ],
)
def test_one_device_that_answers_nonsense_costs_nobody_their_table(tmp_path: Path, nonsense: dict[str, Any]) -> None:
    told = [answer("a", **tidy({**answer(), **nonsense})), answer("b")]
    seen = remember({}, told, {"a": ["sha256:1"]}, {"a", "b"}, NOW)
    poisoned = {host: entry.as_dict() for host, entry in seen.items()}
    poisoned["a"]["status"].update(nonsense)
    path = tmp_path / "seen.json"
    path.write_text(json.dumps({"schema": 1, "devices": poisoned}), encoding="utf-8")
    rows = recalled(told, load_memory(path))
    assert len(fleet_csv(rows).splitlines()) == 3
    assert "b" in fleet_text(rows)
    assert set(seen_groups(load_memory(path)["a"], NOW)) <= {"backend_composefs", "booted_1_0", "digest_1"}


def test_the_memory_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    save_memory(path, {}, NOW)
    path.chmod(0o664)
    save_memory(path, {}, NOW)
    assert path.stat().st_mode & 0o777 == 0o664


def test_the_memory_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "seen.json"
    seen = remember({}, [answer("a"), silent("b")], {"a": ["sha256:1"]}, {"a", "b"}, NOW)
    save_memory(path, seen, NOW)
    assert load_memory(path) == seen
    assert [entry.name for entry in path.parent.iterdir()] == ["seen.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "devices": {"a": {"status": []}}}'])
def test_a_memory_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seen.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RolloutError, match="Move it away") as refused:
        load_memory(path)
    assert refused.value.reason == "invalid_memory"


def test_a_memory_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    path.write_bytes(b"\xff")
    with pytest.raises(RolloutError, match=r"status\.yml writes.* Move it away"):
        load_memory(path)


def test_a_link_stays_a_link_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    replace_file(link, "new")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    replace_file(pipe, "told")
    assert os.read(reader, 100) == b"told"
    os.close(reader)
    assert (is_stream(pipe), is_stream(real), is_stream(tmp_path)) == (True, False, False)


@pytest.mark.parametrize(
    "name", ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/2", "/dev/../dev/stdin", "link"]
)
def test_an_output_that_workers_of_ansible_do_not_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    for write in (replace_file, is_written):
        with pytest.raises(OSError, match="no standard input, output or error"):
            write(tmp_path / name, "told")


def test_a_pipe_that_a_shell_hands_on_is_written_to(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        replace_file(Path(f"/dev/fd/{writer}"), "told")
        assert os.read(reader, 100) == b"told"
    finally:
        os.close(reader)
        os.close(writer)
    (tmp_path / "1").touch()
    assert not any(map(is_standard_stream, (tmp_path / "1", tmp_path / "new" / "2", Path("/dev/null"))))


def test_a_file_holds_a_text_when_it_has_its_very_bytes(tmp_path: Path) -> None:
    path = tmp_path / "fleet.csv"
    assert not is_written(path, "")
    path.write_bytes(b"\xff\n")
    assert not is_written(path, "a\n")
    path.write_bytes(b"a\r\n")
    assert (is_written(path, "a\n"), is_written(path, "a\r\n")) == (False, True)


def test_each_inventory_has_the_memory_of_its_own_devices(tmp_path: Path) -> None:
    berlin, paris = beside(tmp_path / "berlin.yml"), beside(tmp_path / "sub" / ".." / "paris.yml")
    assert berlin == tmp_path / ".berlin-status.json"
    save_memory(berlin, remember({}, [silent("b"), silent("x"), silent("p"), silent("q")], None, set("bxpq"), NOW), NOW)
    save_memory(tmp_path / ".paris-status.json", remember({}, [silent("p")], None, {"p"}, NOW - DAY), NOW)
    places = {"b": berlin, "p": paris, "q": tmp_path / ".paris-status.json", "n": None}
    (tmp_path / "sub").mkdir()
    assert [hosts for _path, hosts in shares(places)] == [["b"], ["p", "q"], ["n"]]
    action = object.__new__(fleet_status.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    seen = action._look_back(places, [silent(host) for host in places], None, frozenset("bpqnx"))
    assert sorted(seen) == ["b", "n", "p", "q", "x"]
    assert sorted(load_memory(berlin)) == ["b", "x"], "who was not asked stays, whoever is of another inventory goes"
    assert sorted(load_memory(tmp_path / ".paris-status.json")) == ["p", "q"]
    assert seen["q"].unreachable_since == load_memory(paris)["q"].unreachable_since == NOW, (
        "it takes along what was seen"
    )
    assert seen["p"].unreachable_since == load_memory(paris)["p"].unreachable_since == NOW - DAY


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "/srv/.paris-status.json"),
        ({"bootc_status_memory": "/mnt/seen.json"}, "/mnt/seen.json"),
        ({"bootc_status_memory": ""}, None),
        ({"inventory_dir": None, "inventory_file": None}, None),
        ({"inventory_dir": "None", "inventory_file": "paris,"}, None),
    ],
)
def test_where_what_was_seen_of_a_host_is_kept(variables: dict[str, Any], place: str | None) -> None:
    known = {"inventory_dir": "/srv", "inventory_file": "/srv/paris.yml", **variables}
    options = {"memory": None, "beside_inventory": True}
    assert fleet_status._place("p", known, options) == (None if place is None else Path(place))
    assert fleet_status._place("p", known, {"memory": "/mnt/all.json", "beside_inventory": False}) == Path(
        "/mnt/all.json"
    )


def test_an_inventory_hands_on_nothing_that_a_terminal_obeys() -> None:
    status = tidy({"booted": {"version": "\x9b31m1.0\x1b[2J"}})
    assert status["booted"]["version"] == "1.0"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"unreachable": True, "msg": "Task failed: Connection\x1b[31m reset\n"}, "Connection reset"),
        ({"failed": True, "msg": "bootc is broken"}, "bootc is broken"),
        ({"failed": True, "msg": "x" * 5000}, "x" * 2000),
        ({"unreachable": True}, ""),
        ({"msg": "all is well"}, ""),
    ],
)
def test_why_a_device_did_not_answer_or_could_not_tell_is_kept(told: dict[str, Any], message: str) -> None:
    assert complaint(told) == message


def test_the_table_says_why_a_device_did_not_answer() -> None:
    told = [{**silent("a"), "message": complaint({"unreachable": True, "msg": "Connection reset"})}]
    text = fleet_text(recalled(told, remember({}, told, None, {"a"}, NOW)), width=200)
    assert "did not answer: Connection reset" in text


def test_a_spreadsheet_takes_nothing_of_a_device_for_a_formula() -> None:
    booted = {"version": '=HYPERLINK("x")', "digest": "sha256:1", "image": "x"}
    told = [answer(booted=booted), silent("b")]
    rows = recalled(told, remember({}, told, None, {"a", "b"}, NOW))
    first, second = csv.DictReader(io.StringIO(fleet_csv(rows)))
    assert tuple(first) == COLUMNS
    assert (first["booted_version"], first["reachable"]) == ('\'=HYPERLINK("x")', "true")
    assert (first["deployments"], first["space_total_bytes"], first["space_free_bytes"]) == ("1", "64000", "20000")
    assert (second["booted_version"], second["message"]) == ("", "timed out")
    assert json.loads(fleet_json(rows))["fleet"] == rows


@pytest.mark.parametrize(
    ("version", "listed"),
    [
        ("1.0 \ud800", "1.0 \N{REPLACEMENT CHARACTER}"),
        ("\x1b]0;owned\x071.0", "1.0"),
        ("1.0\x9b31m\r\nbad", "1.0 bad"),
        ("\x1b[31m=1+1", "'=1+1"),
        ("\t=1+1", "'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
    ],
)
def test_a_version_does_nothing_to_whoever_reads_the_list(tmp_path: Path, version: str, listed: str) -> None:
    told = [answer(booted={"version": version, "digest": "sha256:1", "image": "x"})]
    text = fleet_csv(recalled(told, remember({}, told, None, {"a"}, NOW)))
    assert next(csv.DictReader(io.StringIO(text)))["booted_version"] == listed
    replace_file(tmp_path / "fleet.csv", text)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "fleet.csv"
    replace_file(path, "as it was")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("fleet.csv", "as it was")]


def test_known_troubles_follow_version_and_backend() -> None:
    assert flaws_of("1.16.9", "composefs") == []
    assert flaws_of("1.16.3", "ostree") == []
    assert len(flaws_of("1.16.3", "composefs")) == 2
    assert flaws_of(None, "composefs") == flaws_of("unknown", None) == []
