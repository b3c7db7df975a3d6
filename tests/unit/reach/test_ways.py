# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the variables of a host to the way it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.ssh_config import (
    SshConfig,
    Unclear,
    parse_ssh_config,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.ways import (
    AskSsh,
    Defaults,
    Endpoint,
    SimulatedDevice,
    Unprobable,
    Way,
    way_in_answer,
    way_of,
)

JUMPS = Unprobable("it is reached through another host")


def way(variables: Mapping[str, Any], config: str = "", host: str = "deck-1", **defaults: Any) -> Way:
    def read(file: str | None) -> SshConfig:
        if file == "none":
            return SshConfig()
        assert file is None, file
        return parse_ssh_config(config, lambda name: ())

    return way_of(host, variables, Defaults(**defaults), read)


@pytest.mark.parametrize(
    ("variables", "address", "port"),
    [
        ({}, "deck-1", 22),
        ({"ansible_host": "192.0.2.7"}, "192.0.2.7", 22),
        ({"ansible_ssh_host": "192.0.2.8"}, "192.0.2.8", 22),
        ({"ansible_host": "192.0.2.7", "ansible_ssh_host": "192.0.2.8"}, "192.0.2.8", 22),
        ({"ansible_host": "192.0.2.7", "ansible_ssh_host": None}, "192.0.2.7", 22),
        ({"ansible_host": "2001:db8::7"}, "2001:db8::7", 22),
        ({"ansible_host": "fe80::1%eth0"}, "fe80::1%eth0", 22),
        ({"ansible_port": 2222}, "deck-1", 2222),
        ({"ansible_port": "2222", "ansible_ssh_port": "2200"}, "deck-1", 2200),
        ({"ansible_connection": "ssh"}, "deck-1", 22),
        ({"ansible_connection": "smart"}, "deck-1", 22),
        ({"ansible_connection": "ansible.builtin.ssh", "ansible_port": 23}, "deck-1", 23),
        ({"ansible_connection": "paramiko_ssh", "ansible_paramiko_host": "p", "ansible_port": 24}, "p", 24),
        ({"ansible_ssh_executable": "/usr/local/bin/ssh"}, "deck-1", 22),
        ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no -i key -vC -4"}, "deck-1", 22),
        ({"ansible_ssh_common_args": "-p 2200"}, "deck-1", 2200),
        ({"ansible_ssh_common_args": "-p2200", "ansible_port": 22}, "deck-1", 22),
        ({"ansible_ssh_args": "-o Port=2200", "ansible_port": 22}, "deck-1", 2200),
        ({"ansible_ssh_extra_args": "-oHostName=192.0.2.9"}, "192.0.2.9", 22),
        ({"ansible_ssh_extra_args": "-o 'HostName %h.example'"}, "deck-1.example", 22),
        ({"ansible_ssh_common_args": "-J none"}, "deck-1", 22),
        ({"ansible_ssh_common_args": "-J none", "ansible_ssh_extra_args": "-J b"}, "deck-1", 22),
    ],
)
def test_what_listens_where(variables: dict[str, Any], address: str, port: int) -> None:
    assert way(variables) == Endpoint(address, port)


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_ssh_common_args": "-J bastion"},
        {"ansible_ssh_common_args": "-Jbastion"},
        {"ansible_ssh_common_args": "-CJ bastion"},
        {"ansible_ssh_common_args": "-o ProxyJump=user@bastion:2222"},
        {"ansible_ssh_common_args": "-oproxyjump=bastion"},
        {"ansible_ssh_args": "-C -o ControlMaster=auto -o 'ProxyJump bastion'"},
        {"ansible_ssh_extra_args": '-o ProxyCommand="ssh -W %h:%p bastion"'},
        {"ansible_connection": "paramiko", "ansible_ssh_common_args": '-o ProxyCommand="ssh -W %h:%p bastion"'},
        {"ansible_connection": "paramiko_ssh", "ansible_paramiko_proxy_command": "ssh -W %h:%p bastion"},
    ],
)
def test_behind_another_host_only_a_try_tells(variables: dict[str, Any]) -> None:
    assert way(variables) == JUMPS


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"ansible_connection": "local"}, "its connection is local"),
        ({"ansible_connection": "containers.podman.podman"}, "its connection is containers.podman.podman"),
        ({"ansible_connection": "community.docker.docker"}, "its connection is community.docker.docker"),
        ({"ansible_connection": "skorionos.bootc.simulated"}, "its connection is skorionos.bootc.simulated"),
        ({"ansible_host": "root@192.0.2.7"}, "its address is not a plain name or number"),
        ({"ansible_host": "ssh://192.0.2.7"}, "its address is not a plain name or number"),
        ({"ansible_host": "-oProxyCommand=x"}, "its address is not a plain name or number"),
        ({"ansible_host": ""}, "its address is not a plain name or number"),
        ({"ansible_ssh_executable": "/opt/bin/ssh-over-tor"}, "its ssh is /opt/bin/ssh-over-tor"),
        ({"ansible_ssh_common_args": "-o 'ProxyJump"}, "its ssh arguments have an open quote"),
        ({"ansible_ssh_common_args": "-b 192.0.2.1"}, "it is reached from a particular address of this machine"),
        (
            {"ansible_ssh_common_args": "-o BindInterface=vpn0"},
            "it is reached from a particular address of this machine",
        ),
        ({"ansible_port": "many"}, "its port is 'many'"),
        ({"ansible_port": 70000}, "its port is '70000'"),
    ],
)
def test_what_cannot_be_asked_is_tried(variables: dict[str, Any], why: str) -> None:
    assert way(variables) == Unprobable(why)


