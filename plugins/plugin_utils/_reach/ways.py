# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host can be asked whether it is awake, from its variables. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from .ssh_config import PLACES, PROXIES, SshConfig, Unclear, place_of, settle

_SSH = ("smart", "ssh", "ansible.builtin.ssh", "ansible.legacy.ssh")
_PARAMIKO = ("paramiko", "paramiko_ssh", "ansible.builtin.paramiko_ssh", "ansible.legacy.paramiko_ssh")
_SIMULATED = ("skorionos.bootc.simulated",)
_SSH_PORT = 22
_JUMPS = "it is reached through another host"
_NOT_PLAIN = "its address is not a plain name or number"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")
"""Names and addresses that mean to a resolver what they mean to ssh: without user@, ssh:// and brackets."""
_WITH_ARGUMENT = "bceilmopBDEFIJLOPQRSwW"
"""Options of ssh that have an argument."""
_STRANGE = "OSWQ"
"""Options with which it is not clear that ssh connects at all."""
_OPTION_PLACES = {"p": "port", "J": "proxyjump", "b": "bindaddress", "B": "bindinterface"}


@dataclass(frozen=True)
class Endpoint:
    """Something listens there when the device is awake."""

    address: str
    port: int


@dataclass(frozen=True)
class SimulatedDevice:
    """A device that is a directory."""

    directory: str


@dataclass(frozen=True)
class AskSsh:
    """Only ssh can tell where it would connect to, when it is run with these arguments (the first is the program)."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class Unprobable:
    """Nothing but a try tells."""

    why: str


Way = Union[Endpoint, SimulatedDevice, AskSsh, Unprobable]


@dataclass(frozen=True)
class Defaults:
    """What holds for hosts whose variables say nothing else: Ansible's configuration and command line."""

    connection: str = "ssh"
    port: int | None = None
    user: str | None = None
    executable: str = "ssh"
    ssh_args: str = ""
    common_args: str = ""
    extra_args: str = ""
    paramiko_proxy: Callable[[], str] = str
    """Its ``proxy_command``; called only where a host is reached by paramiko."""


ReadConfig = Callable[[Union[str, None]], SshConfig]
"""ssh's configuration: of the file that -F names, else of user and system. Raises Unclear."""


def way_of(host: str, variables: Mapping[str, Any], defaults: Defaults, read_config: ReadConfig) -> Way:
    """How ``host`` can be asked. Reads only the variables it needs: any of them may be a template, and fail."""
    connection = str(_last(variables, ("ansible_connection",), defaults.connection))
    if connection in _SSH:
        return _way_of_ssh(host, variables, defaults, read_config)
    if connection in _PARAMIKO:
        return _way_of_paramiko(host, variables, defaults)
    directory = variables.get("bootc_simulated_dir") if connection in _SIMULATED else None
    return SimulatedDevice(str(directory)) if directory else Unprobable(f"its connection is {connection}")


def _way_of_ssh(host: str, variables: Mapping[str, Any], defaults: Defaults, read_config: ReadConfig) -> Way:
    address = str(_last(variables, ("ansible_host", "ansible_ssh_host"), host))
    port = _last(variables, ("ansible_port", "ansible_ssh_port"), defaults.port)
    user = _last(variables, ("ansible_user", "ansible_ssh_user"), defaults.user)
    executable = str(_last(variables, ("ansible_ssh_executable",), defaults.executable))
    before, *behind = _arguments(variables, defaults)
    if not _PLAIN_NAME.fullmatch(address):
        return Unprobable(_NOT_PLAIN)
    if executable.rpartition("/")[2] != "ssh":
        return Unprobable(f"its ssh is {executable}")
    try:
        # The order in which Ansible puts them together; of two that say the same, ssh takes the first.
        words = shlex.split(before)
        words += [] if port is None else ["-o", f"Port={port}"]
        words += [] if not user else ["-o", f'User="{user}"']
        words += [word for text in behind for word in shlex.split(text)]
    except ValueError:
        return Unprobable("its ssh arguments have an open quote")
    try:
        given = read_arguments(words)
        return _endpoint(settle(read_config(given.file), address, given.values), address)
    except Unclear:
        return AskSsh((executable, "-G", *words, address))


