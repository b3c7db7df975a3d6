# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device gets so that it accepts only signed images."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust import proxy, registries_d
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
    try_out,
)

KDE = "registry.example.com/os/kde"
FILE = f"{REGISTRIES_D}/skorionos-bootc-registry.example.com_os_kde.yaml"
OLD_KEY = "-----BEGIN PUBLIC KEY-----\nMANvbGQ=\n-----END PUBLIC KEY-----\n"
NEW_KEY = "-----BEGIN PUBLIC KEY-----\nMANuZXc=\n-----END PUBLIC KEY-----\n"
ACCEPTING = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
ACCEPT = json.loads(ACCEPTING)["default"]
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


def test_a_device_without_a_policy_gets_that_of_its_vendor_or_one_that_lets_nothing_else_in():
    vendor = '{"default": [{"type": "insecureAcceptAnything"}]}'
    from_vendor = plan(OLD, replace(NOTHING, policy=None, vendor_policy=vendor))
    assert (json.loads(from_vendor.writes[POLICY])["default"], from_vendor.notes) == (json.loads(vendor)["default"], ())
    from_nothing = plan(OLD, replace(NOTHING, policy=None))
    assert json.loads(from_nothing.writes[POLICY])["default"] == [{"type": "reject"}]
    assert "still rejects all other images" in from_nothing.notes[0]
    assert not plan(replace(OLD, keys={}), replace(NOTHING, policy=None)).changed


@pytest.mark.parametrize(("policy", "vendor_policy"), [("", ACCEPTING), ("", None), (None, "")])
def test_an_empty_policy_is_broken_and_not_one_that_accepts_anything(policy, vendor_policy):
    with pytest.raises(BootcError, match=r"policy\.json is not JSON") as refused:
        plan(OLD, Found(policy, vendor_policy, {}, {}))
    assert refused.value.kind == "invalid"


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


def test_a_demand_that_somebody_changed_keeps_its_file_when_ours_is_taken_back(device):
    apply(OLD)
    place = device / POLICY[1:]
    policy = json.loads(place.read_text(encoding="utf-8"))
    policy["transports"]["docker"][KDE][0]["signedIdentity"] = {"type": "matchRepoDigestOrExact"}
    place.write_text(json.dumps(policy), encoding="utf-8")
    planned, _backup = apply(replace(OLD, keys={}))
    assert (planned.changed, (device / FILE[1:]).exists()) == (False, True)
    assert "Somebody else wrote" in planned.notes[0]
    # Without the demand nothing needs the file.
    place.write_text(ACCEPTING, encoding="utf-8")
    assert set(apply(replace(OLD, keys={}))[0].removes) == {FILE, f"{KEYS}/2026.pub"}


@pytest.mark.parametrize("name", ["policy.json", "registries.d"])
@pytest.mark.parametrize("home", ["/root", "/home/kim"])
def test_files_that_take_the_place_of_ours_are_refused(device, monkeypatch, name, home):
    monkeypatch.setenv("HOME", home)
    place = device / f"{home[1:]}/.config/containers/{name}"
    place.parent.mkdir(parents=True)
    place.touch()
    with pytest.raises(BootcError, match=re.escape(f"{home}/.config/containers/{name} takes the place")) as refused:
        apply(OLD)
    assert refused.value.kind == "invalid"
    assert not apply(replace(OLD, keys={}))[0].changed


def test_a_variable_that_takes_the_place_of_the_policy_is_refused(device, monkeypatch):
    monkeypatch.setenv("CONTAINERS_POLICY_JSON", "/etc/other.json")
    with pytest.raises(BootcError, match="the variable CONTAINERS_POLICY_JSON takes the place"):
        apply(OLD)


def test_folders_are_open_to_all_whatever_the_umask(device):
    before = os.umask(0o077)
    try:
        apply(OLD)
    finally:
        os.umask(before)
    folders = [device / REGISTRIES_D[1:], device / KEYS[1:]]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o755}


def test_parts_that_somebody_has_no_signatures_looked_for_of_are_named():
    theirs = f"docker:\n  {KDE}/beta:\n    use-sigstore-attachments: false\n  {KDE}/x:\n    lookaside: x\n"
    theirs += f'  "{KDE}-next/x":\n    use-sigstore-attachments: false\n'
    notes = plan(OLD, replace(NOTHING, registries={"theirs.yaml": theirs})).notes
    assert notes == (
        f"theirs.yaml in registries.d has no signatures of {KDE}/beta looked for, so its images are refused.",
    )


class Judge:
    """A skopeo that decides by the entry of one scope, or by the default when there is none."""

    def __init__(self, monkeypatch, scope):
        self.scope = scope
        monkeypatch.setattr(proxy, "loads", lambda _policy, _timeout: None)
        monkeypatch.setattr(proxy, "verify", lambda *_arguments: None)
        monkeypatch.setattr(proxy, "refusal", self.refusal)

    def refusal(self, _reference, rules, _timeout):
        policy = json.loads(rules.policy.read_text(encoding="utf-8"))
        decides = policy["transports"]["docker"].get(self.scope, policy["default"])
        return "it is rejected" if decides == [{"type": "reject"}] else None


