# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that does the work of a device module on a device without Ansible's part of one, and what it answers.

What runs there is ``module_utils/_direct.py``. Everything is sent with each execution, and nothing stays on the device:
about 220 kB, where Ansible sends 280. A third of that are texts, for any Python; the rest is the same compiled, which
takes a device that has the controller's Python a third less of its time.
"""

from __future__ import annotations

import ast
import fcntl
import json
import marshal
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..module_utils._direct import PACKAGE, PYTHON, compiled

_MODULE_UTILS = Path(__file__).resolve().parents[1] / "module_utils"
_WORKS = _MODULE_UTILS / "_device_modules"
_STARTER = _MODULE_UTILS / "_direct.py"
_PACKAGE_FILE = "__init__"
_PACKED = "skorionos.bootc.device-modules"
# Nothing of the device's own Python but its standard library, and nothing left behind.
_PYTHON_OPTIONS = "-I -S -B -X utf8"


@dataclass(frozen=True)
class Note:
    """What the log of the device is told, and under which facility of syslog."""

    text: str
    facility: str


def modules() -> frozenset[str]:
    """Names of the modules that can be run this way."""
    return frozenset(path.stem for path in _WORKS.glob("*.py"))


def command(interpreter: str | None, fallbacks: Sequence[str], environment: str = "") -> str:
    """The shell command that runs the program.

    ``interpreter`` is one or more words for a shell, as is ``environment``, assignments. Without an interpreter the
    first of ``fallbacks`` that the device has is used.
    """
    start = f"import sys; exec(compile(sys.stdin.buffer.read({len(_starter())}), '<start>', 'exec'))"
    ready = f"{_PYTHON_OPTIONS} -c {shlex.quote(start)}"
    if interpreter:
        return f"{environment} {interpreter} {ready}".strip()
    found = " || ".join(f"command -v {shlex.quote(name)}" for name in fallbacks)
    return f'python=$({found}) && {environment} "$python" {ready}'


def program(
    module: str, params: Mapping[str, Any], mark: str, folder: Path, *, check_mode: bool, note: Note | None
) -> bytes:
    """What the command is to read. ``folder`` is one of this run of Ansible, in which the texts are kept ready."""
    size, packed = _packed(folder)
    request = {
        "module": module,
        "params": params,
        "check_mode": check_mode,
        "mark": mark,
        "note": [note.text, note.facility] if note is not None else None,
        "python": PYTHON,
        "texts": size,
    }
    return _starter() + json.dumps(request).encode() + b"\n" + packed


def answer(output: str, mark: str) -> dict[str, Any] | None:
    """The result in what the program printed, or None where there is none."""
    for line in output.splitlines():
        text = line.strip()
        if text.startswith(mark + "{"):
            try:
                result = json.loads(text[len(mark) :])
            except (ValueError, RecursionError):
                return None
            return result if isinstance(result, dict) else None
    return None


def began(output: str, mark: str) -> bool:
    """Whether the program was started at all."""
    return any(line.strip().startswith(mark) for line in output.splitlines())


@lru_cache(maxsize=1)
def _starter() -> bytes:
    return _STARTER.read_bytes()


@lru_cache(maxsize=1)
def _packed(folder: Path) -> tuple[int, bytes]:
    """The texts and their code, compressed, and how many bytes the texts are.

    They are put together once in a run, by whoever needs them first, as Ansible does it for its modules.
    """
    kept = folder / _PACKED
    if not kept.exists():
        with (folder / f"{_PACKED}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                made = folder / f"{_PACKED}.new"
                made.write_bytes(_pack(texts()))
                made.replace(kept)
    size, _unused, packed = kept.read_bytes().partition(b"\n")
    return int(size), packed


def _pack(modules: Mapping[str, str]) -> bytes:
    code = {name: compiled(name, text) for name, text in modules.items()}
    first = zlib.compress(json.dumps(modules).encode(), 9)
    return b"%d\n" % len(first) + first + zlib.compress(marshal.dumps(code), 9)


def texts() -> dict[str, str]:
    """The modules' work and everything of the collection that it imports, by the names that it has on the device."""
    found: dict[Path, str] = {}
    waiting = sorted(_WORKS.glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = path.read_text(encoding="utf-8")
            waiting += _imported(path, ast.parse(found[path]))
    return {_name(path): text for path, text in sorted(found.items())}


def _name(path: Path) -> str:
    words = (PACKAGE, *path.relative_to(_MODULE_UTILS).with_suffix("").parts)
    return ".".join(words[:-1] if words[-1] == _PACKAGE_FILE else words)


def _imported(path: Path, tree: ast.AST) -> Iterator[Path]:
    """The files that importing one takes: those that it names, and the package that it is in."""
    names = [path.parent]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names += [module, *(module / alias.name for alias in node.names)]
    for name in names:
        yield from (file for file in (name.with_suffix(".py"), name / f"{_PACKAGE_FILE}.py") if file.is_file())
