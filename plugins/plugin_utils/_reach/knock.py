# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask thousands of devices at once whether they are awake: one TCP connection each, closed again at once."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import resource
import socket
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .ways import Endpoint

SECONDS = 3.0
"""How long a device has to answer: enough for a first packet that was lost to be sent again."""
_IN_FLIGHT = 1000
_DESCRIPTORS_FOR_OTHERS = 128
_RESOLVERS = 64
_RESOLVE_SECONDS = 30.0
"""For all names together: what is not known then is left to a try."""

_NOT_THERE = {
    errno.ECONNREFUSED: "{place} refuses connections, so its ssh server is not running",
    errno.ECONNRESET: "{place} refuses connections, so its ssh server is not running",
    errno.ETIMEDOUT: "no answer from {place}",
    errno.EHOSTUNREACH: "no answer from {place}: no route to it",
    errno.EHOSTDOWN: "no answer from {place}: it is down",
    errno.ENETUNREACH: "no answer from {place}: no route to its network",
}
"""Any other error is trouble of this machine, and says nothing about the device."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Reach(Enum):
    AWAKE = "awake"
    ASLEEP = "asleep"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """Whether a device answers; ``why`` not, or why that is not known."""

    reach: Reach
    why: str = ""


AWAKE = Answer(Reach.AWAKE)


def asleep(why: str) -> Answer:
    return Answer(Reach.ASLEEP, why)


def unknown(why: str) -> Answer:
    return Answer(Reach.UNKNOWN, why)


def knock(
    endpoints: Iterable[Endpoint], *, seconds: float = SECONDS, in_flight: int | None = None
) -> dict[Endpoint, Answer]:
    """Connect to every endpoint, ``in_flight`` at a time: when not given, as many as this process may have files open.

    Takes about ``seconds`` for every ``in_flight`` devices that do not answer, and hardly any time for those that do.
    """
    asked = tuple(dict.fromkeys(endpoints))
    return asyncio.run(_knock(asked, seconds, in_flight or _most_in_flight())) if asked else {}


def _most_in_flight() -> int:
    soft, _unused = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _IN_FLIGHT
    return max(1, min(_IN_FLIGHT, soft - _DESCRIPTORS_FOR_OTHERS))


async def _knock(endpoints: Collection[Endpoint], seconds: float, in_flight: int) -> dict[Endpoint, Answer]:
    resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
    slots = asyncio.Semaphore(in_flight)
    resolved_by = asyncio.get_running_loop().time() + _RESOLVE_SECONDS
    try:
        answers = await asyncio.gather(
            *(_ask(endpoint, resolvers, resolved_by, slots, seconds) for endpoint in endpoints)
        )
    finally:
        resolvers.shutdown(wait=False, cancel_futures=True)
    return dict(zip(endpoints, answers, strict=True))


async def _ask(
    endpoint: Endpoint, resolvers: ThreadPoolExecutor, resolved_by: float, slots: asyncio.Semaphore, seconds: float
) -> Answer:
    loop = asyncio.get_running_loop()
    name = endpoint.address
    try:
        if _is_number(name):
            addresses = _resolve(endpoint)
        else:
            look_up = loop.run_in_executor(resolvers, _resolve, endpoint)
            addresses = await asyncio.wait_for(look_up, resolved_by - loop.time())
    except asyncio.TimeoutError:
        return unknown(f"the name {name} was not looked up in time")
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return asleep(f"the name {name} is not known")
        return unknown(f"the name {name} could not be looked up: {error.strerror}")
    except UnicodeError:
        return unknown(f"{name} cannot be a name")
    # All at once: the first may be one that leads nowhere, and then the second would have no time left.
    answers = await asyncio.gather(
        *(_connect(family, address, endpoint, slots, seconds) for family, _type, _protocol, _name, address in addresses)
    )
    return min(answers, key=lambda answer: (Reach.AWAKE, Reach.UNKNOWN, Reach.ASLEEP).index(answer.reach))


def _is_number(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _resolve(endpoint: Endpoint) -> list[Any]:
    return socket.getaddrinfo(endpoint.address, endpoint.port, type=socket.SOCK_STREAM)


async def _connect(
    family: socket.AddressFamily, address: Any, endpoint: Endpoint, slots: asyncio.Semaphore, seconds: float
) -> Answer:
    place = f"{endpoint.address} port {endpoint.port}"
    async with slots:
        try:
            with closing(socket.socket(family, socket.SOCK_STREAM)) as door:
                door.setblocking(False)
                try:
                    await asyncio.wait_for(asyncio.get_running_loop().sock_connect(door, address), seconds)
                except asyncio.TimeoutError:
                    # When this machine was too busy to look, the device may have answered all the same.
                    if not _is_connected(door):
                        return asleep(f"no answer from {place} within {seconds:g} s")
        except OSError as error:
            return _judge(error, place)
    return AWAKE


def _is_connected(door: socket.socket) -> bool:
    try:
        door.getpeername()
    except OSError:
        return False
    return True


def _judge(error: OSError, place: str) -> Answer:
    sentence = _NOT_THERE.get(error.errno or 0)
    if sentence is not None:
        return asleep(sentence.format(place=place))
    return unknown(f"{place}: {error.strerror or os.strerror(error.errno or 0)}")
