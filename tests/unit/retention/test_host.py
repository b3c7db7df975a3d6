# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host joined from bootc, ostree and the device's memory, and what is refused because they disagree."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.commands import (
    collect_command,
    delete_command,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.listing import (
    Listed,
    index_of,
    list_deployments,
    parse_listing,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.model import (
    build_host,
    predicted_status,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.plan import Wish, plan
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Slot, Status
from ansible_collections.skorionos.bootc.plugins.module_utils._device import pins
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import CommandMissing, Completed
from ansible_collections.skorionos.bootc.plugins.module_utils._device.pins import Pin
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

from .builders import words


def slot(name: str, **more: Any) -> Slot:
    return Slot(image="r.example/os", digest=f"sha256:{name * 64}", version=name, deployment=f"{name * 64}.0", **more)


def listed(name: str, index: int, **more: Any) -> Listed:
    return Listed(name * 64, 0, more.pop("stateroot", "default"), index, version=name, **more)


STATUS = Status(
    "1.16.9",
    "ostree",
    booted=slot("c"),
    staged=slot("d"),
    rollback=slot("b"),
    others=(slot("a", pinned=True), slot("f")),
)
LISTING = (
    listed("d", 0, staged=True),
    listed("c", 1, booted=True),
    listed("b", 2),
    listed("a", 3, pinned=True),
    listed("f", 4, stateroot="another"),
)


def test_joined() -> None:
    joined = build_host(STATUS, LISTING, {"a" * 64 + ".0": "keep"})
    assert words(joined) == ["d=staged", "c=booted", "b=rollback", "a=other:keep", "f=foreign"]
    assert joined.deployments[3].digest == "sha256:" + "a" * 64
    assert words(build_host(STATUS, LISTING, {}))[3] == "a=other:hand"


def test_a_record_of_ours_does_not_claim_the_pin_of_another_stateroot() -> None:
    status = replace(STATUS, others=(slot("a", pinned=True), slot("f", pinned=True)))
    listing = (*LISTING[:4], replace(LISTING[4], pinned=True))
    assert words(build_host(status, listing, {"f" * 64 + ".0": "keep"}))[4] == "f=foreign:hand"


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param(LISTING[1:], id="one is missing"),
        pytest.param((*LISTING, listed("e", 5)), id="one more"),
        pytest.param((*LISTING[:3], replace(LISTING[3], pinned=False), LISTING[4]), id="another pin"),
        pytest.param(
            (LISTING[0], replace(LISTING[1], booted=False), replace(LISTING[2], booted=True), *LISTING[3:]),
            id="another one is booted",
        ),
        pytest.param((replace(LISTING[0], staged=False), *LISTING[1:]), id="nothing is staged"),
        pytest.param((*LISTING[:2], LISTING[3], LISTING[2], LISTING[4]), id="another rollback"),
    ],
)
def test_nothing_is_touched_when_bootc_and_ostree_disagree(listing: tuple[Listed, ...]) -> None:
    with pytest.raises(BootcError, match="disagree") as refused:
        build_host(STATUS, listing, {})
    assert refused.value.kind == "unexpected"
    assert {"bootc", "ostree"} <= set(refused.value.data)


def test_an_old_bootc_tells_of_fewer_and_that_is_no_disagreement() -> None:
    old = replace(STATUS, bootc_version="1.2.0", others=())
    joined = build_host(old, LISTING, {})
    assert words(joined)[3] == "a=other:hand"
    assert joined.deployments[3].digest is None


def test_composefs_is_ordered_as_its_boot_menu() -> None:
    status = replace(STATUS, backend="composefs", others=(), rollback_queued=True)
    assert words(build_host(status, None, {})) == ["d=staged", "b=rollback", "c=booted"]


def test_the_predicted_status_has_the_pins_and_not_what_is_gone() -> None:
    planned = plan(build_host(STATUS, LISTING, {}), Wish(pin=("c",), delete=("a",)))
    predicted = predicted_status(STATUS, planned.predicted)
    assert predicted.booted == replace(slot("c"), pinned=True)
    assert (predicted.staged, predicted.rollback, predicted.others) == (slot("d"), slot("b"), (slot("f"),))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployments": [{}]}', '{"deployments": [[]]}', "[" * 100_000])
def test_a_listing_that_makes_no_sense_is_an_error_with_its_text(text: str) -> None:
    with pytest.raises(BootcError) as refused:
        parse_listing(text)
    assert refused.value.kind == "unexpected"


def test_numbers_are_those_of_ostree_and_its_own_stateroot() -> None:
    entry = {"checksum": "a" * 64, "serial": 0, "booted": False}
    text = json.dumps({"deployments": [{**entry, "stateroot": "another"}, {**entry, "stateroot": "default"}]})
    listing = parse_listing(text)
    assert index_of(listing, "a" * 64 + ".0", "default") == 1
    assert index_of(listing, "b" * 64 + ".0", "default") is None


def test_an_ostree_that_lists_no_json_is_too_old() -> None:
    with pytest.raises(BootcError) as refused:
        list_deployments(lambda *_arguments, **_more: Completed(1, stderr=b"error: Unknown option --json"), 1)
    assert refused.value.kind == "unsupported_version"


def test_without_ostree() -> None:
    def run(*_arguments: object, **_more: object) -> Completed:
        raise CommandMissing("ostree is not there")

    with pytest.raises(BootcError, match="Install ostree"):
        list_deployments(run, 1)


@pytest.mark.parametrize(
    ("version", "command"),
    [
        ("1.16.0", ("bootc", "internals", "composefs-gc", "--prune-repo")),
        ("1.15.2", ("bootc", "internals", "composefs-gc")),
        ("1.13.0", None),
    ],
)
def test_how_garbage_is_collected_depends_on_the_version(version: str, command: tuple[str, ...] | None) -> None:
    status = Status(version, "composefs", booted=slot("a"))
    if command is None:
        with pytest.raises(BootcError) as refused:
            collect_command(status)
        assert refused.value.kind == "unsupported_version"
    else:
        assert collect_command(status) == command


def test_deleting_needs_a_bootc_that_can() -> None:
    with pytest.raises(BootcError) as refused:
        delete_command(Status("1.10.0", "composefs", booted=slot("a")), "b")
    assert refused.value.kind == "unsupported_version"


# -- memory ------------------------------------------------------------------------------------------------------------


def test_pins_are_remembered(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    assert pins.read_pins() == ()
    remembered = (Pin("a.0", "sha256:a", "keep", "t1"), Pin("b.0", None, "request", "t2"))
    pins.write_pins(remembered)
    assert pins.read_pins() == remembered


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[1, {}]", '[{"deployment": 1, "by": "keep", "at": "t"}]'])
def test_a_memory_that_makes_no_sense_claims_no_pin(tmp_path, monkeypatch, text) -> None:
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    path = tmp_path / pins.PINS.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert pins.read_pins() == ()
