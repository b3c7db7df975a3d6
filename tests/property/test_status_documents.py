# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a host says about itself is understood or refused, and every plan leads to where there is nothing to do."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.reference import Reference, parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Status, parse_status
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.transitions import (
    NothingStaged,
    Rollback,
    Switch,
    Update,
    after_reboot,
    mismatch,
    plan,
    require_supported,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.markers import RollbackMark
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bootc.states import REPOSITORY, TAG, back, digest, state

DATA = Path(__file__).parents[1] / "unit" / "bootc" / "data"
EXAMPLES = [json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))]
VERSIONS = st.sampled_from(["1.1.0", "1.9.0", "1.11.0", "1.12.0", "1.13.0", "1.16.3", "1.16.9", "1.17.0", None])

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


def _paths(node, prefix=()):
    yield prefix
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from _paths(child, (*prefix, key))


@st.composite
def fuzzed_documents(draw):
    """An example in which some values are anything or missing."""
    document = json.loads(json.dumps(draw(st.sampled_from(EXAMPLES))))
    for _round in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from([path for path in _paths(document) if path]))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            parent[path[-1]] = draw(junk)
        else:
            del parent[path[-1]]
    return document


@settings(max_examples=150, deadline=None)
@given(fuzzed_documents(), VERSIONS)
def test_fuzzed_documents_are_understood_or_refused(document, version):
    try:
        status = parse_status(json.dumps(document), version)
    except BootcError as exc:
        assert exc.kind == "unexpected"
        return
    as_dict = status.as_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["next_boot"] is None or as_dict[as_dict["next_boot"]] is not None
    assert as_dict["is_bootc"] is (as_dict["booted"] is not None)
    for desired in (Update(), Update(tag="other"), Rollback(), Switch(TAG), NothingStaged()):
        try:
            plan(status, desired)
        except BootcError as exc:
            assert exc.remedy


@given(st.text(max_size=60))
def test_any_text_is_a_status_document_or_not(text):
    with suppress(BootcError):
        parse_status(text, None)


LETTERS = st.sampled_from("abcd")


@st.composite
def states(draw) -> Status:
    backend = draw(st.sampled_from(["ostree", "composefs"]))
    # composefs hosts never have two deployments of one content
    letters = draw(st.lists(LETTERS, min_size=4, max_size=4, unique=backend == "composefs"))
    has_rollback = draw(st.booleans())
    names = {
        name: draw(st.sampled_from([TAG, f"{REPOSITORY}:other", f"{REPOSITORY}@{digest(letter)}"]))
        for name, letter in zip(("booted", "staged", "rollback"), letters)
    }
    return replace(
        state(
            letters[0],
            letters[1] if draw(st.booleans()) else None,
            letters[2] if has_rollback else None,
            backend=backend,
            parked=draw(st.booleans()),
            queued=has_rollback and draw(st.booleans()),
            others=letters[3] if draw(st.booleans()) else "",
            images=names,
            version=draw(st.sampled_from(["1.9.0", "1.11.0", "1.12.0", "1.14.0", "1.15.2", "1.16.9"])),
        ),
        read_only=draw(st.booleans()),
    )


@st.composite
def wishes(draw):
    letter = draw(LETTERS)
    known = {"accept": frozenset([digest(letter)]), "digest": digest(letter)}
    kind = draw(st.sampled_from(["pin", "tag", "accepted", "update", "unknown", "downloaded", "nothing", "rollback"]))
    if kind in ("pin", "tag", "accepted"):
        return draw(switches(kind, letter, known))
    history = back(*draw(st.lists(st.tuples(LETTERS, LETTERS), max_size=3)))
    repeat = draw(st.booleans())
    if kind == "rollback":
        return Rollback(draw(st.booleans()), repeat, draw(st.booleans()), history)
    tag = draw(st.sampled_from([None, "stable", "other"]))
    return {
        "update": Update(draw(st.booleans()), **known, repeat=repeat, history=history, tag=tag),
        "unknown": Update(draw(st.booleans()), repeat=repeat, history=history, tag=tag),
        "downloaded": Update(from_downloaded=True, repeat=repeat, history=history),
        "nothing": NothingStaged(),
    }[kind]


