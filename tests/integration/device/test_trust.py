# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role device_trust over the simulated connection: a key comes, another takes its place, all is taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.role_bench import RoleBench
from tests.simulated_fleet import registry

pytestmark = pytest.mark.integration

OS = "registry.example.com/os"


@pytest.fixture
def bench(tmp_path: Path, collections_path: Path) -> Iterator[RoleBench]:
    for name, content in (("2026", "MANvbGQ="), ("2027", "MANuZXc="), ("2028", "MARuZXh0")):
        text = f"-----BEGIN PUBLIC KEY-----\n{content}\n-----END PUBLIC KEY-----\n"
        (tmp_path / f"{name}.pub").write_text(text, encoding="utf-8")
    with registry(tmp_path) as address:
        made = RoleBench(tmp_path, address, collections_path)
        made.add("deck", "--backend", "ostree")
        yield made


def role(bench: RoleBench, *keys: str, **variables: Any) -> dict[str, Any]:
    files = [str(bench.root / f"{key}.pub") for key in keys]
    return {
        "name": f"Run the role with {keys}",
        "ansible.builtin.include_role": {"name": "skorionos.bootc.device_trust"},
        "vars": {"device_trust_repositories": [OS], "device_trust_keys": files, **variables},
    }


def expect(*conditions: str) -> dict[str, Any]:
    return {"name": "Look at it", "ansible.builtin.assert": {"that": list(conditions)}}


def test_a_key_is_rotated_on_a_device_and_the_demand_taken_back(bench: RoleBench) -> None:
    policy = bench.root / "deck" / "root" / "etc" / "containers" / "policy.json"
    in_one_step = {
        "name": "Try it in one step",
        "block": [role(bench, "2028"), {"name": "Never", "ansible.builtin.fail": {"msg": "it went through"}}],
        "rescue": [expect("ansible_failed_result.reason == 'would_weaken'")],
    }
    done = bench.play(
        [
            role(bench, "2026"),
            expect("device_trust_result.changed", "device_trust_result.accepted == ['2026']"),
            role(bench, "2026"),
            expect("not device_trust_result.changed"),
            in_one_step,
            role(bench, "2026", "2027"),
            role(bench, "2027", device_trust_reject_by_default=True),
            expect("device_trust_result.changes[0] == 'Keys for " + OS + ": 2026.pub withdrawn.'"),
        ],
        "device_trust_result",
    )
    assert done.rc == 0, done.output
    assert "not tried" in done.facts["deck"]["notes"][0]
    only = json.loads(policy.read_text(encoding="utf-8"))["transports"]["docker"][OS]
    assert only[0]["keyPath"] == "/etc/containers/skorionos-bootc/2027.pub"
    assert [path.name for path in (policy.parent / "skorionos-bootc").iterdir()] == ["2027.pub"]

    # With that default bootc enforces signatures, which it refuses otherwise. Images from elsewhere are as they were.
    bench.simulate("deck", "bootc", "switch", "--enforce-container-sigpolicy", bench.image("v1.1.0"))
    assert bench.status("deck")["staged"]["image"]["image"]["signature"] == "containerPolicy"

    predicted = bench.play([role(bench, device_trust_state="absent")], "device_trust_result", "--check")
    assert (predicted.rc, predicted.facts["deck"]["changed"]) == (0, True)
    assert json.loads(policy.read_text(encoding="utf-8"))["transports"]["docker"][OS] == only
    assert bench.play([role(bench, device_trust_state="absent")], "device_trust_result").rc == 0
    after = json.loads(policy.read_text(encoding="utf-8"))
    assert after["transports"]["docker"] == {"": [{"type": "insecureAcceptAnything"}]}
