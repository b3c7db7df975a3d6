# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands with limits, the memory of rollbacks, units, and the seam to a simulated device."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device import kept, markers, transient
from ansible_collections.skorionos.bootc.plugins.module_utils._device.boot import boot_id, parse_units, soft_reboots
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    CommandUnusable,
    Completed,
    Watch,
    run_command,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.content import Content
from ansible_collections.skorionos.bootc.plugins.module_utils._device.reboot import RebootRefused, schedule_reboot
from ansible_collections.skorionos.bootc.plugins.module_utils._device.root import device_path


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


def test_paths_are_below_the_root_of_a_simulated_device(root, monkeypatch):
    assert device_path("/run/x") == root / "run/x"
    monkeypatch.delenv("BOOTC_DEVICE_ROOT")
    assert str(device_path("/run/x")) == "/run/x"


def test_boot_id(root):
    assert boot_id() is None
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/sys/kernel/random/boot_id").write_text("abc\n")
    assert boot_id() == "abc"


@pytest.mark.parametrize(("text", "count"), [("3\n", 3), ("", None), ("[not set]", None)])
def test_soft_reboots(text, count):
    assert soft_reboots(lambda _argv, _timeout: Completed(0, text.encode())) == count


def test_soft_reboots_without_systemd():
    def missing(_argv, _timeout):
        raise CommandMissing("no")

    assert soft_reboots(missing) is None


def test_units_with_and_without_mark():
    text = "\u25cf a.service loaded failed failed A thing\nb@x.service loaded failed failed B\n\n"
    assert parse_units(text) == ("a.service", "b@x.service")


def test_locale_is_fixed(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run_command(("sh", "-c", "echo $LC_ALL; echo no >&2; exit 3"), 5) == Completed(3, b"C.UTF-8\n", b"no\n")


def test_programs_that_are_not_there_or_do_not_start(tmp_path):
    with pytest.raises(CommandMissing):
        run_command(("no-such-program-anywhere",), 5)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\0\1")
    broken.chmod(0o755)
    with pytest.raises(CommandUnusable):
        run_command((str(broken),), 5)


def test_a_limit_holds_for_the_children_too(tmp_path):
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; echo late >&2; wait"
    with pytest.raises(CommandTimeout) as caught:
        run_command(("sh", "-c", script), 3)
    assert caught.value.stderr == b"late\n"
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:  # noqa: PTH110
        if "Z" in open(f"/proc/{pid}/stat").read().split()[2]:  # noqa: PTH123, SIM115
            break
        time.sleep(0.05)
    else:
        assert time.monotonic() < deadline


def test_a_command_that_is_watched_ends_when_there_is_enough(tmp_path):
    looks = iter([False, False, True])
    begin = time.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        run_command(("sh", "-c", "echo early >&2; exec sleep 60"), 60, watch=Watch(1, lambda: next(looks)))
    assert caught.value.stderr == b"early\n"
    assert 3 <= caught.value.seconds <= time.monotonic() - begin < 50
    assert next(looks, None) is None


def test_a_command_that_is_watched_may_end_by_itself_or_run_out_of_time():
    done = run_command(("sh", "-c", "echo a; sleep 0.3; echo b"), 60, watch=Watch(1, lambda: False))
    assert done == Completed(0, b"a\nb\n", b"")
    with pytest.raises(CommandTimeout, match=r"within 0\.3 s"):
        run_command(("sleep", "60"), 0.3, watch=Watch(1, lambda: False))


def mark(left, returned_to, at="t"):
    return markers.RollbackMark(Content(left), Content(returned_to), at)


def test_rollbacks_are_remembered_newest_last(root):
    assert markers.read_rollbacks() == ()
    first = mark("b", "a", "t1")
    second = markers.RollbackMark(Content("c", "commit-c"), Content(None, "commit-a"), "t2")
    markers.remember_rollback(first)
    markers.remember_rollback(second)
    assert markers.read_rollbacks() == (first, second)
    entries = json.loads((root / "var/lib/skorionos.bootc/rollbacks.json").read_text())
    assert entries[-1] == {
        "from": "c",
        "from_deployment": "commit-c",
        "to": None,
        "to_deployment": "commit-a",
        "at": "t2",
    }
    assert [path.name for path in (root / "var/lib/skorionos.bootc").iterdir()] == ["rollbacks.json"]


def test_what_is_remembered_about_two_digests_can_be_forgotten(root):
    marks = [mark(*pair, at) for pair, at in ((("b", "a"), "1"), (("c", "a"), "2"), (("a", "b"), "3"))]
    markers.forget_rollbacks(Content("a"), Content("b"))
    assert not (root / "var").exists()
    for each in marks:
        markers.remember_rollback(each)
    markers.forget_rollbacks(Content("b"), Content("a"), only_last=True)
    assert markers.read_rollbacks() == (marks[0], marks[1])
    markers.forget_rollbacks(Content("a"), Content("b"))
    assert markers.read_rollbacks() == (marks[1],)


def test_the_memory_of_the_first_release_is_still_read(root):
    path = root / "var/lib/skorionos.bootc/rollbacks.json"
    path.parent.mkdir(parents=True)
    path.write_text('[{"from": "b", "to": "a", "at": "t1"}]')
    assert markers.read_rollbacks() == (mark("b", "a", "t1"),)


def test_a_content_is_known_by_its_digest_or_by_its_deployment():
    """A composefs host that is updated to bootc 1.16.4 reports other digests for the deployments it has."""
    before, after = Content("config digest", "verity"), Content("manifest digest", "verity")
    assert before.is_same(after) and before.is_same(Content("config digest"))
    assert not before.is_same(Content("manifest digest", "other"))
    assert not Content().is_same(Content())
    known = markers.RollbackMark(before, Content("a", "commit-a"), "t")
    assert known.leads(after, Content(None, "commit-a")) and known.is_between(Content("a"), after)
    assert not known.leads(Content("a"), after)


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"from": 1}]', "[1]", '[{"from": "b", "to": "", "at": "t"}]'])
def test_a_memory_that_makes_no_sense_is_none(root, text):
    path = root / "var/lib/skorionos.bootc/rollbacks.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert markers.read_rollbacks() == ()
    markers.remember_rollback(mark("b", "a", "t"))
    assert len(markers.read_rollbacks()) == 1


