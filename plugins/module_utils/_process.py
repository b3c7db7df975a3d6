# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that can be ended together with everything it started. PRIVATE to the collection.

``AnsibleModule.run_command`` knows no time limit and leaves children behind; bootc and the container engines work
through children that would go on, and keep their locks.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Mapping, Sequence

if TYPE_CHECKING:
    Process = subprocess.Popen[bytes]
else:
    Process = subprocess.Popen  # not subscriptable at run time before Python 3.9

_KILLED_SECONDS = 5.0


class OwnSession(Process):
    """A process that leads a session, and with it a process group, of its own. It has no input unless it ``reads``.

    Its locale is fixed, so that sizes and messages do not depend on whose environment it is. Raises OSError when the
    program cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        capture: bool = True,
        environment: Mapping[str, str] | None = None,
        reads: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        output = subprocess.PIPE if capture else subprocess.DEVNULL
        super().__init__(
            list(argv),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )

    def end(self, patience: float) -> bytes:
        """End the whole group: ask first, and after ``patience`` seconds insist. Returns its last words on stderr."""
        words = b""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, _KILLED_SECONDS)):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            try:
                words = self.communicate(timeout=seconds)[1] or words
            except subprocess.TimeoutExpired:
                continue
        return words