def test_a_demand_that_is_looked_up_by_another_name_is_refused(monkeypatch):
    wanted = replace(OLD, repositories=("docker.io/kde",))
    Judge(monkeypatch, "docker.io/library/kde")
    with pytest.raises(BootcError, match=r"of docker\.io/kde decides nothing about docker\.io/kde@sha256:1") as refused:
        try_out(plan(wanted, NOTHING), ["docker.io/kde@sha256:1"], None, 1, wanted.repositories)
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize("scope", [KDE, f"{KDE}/hole"])
def test_a_demand_that_decides_and_a_hole_in_it_are_no_other_name(monkeypatch, scope):
    hole = json.dumps({**json.loads(ACCEPTING), "transports": {"docker": {f"{KDE}/hole": ACCEPT}}})
    Judge(monkeypatch, scope)
    try_out(plan(OLD, replace(NOTHING, policy=hole)), [f"{scope}@sha256:1"], None, 1, OLD.repositories)


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
    planned, _backup = apply(replace(OLD, keys={"2026": NEW_KEY}, replace=True))
    assert (planned.changed, planned.changes) == (True, ("The name 2026 stands for another key now.",))


def test_whatever_is_written_or_removed_is_named(device):
    apply(OLD)
    (device / FILE[1:]).unlink()
    (device / KEYS[1:] / "stray.pub").write_text(NEW_KEY, encoding="utf-8")
    planned, _backup = apply(OLD)
    assert [change.split(" is ")[0] for change in planned.changes] == [FILE, f"{KEYS}/stray.pub"]


def test_files_are_readable_by_all_and_leave_no_drafts(device):
    apply(OLD)
    files = [path for path in (device / "etc").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files if path.name != "policy.json.previous"} == {0o644}
    assert not [path for path in files if path.name.startswith(".")]


def test_a_full_disk_is_told_with_the_file_and_leaves_no_draft(device, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BootcError, match=f"{PREVIOUS} cannot be written: No space left on device"):
        apply(OLD)
    assert [path.name for path in (device / "etc").rglob("*") if path.is_file()] == ["policy.json"]


def test_what_was_renamed_and_removed_outlives_a_loss_of_power(device, monkeypatch):
    synced = []
    really = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), really(handle))
    )
    apply(OLD)
    assert synced[-1] == str(device / "etc/containers")
    apply(replace(OLD, keys={}))
    assert synced[-2:] == [str(device / "etc/containers/registries.d"), str(device / KEYS[1:])]


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


@pytest.mark.parametrize(
    "text",
    [
        "docker: {%s: {use-sigstore-attachments: true}}",
        'docker: {"%s": {"lookaside": "x"}}',
        'docker: {"%s":{"lookaside": "x"}}',
        "docker:\n  %s: {lookaside: x}\n",
        "docker:\n  %s: &theirs\n    lookaside: x\n",
        "docker:\n  ? %s\n  : lookaside: x\n",
        'docker: {"registry.example.com\\/os\\/kde": {"lookaside": "x"}}',
    ],
)
def test_an_entry_that_is_written_in_another_way_is_not_overlooked(text):
    theirs = text % KDE if "%s" in text else text
    with pytest.raises(BootcError, match="in a way that is not understood") as refused:
        plan(OLD, replace(NOTHING, registries={"theirs.yaml": theirs}))
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize(
    "text",
    [
        "docker:\n  # %s: {lookaside: x}\n  quay.io: # as %s: has\n    lookaside: https://%s\n",
        "docker: {%s-next: {lookaside: x}, %s/x: {lookaside: x}, '%s:nightly': {lookaside: x}, a.%s: {lookaside: x}}",
    ],
)
def test_comments_addresses_and_longer_names_are_no_entries(text):
    assert FILE in plan(OLD, replace(NOTHING, registries={"theirs.yaml": text.replace("%s", KDE)})).writes


def test_files_of_two_repositories_never_have_one_name():
    names = ["a.io/b/c", "a.io/b_c", "a.io/b__c", "a.io:1/b", "a.io/1/b", "a.io/b-c"]
    assert len({registries_d.file_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([{"name": "a", "content": "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n"}], "is a private one"),
        ([{"name": "a", "content": "ssh-ed25519 AAAA"}], "no PEM public key"),
        ([{"name": "a", "content": "-----BEGIN PUBLIC KEY-----\nb\n-----END PUBLIC KEY-----"}], "no PEM public key"),
        ([{"name": "a", "content": OLD_KEY.replace("MANvbGQ=", "MANvbA==")}], "no PEM public key"),
        ([{"name": "a", "content": OLD_KEY.replace("MANvbGQ=", "MANvbGQh")}], "no PEM public key"),
        ([{"name": "a", "content": OLD_KEY.replace("MANvbGQ=", "MIIvbGQ=")}], "no PEM public key"),
        ([{"name": "a", "content": OLD_KEY.replace("MANvbGQ=", "MQNvbGQ=")}], "no PEM public key"),
        ([{"name": "a", "content": OLD_KEY.replace("MANvbGQ=", "MIA=")}], "no PEM public key"),
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
