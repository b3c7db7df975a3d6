# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Demands for signatures, merged into policies that others wrote."""

from __future__ import annotations

import copy
import json
import re

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.policy import (
    check_repository,
    demand,
    keys_in_use,
    our_keys,
    parse_policy,
    reject_by_default,
    render_policy,
    signed_by,
    withdraw,
)
from hypothesis import given
from hypothesis import strategies as st

KEYS = "/etc/containers/skorionos-bootc"
OLD, NEW, NEXT = (f"{KEYS}/{name}.pub" for name in ("2026", "2027", "2028"))
KDE = "registry.example.com/os/kde"
ACCEPT = [{"type": "insecureAcceptAnything"}]
REJECT = [{"type": "reject"}]
GPG = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/pki/key"}]
FEDORA = {"default": ACCEPT, "transports": {"docker-daemon": {"": ACCEPT}, "docker": {"quay.io/fedora": GPG}}}


def merged(policy, keys=(OLD,), repositories=(KDE,), *, replace=False):
    return demand(policy, repositories, keys, KEYS, replace=replace)


def policy(default=None, **docker):
    return {"default": default or ACCEPT, "transports": {"docker": docker}}


def test_the_demand_is_added_and_what_others_wrote_stays():
    after = merged(FEDORA)
    assert after.document["transports"]["docker"] == {"quay.io/fedora": GPG, KDE: signed_by([OLD])}
    assert after.document["transports"]["docker-daemon"] == {"": ACCEPT}
    assert after.document["default"] == ACCEPT
    assert after.changes == (f"Images of {KDE} must be signed now.",)


def test_one_key_is_written_so_that_old_programs_read_it_and_several_so_that_any_is_enough():
    assert signed_by([OLD])[0]["keyPath"] == OLD
    assert "keyPath" not in signed_by([OLD, NEW])[0]
    assert signed_by([OLD, NEW])[0]["keyPaths"] == [OLD, NEW]
    assert signed_by([OLD])[0]["signedIdentity"] == {"type": "matchRepository"}


def test_the_policy_that_came_in_is_left_as_it_was():
    before = copy.deepcopy(FEDORA)
    merged(before)
    assert before == FEDORA


def test_a_rotation_goes_through_both_keys():
    first = merged(FEDORA, [OLD]).document
    both = merged(first, [OLD, NEW])
    assert both.changes == (f"Keys for {KDE}: 2027.pub accepted.",)
    last = merged(both.document, [NEW])
    assert last.changes == (f"Keys for {KDE}: 2026.pub withdrawn.",)
    assert our_keys(last.document["transports"]["docker"][KDE], KEYS) == [NEW]
    assert keys_in_use(both.document, KEYS) == {OLD, NEW}
    assert keys_in_use(last.document, KEYS) == {NEW}


def test_all_accepted_keys_are_not_replaced_at_once_unless_told():
    first = merged(FEDORA, [OLD, NEW]).document
    with pytest.raises(BootcError, match="None of the keys that are accepted") as refused:
        merged(first, [NEXT])
    assert refused.value.kind == "would_weaken"
    assert our_keys(merged(first, [NEXT], replace=True).document["transports"]["docker"][KDE], KEYS) == [NEXT]


@pytest.mark.parametrize(
    ("before", "through"),
    [
        (policy(**{KDE: GPG}), "signedBy"),
        (policy(**{KDE: REJECT}), "reject"),
        (policy(**{KDE: [*ACCEPT, *REJECT]}), "reject"),
        (policy(**{KDE: signed_by(["/etc/pki/theirs.pub"])}), "sigstoreSigned"),
        (policy(**{KDE: [{**signed_by([OLD])[0], "signedIdentity": {"type": "matchExact"}}]}), "sigstoreSigned"),
        (policy(**{"registry.example.com/os": REJECT}), "through what it says of registry.example.com/os: reject"),
        (policy(**{"registry.example.com": GPG}), "through what it says of registry.example.com: signedBy"),
        (policy(**{"*.example.com": GPG}), r"through what it says of \*.example.com: signedBy"),
        (policy(**{"": GPG}), "through its default: signedBy"),
        (policy(default=GPG), "through its default: signedBy"),
    ],
)
def test_a_demand_of_others_is_not_replaced_unless_told(before, through):
    with pytest.raises(BootcError, match=through) as refused:
        merged(before)
    assert refused.value.kind == "would_weaken"
    assert merged(before, replace=True).document["transports"]["docker"][KDE] == signed_by([OLD])


