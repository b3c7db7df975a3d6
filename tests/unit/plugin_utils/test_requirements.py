# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device has the hardware an image asks for."""

from __future__ import annotations

from copy import deepcopy

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.skorionos.bootc.plugins.filter.device_requirements import filter_device_requirements
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts import product
from hypothesis import given, settings
from hypothesis import strategies as st

DECK = {
    "hardware": {
        "architecture": "amd64",
        "machine": "x86_64",
        "memory_bytes": 15_360_000_000,
        "product": {"vendor": "Valve", "name": "Galileo", "board_name": "Galileo"},
        "gpus": [{"card": "card0", "driver": "amdgpu"}],
        "mesa": {"installed": True, "version": "25.2.3"},
    },
    "storage": {"system": {"total_bytes": 510_000_000_000}},
}


@pytest.fixture(scope="module")
def asked(repository):
    """What the role asks by default."""
    role = repository / "roles" / "device_requirements"
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    data = yaml.safe_load((role / "vars" / "main.yml").read_text(encoding="utf-8"))
    return {
        "minimum": defaults["device_requirements_minimum"],
        "recommended": defaults["device_requirements_recommended"],
        "gpu_drivers": data["__device_requirements_mesa_drivers"],
        "tested": data["__device_requirements_tested"],
        "memory_tolerance_percent": defaults["device_requirements_memory_tolerance_percent"],
        "disk_tolerance_percent": defaults["device_requirements_disk_tolerance_percent"],
    }


def changed(path, value):
    device = deepcopy(DECK)
    *parents, last = path.split(".")
    place = device
    for name in parents:
        place = place[name]
    place[last] = value
    return device


def test_a_tested_device_with_all_that_is_needed(asked):
    assert filter_device_requirements(DECK, **asked) == {
        "verdict": "supported",
        "reasons": [],
        "warnings": [],
        "unknown": [],
        "tested": "Steam Deck OLED",
        "product": "Valve Galileo",
    }


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("hardware.architecture", "arm64", "The architecture is arm64, not amd64."),
        ("hardware.memory_bytes", 3_100_000_000, "It has 3.1 GB of memory; 4 GB are needed."),
        ("storage.system.total_bytes", 15_900_000_000, "It has 15.9 GB of disk; 30 GB are needed."),
        ("hardware.gpus", [], "It has no graphics card."),
        ("hardware.gpus", [{"driver": "nvidia"}], "which the kernel drives with nvidia."),
    ],
)
def test_what_is_missing_is_said(asked, path, value, reason):
    verdict = filter_device_requirements(changed(path, value), **asked)
    assert verdict["verdict"] == "unsupported"
    assert reason in verdict["reasons"][0]


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("hardware.memory_bytes", "memory"),
        ("storage.system", "disk"),
        ("hardware.gpus", "graphics"),
    ],
)
@pytest.mark.parametrize("value", [None, "much", [None]])
def test_what_is_unknown_never_makes_it_supported(asked, path, unknown, value):
    if (path, value) == ("hardware.gpus", [None]):
        value = [{"driver": None}]
    verdict = filter_device_requirements(changed(path, value), **asked)
    assert (verdict["verdict"], verdict["unknown"]) == ("untested", [unknown])


def test_an_unknown_device_knows_what_it_does_not_know(asked):
    verdict = filter_device_requirements({}, **asked)
    assert verdict["verdict"] == "untested"
    assert verdict["unknown"] == ["architecture", "memory", "disk", "graphics"]


def test_a_machine_of_four_gigabytes_tells_less(asked):
    device = changed("hardware.memory_bytes", 3_650_000_000)
    verdict = filter_device_requirements(device, **asked)
    assert (verdict["verdict"], verdict["warnings"]) == (
        "supported",
        ["It has 3.6 GB of memory; 8 GB are recommended."],
    )
    assert filter_device_requirements(device, minimum=asked["minimum"])["verdict"] == "unsupported"


