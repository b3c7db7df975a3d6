# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What joins the probe to Ansible and to the ssh of this machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _fleet_reach as module
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet_reach import SshFiles, ask_ssh, who_answers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.knock import AWAKE
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.ssh_config import Unclear
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.ways import (
    AskSsh,
    Defaults,
    Endpoint,
    Unprobable,
    Way,
    way_of,
)

JUMPS = Unprobable("it is reached through another host")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def way(files: SshFiles, host: str, arguments: str = "") -> Way:
    return way_of(host, {"ansible_ssh_common_args": arguments}, Defaults(), files.read)


def test_the_files_of_user_and_system_are_read_in_the_order_of_ssh(tmp_path: Path) -> None:
    system = write(tmp_path / "etc/ssh/ssh_config", "Include ssh_config.d/*.conf\nHost *\n  Port 22\n")
    write(tmp_path / "etc/ssh/ssh_config.d/20-site.conf", "Host deck-*\n  Port 2020\n")
    write(tmp_path / "etc/ssh/ssh_config.d/10-site.conf", "Host deck-1\n  Port 1010\n")
    write(tmp_path / "home/.ssh/config", "Include fleet/*\nInclude ~/elsewhere\nInclude nothing-there\n")
    write(tmp_path / "home/.ssh/fleet/decks", "Host deck-3\n  HostName 192.0.2.3\n")
    write(tmp_path / "home/elsewhere", "Host deck-4\n  ProxyJump bastion\n")
    files = SshFiles(tmp_path / "home", system)
    assert way(files, "deck-1") == Endpoint("deck-1", 1010)
    assert way(files, "deck-2") == Endpoint("deck-2", 2020)
    assert way(files, "deck-3") == Endpoint("192.0.2.3", 2020)
    assert way(files, "deck-4") == JUMPS
    assert way(files, "other", f"-F {tmp_path / 'home/elsewhere'}") == Endpoint("other", 22)
    assert way(files, "deck-4", "-F none") == Endpoint("deck-4", 22)


def test_without_files_ssh_connects_to_what_it_is_given(tmp_path: Path) -> None:
    assert way(SshFiles(None, tmp_path / "none"), "deck-1") == Endpoint("deck-1", 22)
    assert way(SshFiles(tmp_path, tmp_path / "none"), "deck-1") == Endpoint("deck-1", 22)


def test_a_file_is_read_once_even_when_only_ssh_can_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    monkeypatch.setattr(module, "_text", lambda path: reads.append(path) or 'Host "x\n')
    files = SshFiles(None, tmp_path / "ssh_config")
    for _unused in range(3):
        with pytest.raises(Unclear):
            files.read(None)
    assert len(reads) == 1


CONFIGS = {
    "aliases": "Host deck-1\n  HostName 192.0.2.7\n  Port 2222\nHost DECK-2 deck-2\nHostName %h.example.org\n",
    "first wins": "Host deck-*\n  Port 2200\nHost deck-1\n  Port 2201\n  ProxyJump bastion\nHost *\n  Port 99\n",
    "negation": "Host * !deck-1 !deck-2\n  ProxyJump bastion\nHost !other\n  Port 2300\n",
    "none wins": "Host deck-1\n  ProxyJump none\nHost deck-2\n  ProxyCommand none\nHost *\n  ProxyCommand nc %h %p\n",
    "either proxy": "Host deck-1\n  ProxyCommand nc %h %p\nHost deck-*\n  ProxyJump bastion\n",
    "spelling": 'host=deck-1\n\thostname = "192.0.2.8"\n PORT\t2400 # a\n#Host *\n#ProxyJump x\nMatch all\nPort 1\n',
    "equals": "Host deck-?\nHostName=%h%%x\nhost other\nPort=5\n",
    "match on content that does not matter": "Match user nobody\n  User x\nHost deck-2\n  Port 5\n",
    "match": "Match host deck-1\n  Port 7\nMatch originalhost deck-2 exec true\n  HostName 192.0.2.9\n",
    "twice": "Match final all\n  User x\nHost 192.0.2.7\n  ProxyJump b\nHost deck-1\n  HostName 192.0.2.7\n",
    "once": "Host 192.0.2.7\n  ProxyJump b\nHost deck-1\n  HostName 192.0.2.7\n",
    "before any host": "Port 2500\nHost deck-1\nPort 1\n",
    "bound": "Host deck-1\n  BindAddress 127.0.0.1\n",
    "canonical": "Host deck-1\n  CanonicalizeHostname no\n  HostName 192.0.2.5\nCanonicalizeHostname false\n",
}
ARGUMENTS = ["", "-o Port=2601 -C", "-J none", "-vo 'HostName 192.0.2.77'"]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda text: text or "no arguments")
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_what_is_read_here_is_what_ssh_reads(tmp_path: Path, config: str, arguments: str) -> None:
    included = write(tmp_path / "included", config)
    write(tmp_path / "config", f"Host not-there\nPort 1\nInclude {included}\nHost deck-* other\nInclude {included}\n")
    files = SshFiles(None, tmp_path / "none")
    hosts = ("deck-1", "deck-2", "other", "DECK-2")
    for name, host in product(("included", "config"), hosts):
        given = f"-F {tmp_path / name} {arguments}"
        here = way(files, host, given)
        told = ask_ssh({host: AskSsh(("ssh", "-G", *shlex.split(given), host))})[host]
        if isinstance(here, AskSsh):
            assert config in (CONFIGS["match"], CONFIGS["none wins"], CONFIGS["either proxy"])
        elif isinstance(here, Endpoint):
            assert told == replace(here, address=here.address.lower()), f"{name} {host}"
        else:
            assert isinstance(told, Unprobable), f"{name} {host}"


