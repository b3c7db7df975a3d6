# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for ``python3 simulator`` in a benchmark: does the same, and writes down what the device spent on it.

So the work of devices, which is done by the same machine here, can be told from that of the controller. One line of
JSON is appended to the file named by the environment variable BOOTC_BENCHMARK_LOG for every command on a device.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120


def main() -> int:
    child = os.fork()
    if child == 0:
        sys.path[0] = REPOSITORY
        from simulator.__main__ import main as simulate  # noqa: PLC0415

        os._exit(simulate(sys.argv[1:]))
    _unused, status, spent = os.wait4(child, 0)
    own = resource.getrusage(resource.RUSAGE_SELF)
    line = {
        "command": " ".join(sys.argv[1:])[:2000],
        "cpu": spent.ru_utime + spent.ru_stime + own.ru_utime + own.ru_stime,
        "rc": os.waitstatus_to_exitcode(status),
    }
    log = os.open(os.environ["BOOTC_BENCHMARK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(log, (json.dumps(line) + "\n").encode())
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    os._exit(main())