def _way_of_paramiko(host: str, variables: Mapping[str, Any], defaults: Defaults) -> Way:
    """It reads no configuration of ssh, and of ssh's arguments only the proxy."""
    address = str(_last(variables, ("ansible_host", "ansible_ssh_host", "ansible_paramiko_host"), host))
    port = _last(variables, ("ansible_port", "ansible_ssh_port", "ansible_paramiko_port"), defaults.port)
    command = variables.get("ansible_paramiko_proxy_command") or defaults.paramiko_proxy()
    if command or any("proxy" in text.lower() for text in _arguments(variables, defaults)):
        return Unprobable(_JUMPS)
    if not _PLAIN_NAME.fullmatch(address):
        return Unprobable(_NOT_PLAIN)
    return _endpoint({} if port is None else {"port": str(port)}, address)


def _arguments(variables: Mapping[str, Any], defaults: Defaults) -> tuple[str, str, str]:
    """The arguments of ssh that go before those Ansible makes, and two lots behind them."""
    return (
        str(_last(variables, ("ansible_ssh_args",), defaults.ssh_args)),
        str(_last(variables, ("ansible_ssh_common_args",), defaults.common_args)),
        str(_last(variables, ("ansible_ssh_extra_args",), defaults.extra_args)),
    )


def _last(variables: Mapping[str, Any], names: tuple[str, ...], otherwise: Any) -> Any:
    """As Ansible does it: of several names for one thing the last that is set counts."""
    values = [value for value in map(variables.get, names) if value is not None]
    return values[-1] if values else otherwise


@dataclass(frozen=True)
class Given:
    """What ssh's arguments say about the place, and the configuration file they name."""

    values: dict[str, str] = field(default_factory=dict)
    file: str | None = None


def read_arguments(words: list[str]) -> Given:
    """Read ssh's arguments; raises Unclear for those that are not known to leave the place alone."""
    values: dict[str, str] = {}
    file = None
    rest = iter(words)
    for word in rest:
        if len(word) < 2 or not word.startswith("-") or word == "--":
            raise Unclear(word)
        for at, letter in enumerate(word[1:], start=2):
            if letter in _STRANGE:
                raise Unclear(word)
            if letter not in _WITH_ARGUMENT:
                continue
            argument = word[at:] or next(rest, "")
            if letter == "o":
                _read_option(argument, values)
            elif letter == "F":
                file = argument
            elif letter in _OPTION_PLACES:
                values.setdefault(_OPTION_PLACES[letter], argument)
            break
    return Given(values, file)


def _read_option(argument: str, values: dict[str, str]) -> None:
    found = re.fullmatch(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)", argument, re.DOTALL)
    if found is None or found[1].lower() in ("include", "match", "host"):
        raise Unclear(argument)
    key = PLACES.get(found[1].lower())
    if key is not None:
        values.setdefault(key, found[2].strip().strip('"'))


def _endpoint(values: Mapping[str, str], host: str) -> Endpoint | Unprobable:
    """Where the values that hold for ``host`` lead; raises Unclear when they do not say."""
    proxies = {values[key].lower() != "none" for key in PROXIES if key in values}
    if len(proxies) > 1:
        raise Unclear(
            "ProxyJump and ProxyCommand"
        )  # which of them counts has changed, also between builds of one version
    if True in proxies:
        return Unprobable(_JUMPS)
    if "bindaddress" in values or "bindinterface" in values:
        return Unprobable("it is reached from a particular address of this machine")
    place, port = place_of(values, host), values.get("port", str(_SSH_PORT))
    if not _PLAIN_NAME.fullmatch(place):
        return Unprobable(_NOT_PLAIN)
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        return Unprobable(f"its port is {port!r}")
    return Endpoint(place, int(port))


def way_in_answer(text: str, host: str) -> Endpoint | Unprobable:
    """What ``ssh -G`` said it would do for ``host``."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _unused, value = line.partition(" ")
        if key in PLACES and key != "canonicalizehostname" and not (key in PROXIES and value.strip() == "none"):
            values.setdefault(PLACES[key], value.strip())
    if "hostname" not in values:
        return Unprobable("ssh did not say where it connects to")
    # It is the place itself now: whatever had to be put into it has been.
    return _endpoint({**values, "hostname": values["hostname"].replace("%", "%%")}, host)
