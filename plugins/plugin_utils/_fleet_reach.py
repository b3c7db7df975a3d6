# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the hosts of an inventory whether they are awake: their variables, Ansible's settings, ssh and its files."""

from __future__ import annotations

import glob
import os
import pwd
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.loader import connection_loader

from ._reach.knock import Answer, knock, unknown
from ._reach.simulated import look_at
from ._reach.ssh_config import SshConfig, Unclear, parse_ssh_config
from ._reach.ways import AskSsh, Defaults, Endpoint, SimulatedDevice, Unprobable, Way, way_in_answer, way_of

_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_MOST_ASKED = 500
"""Hosts for which ssh is asked where it would connect to. That takes 20 ms each; more than these are simply tried."""
_ASK_SECONDS = 10


def who_answers(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, Answer]:
    """Whether each of these hosts is awake; unknown, with the reason, for those that only a try can tell of."""
    defaults, files = ansible_defaults(), SshFiles(_home())
    ways = {host: _way_of(host, hostvars, defaults, files) for host in hosts}
    ways = {**ways, **ask_ssh({host: way for host, way in ways.items() if isinstance(way, AskSsh)})}
    answers = knock(way for way in ways.values() if isinstance(way, Endpoint))
    now = time.time()
    return {host: _answer(way, answers, now) for host, way in ways.items()}


def _answer(way: Way, answers: Mapping[Endpoint, Answer], now: float) -> Answer:
    if isinstance(way, Endpoint):
        return answers[way]
    if isinstance(way, SimulatedDevice):
        return look_at(way, now)
    return unknown(way.why if isinstance(way, Unprobable) else "ssh was not asked")


def _way_of(host: str, hostvars: Mapping[str, Mapping[str, Any]], defaults: Defaults, files: SshFiles) -> Way:
    try:
        return way_of(host, hostvars[host], defaults, files.read)
    except AnsibleError as error:  # one host's broken variable is for the task that needs it to complain of
        return Unprobable(f"its variables cannot be read: {error}")


def ansible_defaults() -> Defaults:
    """What the configuration and the command line say of connections."""
    port = _setting("ssh", "port")
    return Defaults(
        connection=str(context.CLIARGS.get("connection") or C.DEFAULT_TRANSPORT),
        port=None if port is None else int(port),
        user=_setting("ssh", "remote_user"),
        executable=str(_setting("ssh", "ssh_executable") or "ssh"),
        ssh_args=str(_setting("ssh", "ssh_args") or ""),
        common_args=str(_setting("ssh", "ssh_common_args") or ""),
        extra_args=str(_setting("ssh", "ssh_extra_args") or ""),
        paramiko_proxy=lru_cache(lambda: str(_setting("paramiko_ssh", "proxy_command") or "")),
    )


def _setting(plugin: str, option: str) -> Any:
    """An option of a connection plugin, as far as no variable of a host sets it; None where there is no such plugin."""
    if connection_loader.get(plugin, class_only=True) is None:
        return None
    return C.config.get_config_value(option, plugin_type="connection", plugin_name=plugin)


class SshFiles:
    """ssh's configuration, each file of it read once."""

    def __init__(self, home: Path | None, system: Path = _SYSTEM_CONFIG) -> None:
        """``home`` is that of the user as the system knows it: ssh does not look at the variable HOME."""
        self._home = home
        self._system = system
        self._known: dict[str | None, SshConfig | Unclear] = {}

    def read(self, file: str | None) -> SshConfig:
        """What ssh reads, with ``-F file`` when there is one; raises Unclear when that is for ssh to say."""
        if file not in self._known:
            try:
                self._known[file] = self._read(file)
            except Unclear as unclear:
                self._known[file] = unclear
        known = self._known[file]
        if isinstance(known, Unclear):
            raise known
        return known

    def _read(self, file: str | None) -> SshConfig:
        if file == "none":
            return SshConfig()
        if file is not None:
            text = _text(Path(file))
            if text is None:
                raise Unclear(file)
            return self._parse(text, self._of_user)
        config = SshConfig()
        if self._home is not None:
            config += self._parse(_text(self._home / ".ssh/config") or "", self._of_user)
        return config + self._parse(_text(self._system) or "", self._system.parent)

    @property
    def _of_user(self) -> Path:
        return (self._home or Path("/nonexistent")) / ".ssh"

    def _parse(self, text: str, directory: Path) -> SshConfig:
        return parse_ssh_config(text, lambda name: self._included(name, directory))

    def _included(self, name: str, directory: Path) -> list[str]:
        if name.startswith("~/") and self._home is not None:
            name = str(self._home / name[2:])
        if name.startswith("~") or "%" in name or "${" in name:
            raise Unclear(name)
        paths = sorted(glob.glob(str(directory / name)))  # noqa: PTH207 (the name may be absolute)
        return [text for text in map(_text, map(Path, paths)) if text is not None]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container's user need not have a name
        return None


def ask_ssh(asked: Mapping[str, AskSsh]) -> dict[str, Way]:
    """What ssh says about these hosts; each is one process."""
    hosts = list(asked)[:_MOST_ASKED]
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        told = dict(zip(hosts, pool.map(lambda host: _told_by_ssh(asked[host].command), hosts), strict=True))
    rest = Unprobable(f"only ssh knows where it is, and was not asked about more than {_MOST_ASKED} hosts")
    return {host: told.get(host, rest) for host in asked}


def _told_by_ssh(command: Sequence[str]) -> Way:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Unprobable(f"ssh does not say where it is: {error}")
    return way_in_answer(done.stdout, command[-1])