@pytest.mark.parametrize(
    "arguments",
    [
        "-S /run/master",
        "-W other:22",
        "elsewhere",
        "-- elsewhere",
        "-o CanonicalizeHostname=yes",
        "-o HostName=%n",
        "-o x",
    ],
)
def test_unusual_arguments_are_for_ssh_to_read(arguments: str) -> None:
    found = way({"ansible_ssh_common_args": arguments, "ansible_port": 2222, "ansible_user": "core"})
    assert isinstance(found, AskSsh)
    assert found.command[:6] == ("ssh", "-G", "-o", "Port=2222", "-o", 'User="core"')
    assert found.command[-1] == "deck-1"


def test_a_simulated_device_is_its_directory() -> None:
    variables = {"ansible_connection": "skorionos.bootc.simulated", "bootc_simulated_dir": "devices/deck-1"}
    assert way(variables) == SimulatedDevice("devices/deck-1")


def test_settings_hold_where_no_variable_does() -> None:
    assert way({}, port=2222) == Endpoint("deck-1", 2222)
    assert way({"ansible_port": 22}, port=2222) == Endpoint("deck-1", 22)
    assert way({}, connection="local") == Unprobable("its connection is local")
    assert way({}, common_args="-J bastion") == JUMPS
    assert way({"ansible_ssh_common_args": ""}, common_args="-J bastion") == Endpoint("deck-1", 22)
    assert way({}, ssh_args="-J bastion") == way({}, extra_args="-J bastion") == JUMPS
    assert way({"ansible_connection": "paramiko"}, paramiko_proxy=lambda: "nc %h %p") == JUMPS


def test_variables_that_are_not_needed_are_not_read() -> None:
    class Broken(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            assert key in ("ansible_connection", "bootc_simulated_dir"), key
            return super().get(key, default)

    way(Broken({"ansible_connection": "skorionos.bootc.simulated", "bootc_simulated_dir": "x"}))
    way(Broken({"ansible_connection": "local"}))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("Host deck-*\n  User core\n  IdentityFile ~/.ssh/fleet\n", Endpoint("deck-1", 22)),
        ("Host deck-1\n  HostName 192.0.2.7\n  Port 2222\n", Endpoint("192.0.2.7", 2222)),
        ("Host deck-2\n  HostName 192.0.2.7\n", Endpoint("deck-1", 22)),
        ("host = deck-1\n  hostname=192.0.2.7\n", Endpoint("192.0.2.7", 22)),
        ('Host "deck-1"\n  HostName "192.0.2.7"  # the one on the shelf\n', Endpoint("192.0.2.7", 22)),
        ("Host deck-?\n  HostName %h.fleet.example\n", Endpoint("deck-1.fleet.example", 22)),
        ("HostName 192.0.2.1\nHost deck-1\n  HostName 192.0.2.7\n", Endpoint("192.0.2.1", 22)),
        ("Host bastion !deck-1\n  Port 1\nHost *\n  Port 2\n", Endpoint("deck-1", 2)),
        ("Host * !deck-1\n  ProxyJump bastion\n", Endpoint("deck-1", 22)),
        ("Host *\n  ProxyJump bastion\n", JUMPS),
        ("Host *\n  ProxyCommand nc %h %p\n", JUMPS),
        ("Host deck-1\n  ProxyJump none\nHost *\n  ProxyJump bastion\n", Endpoint("deck-1", 22)),
        ("Host deck-1\n  ProxyCommand none\nHost *\n  ProxyCommand nc %h %p\n", Endpoint("deck-1", 22)),
        # Builds of ssh differ in which of the two counts.
        ("Host deck-1\n  ProxyCommand none\nHost *\n  ProxyJump bastion\n", AskSsh(("ssh", "-G", "deck-1"))),
        ("Host deck-1\n  ProxyJump none\nHost *\n  ProxyCommand nc %h %p\n", AskSsh(("ssh", "-G", "deck-1"))),
        ("Match all\n  Port 2222\n", Endpoint("deck-1", 2222)),
        ("Match user core\n  User x\n", Endpoint("deck-1", 22)),
        ("Port 2222\nMatch user core\n  Port 23\n", Endpoint("deck-1", 2222)),
        ("Host *\n  BindAddress 192.0.2.1\n", Unprobable("it is reached from a particular address of this machine")),
        ("Match final all\nHost 192.0.2.7\n  ProxyJump b\nHost deck-1\n  HostName 192.0.2.7\n", JUMPS),
        ("Host 192.0.2.7\n  ProxyJump b\nHost deck-1\n  HostName 192.0.2.7\n", Endpoint("192.0.2.7", 22)),
    ],
)
def test_the_configuration_of_ssh_is_read_as_ssh_does(config: str, expected: Way) -> None:
    assert way({}, config) == expected