def ssh_that_says(directory: Path, script: str) -> str:
    path = write(directory / "ssh", f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_ssh_is_asked_about_so_many_hosts_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ASKED", 2)
    ssh = ssh_that_says(tmp_path, 'echo "$2" >> "$0.asked"; echo "hostname $2.example"; echo port 2222')
    ways = ask_ssh({host: AskSsh((ssh, "-G", host)) for host in ("a", "b", "c", "d")})
    assert ways["a"] == Endpoint("a.example", 2222)
    assert ways["b"] == Endpoint("b.example", 2222)
    assert ways["c"] == ways["d"]
    assert isinstance(ways["c"], Unprobable)
    assert sorted((tmp_path / "ssh.asked").read_text(encoding="utf-8").split()) == ["a", "b"]


@pytest.mark.parametrize("script", ["exit 255", "echo port 22", "exec sleep 60"])
def test_an_ssh_that_does_not_say_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(module, "_ASK_SECONDS", 1)
    ssh = ssh_that_says(tmp_path, script)
    assert isinstance(ask_ssh({"a": AskSsh((ssh, "-G", "a"))})["a"], Unprobable)
    assert isinstance(ask_ssh({"a": AskSsh((str(tmp_path / "none"), "-G", "a"))})["a"], Unprobable)


def test_hosts_of_all_kinds_are_told_apart(tmp_path: Path) -> None:
    class Broken(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            raise AnsibleUndefinedVariable("'site' is undefined")

    write(tmp_path / "state.json", json.dumps({"reach": {"why": "it is off", "up_at": 0, "while_booting": ""}}))
    with socket.create_server(("127.18.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        hostvars: Mapping[str, Mapping[str, Any]] = {
            "on": {"ansible_host": "127.18.0.1", "ansible_port": port},
            "off": {"ansible_host": "127.18.0.2", "ansible_port": port},
            "simulated": {"ansible_connection": "skorionos.bootc.simulated", "bootc_simulated_dir": str(tmp_path)},
            "here": {"ansible_connection": "local"},
            "broken": Broken(),
            "not asked": {"ansible_host": "127.18.0.3"},
        }
        answers = who_answers(hostvars, ["on", "off", "simulated", "here", "broken"])
    assert answers["on"] == AWAKE
    assert {host: answer.reach.value for host, answer in answers.items()} == {
        "on": "awake",
        "off": "asleep",
        "simulated": "asleep",
        "here": "unknown",
        "broken": "unknown",
    }
    assert answers["simulated"].why == "it is off"
    assert "'site' is undefined" in answers["broken"].why


def test_configuration_and_environment_of_ansible_count(tmp_path: Path, collections_path: Path) -> None:
    """In a process of its own, as Ansible reads them once."""
    write(tmp_path / "ansible.cfg", "[defaults]\nremote_port = 2200\n[ssh_connection]\nssh_args = -o ProxyJump=b\n")
    program = (
        "import json, dataclasses\n"
        "from ansible.plugins.loader import init_plugin_loader\n"
        "init_plugin_loader([])\n"
        "from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet_reach import ansible_defaults\n"
        "d = ansible_defaults()\n"
        "print(json.dumps([d.connection, d.port, d.ssh_args, d.common_args, d.executable, d.paramiko_proxy()]))\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(collections_path),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_SSH_COMMON_ARGS": "-F fleet.conf",
        "ANSIBLE_TRANSPORT": "smart",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["smart", 2200, "-o ProxyJump=b", "-F fleet.conf", "ssh", ""]