def test_a_product_nobody_tried_is_untested(asked):
    verdict = filter_device_requirements(changed("hardware.product.name", "NUC"), **asked)
    assert (verdict["verdict"], verdict["tested"], verdict["product"]) == ("untested", None, "Valve NUC")


def test_a_second_card_without_mesa_does_not_matter(asked):
    device = changed("hardware.gpus", [{"driver": "nvidia"}, {"driver": "i915"}])
    assert filter_device_requirements(device, **asked)["verdict"] == "supported"


def test_a_system_without_mesa_rules_no_hardware_out(asked):
    verdict = filter_device_requirements(changed("hardware.mesa", {"installed": False}), **asked)
    assert (verdict["verdict"], len(verdict["warnings"])) == ("supported", 1)


@pytest.mark.parametrize(
    ("vendor", "name", "board", "tested"),
    [
        ("Valve", "Jupiter", "Jupiter", "Steam Deck LCD"),
        ("ASUSTeK COMPUTER INC.", "ROG Ally RC71L_RC71L", "RC71L", "ROG Ally"),
        ("ASUSTeK COMPUTER INC.", "ROG Ally X RC72LA_RC72LA", "RC72LA", "ROG Ally X"),
        ("LENOVO", "83E1", "LNVNB161216", "Legion Go"),
        ("AYANEO", "AIR Plus", "AB05-AMD", "AYANEO AIR"),
        ("GPD", "G1618-04", "G1618-04", "GPD Win 4"),
        ("ONE-NETBOOK TECHNOLOGY CO., LTD.", "ONE XPLAYER", "ONE XPLAYER", "OneXPlayer"),
        ("ONE-NETBOOK", "ONEXPLAYER Mini Pro", "", "OneXPlayer"),
        ("Micro-Star International Co., Ltd.", "Claw A1M", "MS-1T41", "MSI Claw"),
        ("Micro-Star International Co., Ltd.", "MS-7C56", "", None),
        ("ASUSTeK COMPUTER INC.", "ROG STRIX", "X670", None),
    ],
)
def test_products_of_the_table_are_recognised(asked, vendor, name, board, tested):
    device = changed("hardware.product", {"vendor": vendor, "name": name, "board_name": board})
    assert filter_device_requirements(device, **asked)["tested"] == tested
    family = product.judge({"sys_vendor": vendor, "product_name": name, "board_name": board}, False).family
    assert (family not in ("generic", "vm")) is (tested is not None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"minimum": {"ram": 4}},
            "minimum has the unknown key 'ram'. Known are architectures, memory_bytes, disk_bytes",
        ),
        ({"minimum": {"memory_bytes": "4G"}}, "memory_bytes of minimum is '4G'"),
        ({"minimum": {"architectures": "amd64"}}, "architectures of minimum is no list"),
        ({"recommended": ["x"]}, "recommended is no mapping"),
        ({"gpu_drivers": "amdgpu"}, "gpu_drivers is a text"),
        ({"tested": [{"vendor": "x"}]}, "Number 1 of the tested devices has no name"),
        ({"tested": [{"name": "x"}]}, "'x' has nothing to be recognised by"),
        ({"tested": [{"name": "x", "serial": "1"}]}, "unknown key 'serial'"),
        ({"memory_tolerance_percent": 100}, "memory_tolerance_percent is 100"),
    ],
)
def test_demands_that_make_no_sense_are_refused(options, message):
    with pytest.raises(AnsibleFilterError) as raised:
        filter_device_requirements(DECK, **options)
    assert message in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["hardware", "storage", "system", "gpus", "product", "memory_bytes", "total_bytes", "mesa"])


@settings(deadline=None)
@given(device=st.dictionaries(NAMES, st.dictionaries(NAMES, JSON, max_size=4) | JSON, max_size=4))
def test_no_answer_of_a_device_makes_the_judgement_fail(asked, device):
    assert filter_device_requirements(device, **asked)["verdict"] in ("untested", "unsupported")
