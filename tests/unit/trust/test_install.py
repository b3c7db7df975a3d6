# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device gets so that it accepts only signed images."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust import registries_d
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.install import (
    KEYS,
    POLICY,
    PREVIOUS,
    REGISTRIES_D,
    Found,
    Wanted,
    check,
    concerns,
    find,
    install,
    plan,
)

KDE = "registry.example.com/os/kde"
FILE = f"{REGISTRIES_D}/skorionos-bootc-registry.example.com_os_kde.yaml"
OLD_KEY = "-----BEGIN PUBLIC KEY-----\nb2xk\n-----END PUBLIC KEY-----\n"
NEW_KEY = "-----BEGIN PUBLIC KEY-----\nbmV3\n-----END PUBLIC KEY-----\n"
ACCEPTING = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
NOTHING = Found(ACCEPTING, None, {}, {})
OLD, BOTH, NEW = (
    Wanted((KDE,), keys) for keys in ({"2026": OLD_KEY}, {"2026": OLD_KEY, "2027": NEW_KEY}, {"2027": NEW_KEY})
)


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A directory that stands in for a device."""
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    (tmp_path / "etc/containers").mkdir(parents=True)
    (tmp_path / "etc/containers/policy.json").write_text(ACCEPTING, encoding="utf-8")
    return tmp_path


def apply(wanted):
    found = find()
    planned = plan(wanted, found)
    return planned, install(planned, found)


def test_keys_come_before_the_policy_that_names_them():
    planned = plan(OLD, NOTHING)
    assert list(planned.writes) == [f"{KEYS}/2026.pub", FILE, POLICY]
    assert planned.writes[FILE] == f'docker:\n  "{KDE}":\n    use-sigstore-attachments: true\n'


def test_a_device_without_a_policy_gets_that_of_its_vendor_first():
    vendor = '{"default": [{"type": "reject"}]}'
    assert json.loads(plan(OLD, replace(NOTHING, policy=None, vendor_policy=vendor)).writes[POLICY])["default"] == [
        {"type": "reject"}
    ]
    assert json.loads(plan(OLD, replace(NOTHING, policy=None)).writes[POLICY])["default"] == [
        {"type": "insecureAcceptAnything"}
    ]


def test_a_rotation_on_a_device_step_by_step(device):
    first, backup = apply(OLD)
    assert (first.changed, backup) == (True, PREVIOUS)
    assert (device / PREVIOUS[1:]).read_text(encoding="utf-8") == ACCEPTING
    assert not apply(OLD)[0].changed

    both, _backup = apply(BOTH)
    assert list(both.writes) == [f"{KEYS}/2027.pub", POLICY]
    assert both.removes == ()

    last, _backup = apply(NEW)
    assert list(last.writes) == [POLICY]
    assert last.removes == (f"{KEYS}/2026.pub",)
    assert [each.name for each in (device / KEYS[1:]).iterdir()] == ["2027.pub"]
    assert not apply(NEW)[0].changed

    gone, _backup = apply(replace(NEW, keys={}))
    assert set(gone.removes) == {f"{KEYS}/2027.pub", FILE}
    assert json.loads((device / POLICY[1:]).read_text(encoding="utf-8"))["transports"] == {}
    assert not apply(replace(NEW, keys={}))[0].changed


def test_a_key_that_another_repository_still_needs_stays(device):
    apply(OLD)
    apply(replace(OLD, repositories=("registry.example.com/os/gnome",)))
    planned, _backup = apply(replace(OLD, keys={}))
    assert planned.removes == (FILE,)
    assert (device / KEYS[1:] / "2026.pub").exists()


def test_a_name_does_not_come_to_mean_another_key(device):
    apply(OLD)
    with pytest.raises(BootcError, match="another key by the name 2026") as refused:
        apply(replace(OLD, keys={"2026": NEW_KEY}))
    assert refused.value.kind == "would_weaken"
    assert apply(replace(OLD, keys={"2026": NEW_KEY}, replace=True))[0].changed


def test_files_are_readable_by_all_and_leave_no_drafts(device):
    apply(OLD)
    files = [path for path in (device / "etc").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files if path.name != "policy.json.previous"} == {0o644}
    assert not [path for path in files if path.name.startswith(".")]


def test_a_policy_that_cannot_be_written_leaves_the_old_one(device):
    shutil.rmtree(device / "etc/containers/registries.d", ignore_errors=True)
    (device / "etc/containers/registries.d").write_text("in the way", encoding="utf-8")
    with pytest.raises(BootcError, match="cannot be written"):
        apply(OLD)
    assert (device / POLICY[1:]).read_text(encoding="utf-8") == ACCEPTING


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_signatures_that_somebody_else_has_looked_for_are_not_looked_for_twice(quote):
    theirs = f"docker:\n  {quote}{KDE}{quote}:\n    use-sigstore-attachments: true\n  quay.io:\n    lookaside: x\n"
    assert FILE not in plan(OLD, replace(NOTHING, registries={"theirs.yaml": theirs})).writes


def test_an_entry_of_somebody_else_that_would_clash_is_refused():
    theirs = f"docker:\n  {KDE}:\n    lookaside: x\n  quay.io:\n    use-sigstore-attachments: true\n"
    with pytest.raises(BootcError, match=r"theirs\.yaml in registries\.d"):
        plan(OLD, replace(NOTHING, registries={"theirs.yaml": theirs}))


def test_files_of_two_repositories_never_have_one_name():
    names = ["a.io/b/c", "a.io/b_c", "a.io/b__c", "a.io:1/b", "a.io/1/b", "a.io/b-c"]
    assert len({registries_d.file_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([{"name": "a", "content": "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n"}], "is a private one"),
        ([{"name": "a", "content": "ssh-ed25519 AAAA"}], "no PEM public key"),
        ([{"name": "a", "content": "-----BEGIN PUBLIC KEY-----\nb\n-----END PUBLIC KEY-----"}], "no PEM public key"),
        ([{"name": "../a", "content": OLD_KEY}], "no name for a key"),
        ([{"name": "a", "content": OLD_KEY}, {"name": "a", "content": NEW_KEY}], "Two keys"),
    ],
)
def test_keys_that_are_none_are_refused_and_not_shown(keys, said):
    with pytest.raises(BootcError, match=said) as refused:
        check([KDE], keys)
    assert "c2VjcmV0" not in refused.value.msg


def test_keys_are_kept_as_they_are_but_for_the_end():
    assert check([KDE, KDE], [{"name": "a", "content": "\n" + OLD_KEY.strip()}]) == ((KDE,), {"a": OLD_KEY})


def test_a_repository_is_concerned_by_its_own_entry_and_by_shorter_ones():
    assert concerns(KDE, [KDE])
    assert concerns(KDE, ["registry.example.com"])
    assert not concerns(KDE, ["registry.example.com/o", f"{KDE}/x"])
