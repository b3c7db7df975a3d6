# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollout playbook takes for the address of a web service."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.simulated_fleet import PLAYBOOKS


def is_address(text: str) -> bool:
    """As the playbook judges it."""
    plays: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / "rollout.yml").read_text(encoding="utf-8"))
    (check,) = (task for play in plays for task in play["tasks"] if "bootc_rollout_address" in task.get("vars", {}))
    address, control = (check["vars"][f"bootc_rollout_{name}"] for name in ("address", "control"))
    return bool(re.match(address, text, re.IGNORECASE)) and not re.search(control, text)


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.example.com/T0/SECRET",
        "HTTPS://hooks.example.com",
        "http://127.0.0.1:8080/hook?key=a%20b&c=[d]#e",
        "https://[2001:db8::1]:8443/hook",
        "https://ann:p@ss@hooks.example.com/hook",
        "https://bücher.example/hook",
    ],
)
def test_an_address_is_taken(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example.com/T0/SECRET",
        "ftp://hooks.example.com/SECRET",
        "https://hooks.example.com/T0/SEC RET",
        "https://hooks.example.com/SECRET\n/x",
        "https://hooks.example.com\x00/SECRET",
        "https://hooks.example.com/SÉCRET",
        "https://hooks.example.com:SECRET/",
        "https://[SECRET/",
        "https:///SECRET",
        "https://:443/SECRET",
        "https://user@/SECRET",
        "https:SECRET",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert not is_address(address)