@pytest.mark.parametrize(
    "before",
    [
        policy(**{KDE: ACCEPT}),
        policy(**{"registry.example.com": ACCEPT}),
        policy(default=REJECT),
        policy(default=ACCEPT, **{"": REJECT}),
        # The broader entry counts only where no narrower one does.
        policy(**{"registry.example.com": GPG, "registry.example.com/os": ACCEPT}),
        # Not a parent, though it begins alike.
        policy(**{"registry.example.com/o": GPG, "registry.example.com/os/kd": GPG}),
        {"default": ACCEPT},
    ],
)
def test_what_accepts_anything_or_names_nobody_is_no_demand_of_others(before):
    assert merged(before).document["transports"]["docker"][KDE] == signed_by([OLD])


def test_our_own_broader_demand_may_be_narrowed_as_long_as_a_key_stays():
    before = merged(FEDORA, [OLD, NEW], repositories=["registry.example.com/os"]).document
    assert merged(before, [NEW]).document["transports"]["docker"][KDE] == signed_by([NEW])
    with pytest.raises(BootcError, match=r"None of the keys .* through registry\.example\.com/os") as refused:
        merged(before, [NEXT])
    assert refused.value.kind == "would_weaken"
    assert merged(before, [NEXT], replace=True).document["transports"]["docker"][KDE] == signed_by([NEXT])


OS = "registry.example.com/os"


def test_a_narrower_demand_of_ours_is_not_left_behind_by_a_rotation():
    narrow = merged(FEDORA, [OLD]).document
    one = merged(narrow, [OLD], [OS])
    assert one.notes == ()
    both = merged(one.document, [OLD, NEW], [OS])
    assert both.notes == (
        f"{KDE} is not among the repositories, and goes on accepting 2026.pub alone. Name it as well to give it the "
        "same keys, or take its demand back.",
    )
    with pytest.raises(BootcError, match=rf"demand of its own on {KDE}, which would go on accepting 2026\.pub") as no:
        merged(both.document, [NEW], [OS])
    assert no.value.kind == "would_weaken"
    left = merged(both.document, [NEW], [OS], replace=True)
    assert our_keys(left.document["transports"]["docker"][KDE], KEYS) == [OLD]
    # What was told to be left stays a note, and no failure of every run from then on.
    assert (merged(left.document, [NEW], [OS]).changes, len(left.notes)) == ((), 1)
    # Named in each step it comes along.
    for repositories in ([OS, KDE], [KDE, OS]):
        last = merged(merged(both.document, [OLD, NEW], repositories).document, [NEW], repositories)
        assert (keys_in_use(last.document, KEYS), last.notes) == ({NEW}, ())


def test_a_repository_that_is_no_longer_named_is_told_of_when_its_keys_differ():
    before = merged(FEDORA, [OLD], [KDE, "quay.io/os"]).document
    assert merged(before, [OLD], [KDE]).notes == ()
    after = merged(before, [OLD, NEW], [KDE])
    assert after.notes[0].startswith("quay.io/os is not among the repositories, and goes on accepting 2026.pub alone")


def test_a_hole_below_the_repository_is_named():
    after = merged(policy(**{f"{KDE}:nightly": ACCEPT, f"{KDE}/x": GPG, f"{KDE}-other": ACCEPT}))
    assert len(after.notes) == 1
    assert after.notes[0].startswith(f"{KDE}:nightly has an entry of its own")


def test_taking_back_leaves_the_policy_as_it_was():
    for before in (FEDORA, {"default": ACCEPT, "transports": {}}):
        after = withdraw(merged(before).document, [KDE], KEYS)
        assert after.document == before
        assert after.changes


def test_taking_back_leaves_what_others_wrote():
    before = policy(**{KDE: GPG})
    after = withdraw(before, [KDE, "registry.example.com/none"], KEYS)
    assert (after.document, after.changes) == (before, ())
    assert "Somebody else" in after.notes[0]


