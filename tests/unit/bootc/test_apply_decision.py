# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device is rebooted, how, and what keeps it from that; without a device."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.apply import Device, decide_apply, decide_now
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.apply_options import ApplyOptions
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.soft_reboot import choose_soft
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Status
from ansible_collections.skorionos.bootc.plugins.module_utils._device.inhibitors import Finding, Inhibitor
from ansible_collections.skorionos.bootc.plugins.module_utils._device.markers import RollbackMark
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

from .states import state


def staged(capable: bool | None = True, **changes) -> Status:
    status = state("b", staged="n", rollback="a", **changes)
    return replace(status, staged=replace(status.staged, soft_reboot_capable=capable))


def mark(status: Status, why: str | None) -> RollbackMark:
    return RollbackMark.now(status.next_slot.content, status.booted.content, why)


def quiet(findings=None) -> Device:
    return Device(sessions=lambda: (), look=lambda entry: (findings or {})[entry.kind])


def test_a_device_is_rebooted_into_what_is_staged():
    decision = decide_apply(staged(), ())
    assert (decision.verdict, decision.kind) == (None, "reboot")
    assert decision.expect == (staged().staged.digest,)


def test_nothing_to_apply_and_something_else_to_apply():
    idle = state("b", rollback="a")
    assert decide_apply(idle, ()).verdict == "nothing_to_apply"
    assert decide_apply(idle, ("sha256:other",)).verdict == "unexpected_digest"
    assert decide_apply(staged(), ("sha256:other",)).verdict == "unexpected_digest"


def test_no_bootc_host_is_no_device_to_reboot():
    with pytest.raises(BootcError) as caught:
        decide_apply(Status(), ())
    assert caught.value.kind == "not_bootc"


def test_content_the_device_fell_back_from_is_not_tried_again_unasked():
    status = replace(state("b", rollback="n"), rollback_queued=True)
    fell = decide_apply(status, (), mark(status, "fell_back"))
    assert (fell.verdict, fell.why) == ("unexpected_digest", "fell_back")
    assert "expect_digests" in fell.detail
    named = (status.rollback.digest,)
    assert decide_apply(status, named, mark(status, "fell_back")).verdict is None
    assert decide_apply(status, (), mark(status, None)).verdict is None
    assert decide_apply(status, (), None).verdict is None


@pytest.mark.parametrize(
    ("policy", "capable", "version", "kind"),
    [
        ("never", True, "1.16.9", "reboot"),
        ("allowed", True, "1.16.9", "soft_reboot"),
        ("allowed", False, "1.16.9", "reboot"),
        ("allowed", None, "1.16.9", "reboot"),
        ("allowed", True, "1.6.0", "reboot"),
        ("required", True, "1.7.0", "soft_reboot"),
    ],
)
def test_how_it_is_rebooted(policy, capable, version, kind):
    status = replace(staged(capable), bootc_version=version)
    assert decide_now(status, ApplyOptions(soft_reboot=policy), None, quiet()).kind == kind


@pytest.mark.parametrize(
    ("backend", "capable", "version", "reason"),
    [
        ("ostree", False, "1.16.9", "incompatible"),
        ("ostree", None, "1.16.9", "incompatible"),
        ("ostree", True, "1.6.0", "unsupported_version"),
        ("composefs", True, "1.11.0", "unsupported_version"),
        ("composefs", False, "1.16.9", "incompatible"),
    ],
)
def test_a_soft_reboot_that_is_required_and_cannot_be(backend, capable, version, reason):
    status = replace(staged(capable, backend=backend), bootc_version=version)
    with pytest.raises(BootcError) as caught:
        choose_soft(status, "required")
    assert caught.value.kind == reason


def test_what_inhibits_is_told_all_at_once_and_nothing_is_asked_where_nothing_is_to_apply():
    findings = {"game": Finding(True, "steam 730 running"), "metered": Finding(None, "who knows")}
    options = ApplyOptions(inhibitors=(Inhibitor("game"), Inhibitor("metered", allow_unknown=True)))
    decision = decide_now(staged(), options, None, quiet(findings))
    assert (decision.verdict, decision.kind) == ("inhibited", "none")
    assert [obstacle.as_dict()["kind"] for obstacle in decision.obstacles] == ["game"]
    assert "steam 730 running" in decision.detail
    assert decide_now(state("b", rollback="a"), options, None, quiet()).verdict == "nothing_to_apply"
