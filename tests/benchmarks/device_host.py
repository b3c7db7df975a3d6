# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks.device_host SOCKET LOG``: runs the simulator for many devices from one loaded copy.

The programs of a real device take milliseconds; those of the simulator mostly load Python, and would be the largest
part of what is measured. For every command on a device, and every program of it, a line of JSON is appended to LOG:
``cpu`` is what the device spent on it, ``below`` the part of that which the controller's own processes spent.
"""

from __future__ import annotations

import json
import marshal
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import simulator.files
from simulator import cli
from simulator.__main__ import main as simulate
from simulator.programs import bootc, systemctl

RECORDER = Path(__file__).resolve().parent / "recorder"
LOADED = (cli, bootc, systemctl)
_DIGITS = 9


def serve(address: str, log: Path) -> None:
    """Answer requests until terminated."""
    # Where the simulator thinks it lies: the programs of its devices start the recorder in its place.
    simulator.files.__file__ = str(RECORDER / "files.py")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(1024)
        while True:
            connection, _unused = listener.accept()
            if os.fork() == 0:
                listener.close()
                with suppress(ConnectionError):
                    _answer(connection, log)
                os._exit(0)
            connection.close()


def _answer(connection: socket.socket, log: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _flags, _address = socket.recv_fds(connection, _DIGITS, 3)
    arguments, directory, environment = marshal.loads(_receive(connection, int(length)))
    child = os.fork()
    if child == 0:
        connection.close()
        os._exit(_run(arguments, directory, environment, descriptors))
    for descriptor in descriptors:
        os.close(descriptor)
    _unused, status, spent = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    connection.send(str(code if code >= 0 else 128 - code).encode())
    below = float(connection.recv(32) or b"0") if arguments[2:3] == ["exec"] else 0.0
    line = {"command": " ".join(arguments)[:2000], "cpu": spent.ru_utime + spent.ru_stime + below, "below": below}
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, (json.dumps(line) + "\n").encode())


def _receive(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        received += connection.recv(length - len(received))
    return received


def _run(arguments: list[str], directory: str, environment: dict[str, str], descriptors: list[int]) -> int:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    code = simulate(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
