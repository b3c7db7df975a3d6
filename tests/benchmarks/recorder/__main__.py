# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for ``python3 simulator`` in a benchmark: has it done by ``device_host.py``, which has it loaded already.

Starts for every command on a device and every program of it, so it imports nothing that is not built in.
"""

from __future__ import annotations

import _socket
import marshal
import os
import sys
import time

_DIGITS = 9


def main() -> int:
    host = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    host.connect(os.environ["BOOTC_BENCHMARK_HOST"])
    request = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))  # noqa: PTH109
    descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    length = b"%0*d" % (_DIGITS, len(request))
    host.sendmsg([length], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
    view = memoryview(request)
    while view:
        view = view[host.send(view) :]
    answer = host.recv(16)
    # A connection starts this one; what it takes is no work of the controller. Programs count with what started them.
    if sys.argv[3:4] == ["exec"]:
        host.send(b"%.6f" % time.process_time())
    return int(answer or b"255")


if __name__ == "__main__":
    os._exit(main())