def test_a_default_that_rejects_keeps_what_each_transport_accepted():
    after = reject_by_default(merged(policy(**{"": REJECT})).document)
    assert after.document["default"] == REJECT
    assert after.document["transports"]["docker"][""] == REJECT
    assert after.document["transports"]["containers-storage"] == {"": ACCEPT}
    assert reject_by_default(after.document).changes == ()
    assert reject_by_default(policy(default=GPG)).document == policy(default=GPG)


def test_every_transport_of_podman_and_skopeo_is_accepted_as_before():
    names = """atomic containers-storage dir docker docker-archive docker-daemon oci oci-archive ostree sif
    tarball"""
    assert sorted(reject_by_default(policy()).document["transports"]) == names.split()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"default": []}',
        '{"default": [{}]}',
        '{"default": [{"type": "reject"}], "transports": []}',
        '{"default": [{"type": "reject"}], "transports": {"docker": {"x": []}}}',
        '{"default": [{"type": "reject"}], "transports": {"docker": {"x": {"type": "reject"}}}}',
        '{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}',
        '{"default": [{"type": "reject", "type": "insecureAcceptAnything"}]}',
        '{"default": [{"type": "reject"}], "transports": {"docker": {"x": [{"type": "reject"}], "x": []}}}',
        "[" * 100_000,
    ],
)
def test_a_broken_policy_is_refused(text):
    with pytest.raises(BootcError, match=r"policy\.json"):
        parse_policy(text, "/etc/containers/policy.json")


@pytest.mark.parametrize(
    "text", ["registry.example.com", "localhost:5000/os", "ghcr.io/a/b-c", "192.0.2.1:5000/os/kde"]
)
def test_repositories_and_shorter_beginnings_are_taken(text):
    assert check_repository(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "kde", "os/kde", f"{KDE}:v1", f"{KDE}@sha256:00", "Registry.example.com/os", f"docker://{KDE}", f"{KDE}/"],
)
def test_what_is_no_repository_is_refused(text):
    with pytest.raises(BootcError, match="is not a repository"):
        check_repository(text)


def test_the_name_of_docker_hub_that_nobody_looks_up_is_refused_with_the_right_one():
    for text, right in (("index.docker.io", r"docker\.io$"), ("index.docker.io/org/os", r"docker\.io/org/os$")):
        with pytest.raises(BootcError) as refused:
            check_repository(text)
        assert re.search(f"Write it as {right}", refused.value.remedy)
    assert check_repository("docker.io/kde") == "docker.io/kde"


SCOPES = st.sampled_from(
    ["", KDE, "registry.example.com", "registry.example.com/os", f"{KDE}:v1", "quay.io/x", "*.com"]
)
REQUIREMENTS = st.sampled_from([ACCEPT, REJECT, GPG, signed_by([OLD]), signed_by([OLD, NEW]), signed_by(["/x.pub"])])
POLICIES = st.builds(
    lambda default, docker, others: {"default": default, "transports": {"docker": docker, "oci": others}},
    REQUIREMENTS,
    st.dictionaries(SCOPES, REQUIREMENTS),
    st.dictionaries(st.just(""), REQUIREMENTS),
)


@given(POLICIES, st.lists(st.sampled_from([OLD, NEW, NEXT]), min_size=1, unique=True), st.booleans())
def test_nothing_but_the_repository_is_ever_touched_and_a_second_merge_changes_nothing(before, keys, replace):
    try:
        after = merged(before, keys, replace=replace)
    except BootcError as refused:
        assert refused.kind == "would_weaken"
        assert not replace
        return
    rest = copy.deepcopy(after.document)
    assert rest["transports"]["docker"].pop(KDE) == signed_by(keys)
    expected = copy.deepcopy(before)
    expected["transports"]["docker"].pop(KDE, None)
    assert rest == expected
    again = merged(after.document, keys)
    assert (again.document, again.changes) == (after.document, ())
    assert parse_policy(render_policy(after.document), "policy.json") == json.loads(json.dumps(after.document))