def test_the_memory_is_bounded(root):
    for number in range(markers.KEEP + 3):
        markers.remember_rollback(mark(str(number), "a", "t"))
    assert len(markers.read_rollbacks()) == markers.KEEP
    assert markers.read_rollbacks()[-1].left == Content(str(markers.KEEP + 2))


def test_a_failed_write_leaves_the_old_memory(root, monkeypatch):
    markers.remember_rollback(mark("b", "a", "t"))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        markers.remember_rollback(mark("c", "a", "t"))
    assert len(markers.read_rollbacks()) == 1
    assert [path.name for path in (root / "var/lib/skorionos.bootc").iterdir()] == ["rollbacks.json"]


def never(argv, timeout):
    raise AssertionError(f"{argv} must not be run")


def test_a_simulated_device_never_reboots_the_machine_underneath(root, monkeypatch, tmp_path):
    (root / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/systemctl")
    with pytest.raises(RebootRefused, match="would reboot the machine"):
        schedule_reboot(never)


def test_without_systemd_there_is_no_reboot(root, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(RebootRefused):
        schedule_reboot(never)


def test_a_reboot_comes_a_moment_later(root, monkeypatch):
    programs, asked = root / "bin", root / "asked"
    programs.mkdir()
    (programs / "systemctl").write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"open({str(asked)!r}, 'w').write(sys.argv[1] + os.environ['SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT'])\n"
    )
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    schedule_reboot(never)
    assert not asked.exists()
    deadline = time.monotonic() + 60
    while not (asked.exists() and asked.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert asked.read_text() == "reboot1"


def test_a_reboot_by_timer_restarts_the_kernel_even_where_a_soft_reboot_is_prepared(monkeypatch, tmp_path):
    monkeypatch.delenv("BOOTC_DEVICE_ROOT", raising=False)
    monkeypatch.setattr(transient, "device_path", lambda _path: tmp_path)
    monkeypatch.setattr("shutil.which", lambda _name: "/nonexistent/systemctl")
    asked = []

    def run(argv, timeout):
        asked.append(argv)
        return Completed(0)

    schedule_reboot(run)
    assert asked[0][0] == "systemd-run"
    assert asked[0][-2:] == ("systemctl", "reboot")
    assert "--setenv=SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1" in asked[0]