@pytest.mark.parametrize(
    "config",
    [
        "Match user core\n  ProxyJump bastion\n",
        "Match exec true\n  HostName 192.0.2.7\n",
        "Match final all\n  Port 2222\n",
        "CanonicalizeHostname yes\n",
        "HostName %n.example\n",
        'Host "deck-1\n',
        "Port\n",
    ],
)
def test_what_depends_on_more_than_names_is_for_ssh_to_say(config: str) -> None:
    assert way({}, config) == AskSsh(("ssh", "-G", "deck-1"))


def test_with_an_own_file_only_that_one_is_read() -> None:
    everybody = "Host *\n  ProxyJump bastion\n"
    assert way({"ansible_ssh_common_args": "-F none"}, everybody) == Endpoint("deck-1", 22)


def test_an_include_holds_where_its_block_does() -> None:
    files = {"jump.conf": "ProxyJump bastion\n", "ports.conf": "Host deck-2\n  Port 1\nHost *\n  Port 2\n"}
    text = "Host deck-2\n  Include jump.conf\nHost deck-*\n  Include ports.conf\n"
    config = parse_ssh_config(text, lambda name: [files[name]])
    ways = {host: way_of(host, {}, Defaults(), lambda file: config) for host in ("deck-1", "deck-2", "other")}
    assert ways == {"deck-1": Endpoint("deck-1", 2), "deck-2": JUMPS, "other": Endpoint("other", 22)}


def test_files_that_include_each_other_are_not_followed_for_ever() -> None:
    text = "Include again\n"
    with pytest.raises(Unclear):
        parse_ssh_config(text, lambda name: [text])


def test_an_alias_for_every_host_does_not_cost_every_host_a_look_at_all_of_them() -> None:
    """Generated configurations have one; ten thousand times ten thousand comparisons would take minutes."""
    hosts = [f"deck-{number}" for number in range(3000)]
    text = "".join(f"Host {host}\n  HostName 192.0.2.{at % 256}\n  Port {at + 1}\n" for at, host in enumerate(hosts))
    config = parse_ssh_config(text + "Host *\n  User core\n", lambda name: ())
    assert max(len(config.about(host)) for host in hosts) == 1
    assert way_of("deck-2999", {}, Defaults(), lambda file: config) == Endpoint("192.0.2.183", 3000)


def test_the_answer_of_ssh_says_where_it_connects_to() -> None:
    assert way_in_answer("user core\nhostname 192.0.2.7\nport 2222\n", "deck-1") == Endpoint("192.0.2.7", 2222)
    assert way_in_answer("hostname 192.0.2.7\nport 22\nproxyjump bastion\n", "deck-1") == JUMPS
    assert way_in_answer("hostname 192.0.2.7\nport 22\nproxycommand none\n", "deck-1") == Endpoint("192.0.2.7", 22)
    assert way_in_answer("hostname fe80::1%eth0\nport 22\n", "deck-1") == Endpoint("fe80::1%eth0", 22)
    assert way_in_answer("", "deck-1") == Unprobable("ssh did not say where it connects to")
