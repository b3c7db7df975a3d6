# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a device module without Ansible's part of one, which takes a device longer than the work.

The controller sends this text, and a Python of the device executes it with the rest of its standard input unread: a
line of JSON with ``module``, ``params``, ``check_mode``, ``mark``, ``note``, ``python`` and ``texts``; then that many
bytes with the texts of all that the module imports, a JSON object by module name; then the same compiled by a Python
such as ``python`` says, in the format of ``marshal``. Both are compressed with zlib. It prints a line with the mark
when it begins, and one with the mark and the result as JSON when it ended. ``plugin_utils/_direct_program.py`` is the
other end.
"""

from __future__ import annotations

import json
import marshal
import os
import sys
import syslog
import zlib
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER

TYPE_CHECKING = False  # that of typing takes longer to load than all of this
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, BinaryIO, Mapping, Sequence

PACKAGE = "skorionos_bootc"
LONGEST_NOTE = 1000
PYTHON = f"{sys.implementation.cache_tag} {MAGIC_NUMBER.hex()}"
"""Equal for Pythons that can execute each other's compiled code."""


class Sent:
    """Imports modules from what was sent: texts, or code."""

    def __init__(self, modules: Mapping[str, str | CodeType]) -> None:
        self._modules = modules
        self._packages = {
            ".".join(words[:length])
            for words in (name.split(".") for name in modules)
            for length in range(1, len(words))
        }

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name in self._packages:
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return ModuleSpec(name, self) if name in self._modules else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """As Python does it."""

    def exec_module(self, module: ModuleType) -> None:
        sent = self._modules.get(module.__name__, "")
        exec(compiled(module.__name__, sent) if isinstance(sent, str) else sent, module.__dict__)


def compiled(name: str, text: str) -> CodeType:
    """The code of a module; in a traceback its file has the name of the module."""
    return compile(text, f"<{name}>", "exec", dont_inherit=True)


def sent(request: Mapping[str, Any], stream: BinaryIO) -> Sent:
    """The modules in what is left of the stream: compiled where this Python can use that."""
    texts, codes = stream.read(request["texts"]), stream.read()
    if request["python"] == PYTHON:
        return Sent(marshal.loads(zlib.decompress(codes)))
    return Sent(json.loads(zlib.decompress(texts)))


def note(module: str, text: str, facility: str) -> None:
    """Leave in the device's log what Ansible's own modules do: that somebody had this done."""
    syslog.openlog(f"ansible-skorionos.bootc.{module}", 0, getattr(syslog, facility, syslog.LOG_USER))
    syslog.syslog(syslog.LOG_INFO, text[:LONGEST_NOTE])


def carry_out(request: Mapping[str, Any], stream: BinaryIO) -> dict[str, Any]:
    """The result of the module, also where it crashed."""
    warnings: list[str] = []
    try:
        sys.meta_path.insert(0, sent(request, stream))
        module = __import__(f"{PACKAGE}._device_modules.{request['module']}", fromlist=["work"])
        common = __import__(f"{PACKAGE}._bootc.device_module", fromlist=["answer"])
        params = common.with_defaults(module.OPTIONS, request["params"])
        call = common.Call(params, request["check_mode"], warnings.append)
        result: dict[str, Any] = common.answer(call.params["timeout"], lambda: module.work(call))
    except Exception as error:
        import traceback  # noqa: PLC0415 - takes longer to load than to have nothing to tell

        traceback.print_exc()
        result = {"failed": True, "msg": f"{request['module']} crashed: {type(error).__name__}: {error}"}
    if warnings:
        result["warnings"] = warnings
    return result


def main(stream: BinaryIO) -> None:
    request = json.loads(stream.readline())
    say(request["mark"])
    # The log of the machine on which a device is simulated is not the device's.
    if request["note"] and not os.environ.get("BOOTC_DEVICE_ROOT"):
        note(request["module"], *request["note"])
    say(request["mark"] + json.dumps(carry_out(request, stream)))


def say(line: str) -> None:
    # A line of its own, whatever was printed before.
    sys.stdout.write("\n" + line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer)
