# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections themselves, to listeners on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach import knock as module
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.knock import AWAKE, Answer, Reach, knock
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.simulated import look_at
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.ways import Endpoint, SimulatedDevice


@contextlib.contextmanager
def listeners(addresses: list[str], *, full: bool = False) -> Iterator[int]:
    """Listen on one port of every address, and give that port. With ``full`` nobody else gets through any more.

    Linux drops the first packet of a connection to a listener whose queue is full, as a switched-off device would.
    """
    with contextlib.ExitStack() as stack:
        port = 0
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(0 if full else 64)
            port = listener.getsockname()[1]
            if full:
                for _unused in range(2):
                    guest = stack.enter_context(socket.socket())
                    guest.setblocking(False)
                    guest.connect_ex((address, port))
        yield port


def loopback(network: int, count: int) -> list[str]:
    return [f"127.{network}.{at // 250}.{at % 250 + 1}" for at in range(count)]


def test_hundreds_at_once_are_told_apart() -> None:
    awake, filtered, closed = loopback(11, 300), loopback(12, 100), loopback(13, 300)
    with listeners(awake) as port, listeners(filtered, full=True) as deaf:
        begin = time.monotonic()
        everybody = [Endpoint(address, port) for address in awake]
        everybody += [Endpoint(address, deaf) for address in filtered]
        everybody += [Endpoint(address, port) for address in closed]
        answers = knock(everybody, seconds=1.0)
        took = time.monotonic() - begin
    assert all(answers[Endpoint(address, port)] == AWAKE for address in awake)
    first = filtered[0]
    assert answers[Endpoint(first, deaf)] == Answer(Reach.ASLEEP, f"no answer from {first} port {deaf} within 1 s")
    assert {answers[Endpoint(address, deaf)].reach for address in filtered} == {Reach.ASLEEP}
    refused = answers[Endpoint(closed[0], port)]
    assert refused.reach is Reach.ASLEEP
    assert "refuses connections, so its ssh server is not running" in refused.why
    assert {answers[Endpoint(address, port)].reach for address in closed} == {Reach.ASLEEP}
    assert took < 20, "one after the other, the silent ones alone take 100 seconds"


def test_no_more_are_in_flight_than_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []
    now = 0
    loop_type = asyncio.SelectorEventLoop
    connect = loop_type.sock_connect

    async def counted(self: asyncio.SelectorEventLoop, door: socket.socket, address: object) -> None:
        nonlocal now
        now += 1
        at_once.append(now)
        try:
            await asyncio.sleep(0)
            await connect(self, door, address)
        finally:
            now -= 1

    monkeypatch.setattr(loop_type, "sock_connect", counted)
    addresses = loopback(14, 60)
    with listeners(addresses) as port:
        answers = knock([Endpoint(address, port) for address in addresses], in_flight=7)
    assert set(answers.values()) == {AWAKE}
    assert max(at_once) == 7


@pytest.mark.parametrize(
    ("limit", "expected"), [(256, 128), (64, 1), (1_000_000, 1000), (resource.RLIM_INFINITY, 1000)]
)
def test_no_more_are_in_flight_than_files_may_be_open(
    monkeypatch: pytest.MonkeyPatch, limit: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert module._most_in_flight() == expected


def test_an_endpoint_that_several_hosts_share_is_asked_once() -> None:
    with listeners(["127.15.0.1"]) as port:
        assert knock([Endpoint("127.15.0.1", port)] * 3) == {Endpoint("127.15.0.1", port): AWAKE}


def test_nobody_is_asked_when_there_is_nobody() -> None:
    assert knock([]) == {}


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str | OSError) -> None:
    def resolve(endpoint: Endpoint) -> list[object]:
        for address in addresses:
            if isinstance(address, OSError):
                raise address
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, endpoint.port)) for address in addresses]

    monkeypatch.setattr(module, "_resolve", resolve)