def switches(kind, letter, known):
    if kind == "pin":
        return st.builds(
            Switch, st.just(f"{REPOSITORY}@{digest(letter)}"), enforce_signature=st.booleans(), **constants(known)
        )
    if kind == "tag":
        return st.builds(
            Switch, st.sampled_from([TAG, f"{REPOSITORY}:other"]), by_name=st.just(True), **constants(known)
        )
    return st.builds(Switch, st.just(TAG), **constants(known))


def constants(known):
    return {name: st.just(value) for name, value in known.items()}


@settings(max_examples=400, deadline=None)
@given(states(), wishes())
def test_a_plan_leads_to_where_there_is_nothing_to_do(status, wish):
    try:
        transition = plan(status, wish)
    except BootcError as exc:
        assert exc.remedy
        return
    assert transition.changed is bool(transition.commands)
    if not transition.commands:
        assert transition.predicted == status
    assert transition.predicted.booted == status.booted
    assert transition.predicted.rollback == status.rollback
    assert mismatch(transition, status, transition.predicted) is None
    looked_up = not isinstance(wish, Update) or wish.accept or wish.from_downloaded
    if looked_up:
        assert plan(transition.predicted, wish).commands == ()
    require_supported(status, transition.commands)


@settings(max_examples=200, deadline=None)
@given(states(), wishes())
def test_an_update_never_takes_a_queued_rollback_away_unasked(status, wish):
    if not isinstance(wish, Update) or wish.repeat or status.next_boot != "rollback":
        return
    with suppress(BootcError):
        assert plan(status, wish).predicted.next_boot == "rollback"


@settings(max_examples=200, deadline=None)
@given(states(), wishes(), st.sampled_from(["1.9.0", "1.11.0", "1.12.0", "1.14.0"]))
def test_an_older_bootc_is_asked_for_nothing_it_does_not_know(status, wish, version):
    older = replace(status, bootc_version=version)
    try:
        commands = plan(older, wish).commands
    except BootcError as exc:
        assert exc.remedy
        return
    words = {word for command in commands for word in command}
    assert "--tag" not in words
    assert not (words & {"--download-only", "--from-downloaded"}) or version in ("1.12.0", "1.14.0")
    assert "delete-deployment" not in words or version != "1.9.0"


@settings(max_examples=200, deadline=None)
@given(states(), wishes())
def test_a_switch_or_an_armed_update_is_what_runs_after_the_reboot(status, wish):
    if not isinstance(wish, Switch) or "@" not in wish.image:
        return
    try:
        transition = plan(status, wish)
    except BootcError:
        return
    booted = after_reboot(transition.predicted).booted
    assert booted is not None
    assert booted.digest in wish.accept


@settings(max_examples=100, deadline=None)
@given(states(), st.booleans())
def test_a_rollback_is_where_the_device_goes_and_stays(status, discard):
    try:
        transition = plan(status, Rollback(discard_staged=discard))
    except BootcError:
        return
    assert status.rollback is not None and status.booted is not None
    after = after_reboot(transition.predicted)
    assert after.booted is not None
    assert after.booted.digest == status.rollback.digest
    history = (RollbackMark(status.booted.content, status.rollback.content, "t"),)
    again = plan(replace(after, read_only=False), Rollback(discard_staged=discard, history=history))
    assert again.commands == ()


@given(st.text(alphabet="aA1.:/@-_ \nsh256", max_size=40))
def test_any_text_is_a_reference_or_refused_with_a_remedy(text):
    try:
        reference = parse_reference(text)
    except BootcError as exc:
        assert (exc.kind, bool(exc.remedy)) == ("invalid", True)
        return
    assert parse_reference(reference.name) == Reference(
        reference.repository, None if reference.digest else reference.tag, reference.digest
    )
