# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.files import read_fleet
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.groups import shared_groups
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.members import Member, members
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError

NIGHT = {"start": "22:00", "length": "6h"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def fleet(folder: Path, text: str, **others: str) -> list[Member]:
    for name, content in others.items():
        (folder / f"{name}.yml").write_text(textwrap.dedent(content), encoding="utf-8")
    path = folder / "fleet.yml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return read_fleet(path, load(path), load, {"memory": {"type": "string"}})


def test_a_range_with_addresses_becomes_as_many_devices() -> None:
    found = members({"devices": [{"name": "kiosk-[08:10]", "address": "192.0.2.[8:10]", "variant": "gnome"}]})
    assert [(one.name, one.variables["ansible_host"]) for one in found] == [
        ("kiosk-08", "192.0.2.8"),
        ("kiosk-09", "192.0.2.9"),
        ("kiosk-10", "192.0.2.10"),
    ]
    assert found[0].labels == {"variant": "gnome"}


def test_the_nearest_word_counts_and_variables_add_up() -> None:
    (one,) = members(
        {
            "defaults": {
                "windows": {"apply": [NIGHT], "download": [NIGHT]},
                "ring": "rest",
                "reach": {"user": "admin", "port": 22},
                "vars": {"a": 1, "b": 1},
            },
            "templates": {
                "any": {"variant": "kde", "vars": {"b": 2, "c": 2}},
                "deck": {"template": "any", "model": "Deck", "ring": "early"},
            },
            "devices": [
                {
                    "name": "x",
                    "template": "deck",
                    "ring": "canary",
                    "reach": {"port": 2222, "jump": "a@gate"},
                    "windows": {"download": []},
                }
            ],
        }
    )
    assert one.variables == {
        "bootc_variant": "kde",
        "bootc_model": "Deck",
        "bootc_ring": "canary",
        "bootc_windows": {"apply": [NIGHT], "download": []},
        "ansible_user": "admin",
        "ansible_port": 2222,
        "ansible_ssh_common_args": "-o ProxyJump=a@gate",
        "a": 1,
        "b": 2,
        "c": 2,
    }


def test_a_time_zone_may_be_a_template() -> None:
    for zone in ("{{ site_zone }}", "{% if late %}UTC{% endif %}"):
        (one,) = members({"x-own": [1], "devices": [{"name": "x", "timezone": zone}]})
        assert one.variables == {"bootc_timezone": zone}


def test_what_files_include_is_one_fleet(tmp_path: Path) -> None:
    found = fleet(
        tmp_path,
        """
        include: ["site-*.yml"]
        templates: {deck: {variant: kde}}
        devices: [{name: a, template: deck}]
        """,
        **{"site-1": "devices: [{name: b, template: deck}]", "site-2": "include: [fleet.yml]\ndevices: [{name: c}]"},
    )
    assert [one.name for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "devices:\n- name: a\n  varient: kde",
            "fleet.yml is not a valid fleet file: line 3, devices[0]: unknown key 'varient'. Did you mean 'variant'?",
        ),
        ("devices:\n- name: a\n- name: b\n  reach:\n    port: 0", "line 5, devices[1].reach.port: 0 is less than 1"),
        ("devices:\n- name: a\n  reach: {jump: '-oProxyCommand=x'}", "line 3"),
        ("devices:\n- name: a\n- name: a", "fleet.yml, line 3: The device a is there already"),
        ("devices:\n- name: a\n  template: t", "fleet.yml, line 3: There is no template 't'. Known templates: none."),
        ("templates:\n  a: {template: b}\n  b: {template: a}", "build on each other in a circle: a -> b -> a"),
        ("devices:\n- name: 'a b'", "line 2: 'a b' cannot be the name of a host"),
        ("devices:\n- name: 'a-[1:0]'", "line 2: The range in 'a-[1:0]' holds nothing"),
        ("devices:\n- name: 'a-[01:100]'", "Write both with the same number of digits"),
        ("devices:\n- name: 'a-[1:3]'\n  address: 'b-[1:2]'", "line 3: 'b-[1:2]' makes 2 addresses for 3 names"),
        ("devices:\n- name: 'a-[1:1000][1:1000]'", "stands for more than 100000 devices"),
        (
            "devices:\n- name: 'a-[1:99999999999999999999]'",
            "line 2: The range in 'a-[1:99999999999999999999]' has",
        ),
        (f"devices:\n- name: 'a-[1:{'9' * 5000}]'", "has a number of more than 18 digits. Make it smaller."),
        (f"devices:\n- name: 'a-[1:9:{'9' * 5000}]'", "has a number of more than 18 digits. Make it smaller."),
        ("devices:\n- name: 'a-[1:999999999999999999]'", "stands for more than 100000 devices"),
        ("include: [nowhere.yml]", "fleet.yml, line 1: no file is named 'nowhere.yml' there"),
        (
            "devices:\n- name: a\n  windows:\n    apply:\n    - {start: 3:00, length: 2h}",
            "line 5, devices[0].windows.apply[0].start: 180 is not of type 'string'. Write a time of day in quotes",
        ),
        (
            "templates:\n  t:\n    windows:\n      apply:\n      - start: '03:00'\n        length: 8d\n        tz: UTC",
            "fleet.yml, line 5: windows.apply[0].length: '8d' is not a length that a window can have. Write one",
        ),
        (
            "defaults: {windows: {apply: [{start: '03:00', length: 1h, tz: X}]}}",
            "line 1: windows.apply[0].tz: 'X'",
        ),
        (
            "devices:\n- name: a\n  timezone: Europe/Berln",
            "fleet.yml, line 3: timezone: 'Europe/Berln' is not a time zone that this machine knows. Write `UTC` or",
        ),
        ("templates:\n  t:\n    timezone: X", "fleet.yml, line 3: timezone: 'X'"),
        ("defaults:\n  timezone: device", "fleet.yml, line 2: timezone: 'device'"),
        ("devices:\n- name: 'a-[1:5:00]'", "line 2: The range in 'a-[1:5:00]' holds nothing"),
        ("devices:\n- name: b\n- name: localhost", "line 3: 'localhost' is the controller, and no device"),
        ("devices:\n- name: all", "line 2: 'all' is Ansible's name for everybody"),
        (
            "devices:\n- name: a\n  variant: kde\n- name: variant_kde",
            "line 4: 'variant_kde' is also the name of a group",
        ),
        ("include: ['.']", "fleet.yml, line 1: no file is named '.' there"),
        ("include: ['..']", "fleet.yml, line 1: no file is named '..' there"),
        (
            "memory: seen.json\ndevcies:\n- name: a",
            "fleet.yml is not a valid fleet file: line 2, the top level: unknown key 'devcies'. Did you mean 'devi",
        ),
        ("devices:\n- name: a\nmemmory: seen.json", "line 3, the top level: unknown key 'memmory'"),
        ("x-own: 1\ndevcies: []", "line 2, the top level: unknown key 'devcies'. Did you mean"),
        ("devices: []\ntemplates:\n  a: {}\n  b/c: {}", "line 4, templates: 'b/c' does not match"),
        ("devices: a", "devices: 'a' is not of type 'array'"),
        (
            "devices:\n- name: 17",
            "name: 17 is not of type 'string'. Write a text, in quotes if it looks like",
        ),
        (
            "devices:\n- name: a\n  model: 日本",
            "fleet.yml, line 3: model: no group can be named after '日本'. Give it a name with at least one letter",
        ),
        ("templates:\n  t:\n    model: '--'", "line 3: model: no group can be named after '--'"),
        ("devices:\n- name: ''", "Name the device as in `name: deck-01`, or many of them as in `name: deck-[01:40]`."),
        ("devices:\n- variant: kde", "the key 'name' is missing. Name the device as in `name: deck-01`"),
        (
            "devices:\n- name: a\n  vars: {bad-name: 1}",
            "Name a variable with letters (A to Z, a to z), digits and",
        ),
        ("devices:\n- name: a\n  site: köln", "Use letters (A to Z, a to z), digits, dots, dashes and underscores,"),
        ("devices:\n- name: a\n  reach: {jump: -x}", "Write it as `ssh -J` takes it, such as gate.example.com or"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RolloutError) as refused:
        fleet(tmp_path, text)
    assert said in str(refused.value)
    assert refused.value.reason == "invalid_fleet"


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"site\.yml, line 3: The device a is there already"):
        fleet(tmp_path, "include: [site.yml]\ndevices: [{name: a}]", site="devices:\n- name: b\n- name: a")
    with pytest.raises(RolloutError, match=r"site\.yml is not .*: line 2, the top level: unknown key 'memory'"):
        fleet(tmp_path, "include: [site.yml]", site="devices: []\nmemory: seen.json")
    with pytest.raises(RolloutError, match=r"site\.yml, line 1: defaults is in .*fleet\.yml already"):
        fleet(tmp_path, "include: [site.yml]\ndefaults: {ring: a}", site="defaults: {ring: b}")


def test_labels_that_share_a_group_are_told() -> None:
    labels = [{"site": "a.b", "ring": "x"}, {"site": "a-b"}, {"site": "a-b"}, {"model": "A B"}, {"site": "ab"}]
    (told,) = shared_groups(labels)
    assert told.startswith("The group site_a_b holds the devices of the sites 'a-b', 'a.b': ")


def test_ten_thousand_devices_take_no_time_that_grows_faster_than_they_do() -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        members({"templates": {"t": {"variant": "kde"}}, "devices": [{"name": f"d-[1:{count}]", "template": "t"}]})
        return time.process_time() - begun

    seconds(1_000)
    assert seconds(50_000) < 200 * max(seconds(1_000), 0.001)