def test_one_address_of_a_name_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.16.0.1", "127.16.0.2")
    with listeners(["127.16.0.2"]) as port:
        assert knock([Endpoint("deck.test", port)]) == {Endpoint("deck.test", port): AWAKE}


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Reach.ASLEEP),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), Reach.UNKNOWN),
    ],
)
def test_a_name_that_does_not_exist_is_told_from_a_resolver_that_fails(
    monkeypatch: pytest.MonkeyPatch, error: OSError, reach: Reach
) -> None:
    resolves_to(monkeypatch, error)
    answer = knock([Endpoint("deck.test", 22)])[Endpoint("deck.test", 22)]
    assert answer.reach is reach
    assert "deck.test" in answer.why


def test_a_name_that_takes_for_ever_is_left_to_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(endpoint: Endpoint) -> list[object]:
        time.sleep(0.5)
        return []

    monkeypatch.setattr(module, "_resolve", slow)
    monkeypatch.setattr(module, "_RESOLVE_SECONDS", 0.05)
    answers = knock([Endpoint("deck.test", 22), Endpoint("deck-2.test", 22)])
    assert {answer.reach for answer in answers.values()} == {Reach.UNKNOWN}


def test_names_and_numbers_that_are_none_are_left_to_a_try() -> None:
    odd = [Endpoint("a..b", 22), Endpoint("x" * 80, 22), Endpoint("fe80::1%no-such-interface", 22)]
    assert Reach.AWAKE not in {answer.reach for answer in knock(odd).values()}


@pytest.mark.parametrize(
    ("number", "reach"),
    [
        (errno.ECONNREFUSED, Reach.ASLEEP),
        (errno.EHOSTUNREACH, Reach.ASLEEP),
        (errno.ENETUNREACH, Reach.ASLEEP),
        (errno.EMFILE, Reach.UNKNOWN),
        (errno.ENOBUFS, Reach.UNKNOWN),
        (errno.EACCES, Reach.UNKNOWN),
        (errno.EADDRNOTAVAIL, Reach.UNKNOWN),
    ],
)
def test_trouble_of_the_controller_is_not_taken_for_sleep(
    monkeypatch: pytest.MonkeyPatch, number: int, reach: Reach
) -> None:
    async def fail(self: object, door: socket.socket, address: object) -> None:
        raise OSError(number, "as it says")

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", fail)
    assert knock([Endpoint("127.0.0.1", 22)])[Endpoint("127.0.0.1", 22)].reach is reach


def test_a_controller_that_was_too_busy_to_look_does_not_call_a_device_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connected_but_late(self: object, door: socket.socket, address: tuple[str, int]) -> None:
        door.setblocking(True)
        door.connect(address)
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connected_but_late)
    with listeners(["127.17.0.1"]) as port:
        assert knock([Endpoint("127.17.0.1", port)], seconds=0.05) == {Endpoint("127.17.0.1", port): AWAKE}


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        ({"why": None, "up_at": 100.0, "while_booting": "it boots"}, AWAKE),
        (
            {"why": "the device is asleep", "up_at": 1.0, "while_booting": "it boots"},
            Answer(Reach.ASLEEP, "the device is asleep"),
        ),
        ({"why": None, "up_at": 100.1, "while_booting": "it boots"}, Answer(Reach.ASLEEP, "it boots")),
    ],
)
def test_a_simulated_device_is_looked_up(tmp_path: Path, reach: dict[str, object], expected: Answer) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"reach": reach}), encoding="utf-8")
    assert look_at(SimulatedDevice(str(tmp_path)), 100.0) == expected


@pytest.mark.parametrize("text", [None, "", "{}", '{"reach": null}', '{"reach": {"why": null}}', "[]"])
def test_a_directory_that_is_no_known_device_is_tried(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "state.json").write_text(text, encoding="utf-8")
    assert look_at(SimulatedDevice(str(tmp_path)), 100.0).reach is Reach.UNKNOWN
