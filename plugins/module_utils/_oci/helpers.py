# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credential helpers: programs that keep secrets for podman and docker. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Mapping

from .._process import OwnSession

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECONDS = 30
_NOT_FOUND = "credentials not found"
_IDENTITY = "<token>"
_DOCKER_HUB = ("https://index.docker.io/v1/", "docker.io")


class HelperError(Exception):
    """Why a helper gave no answer, as the end of a sentence that names it. Nothing it printed is in it."""


def ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return user name, password and identity token that ``docker-credential-NAME`` has, or none.

    Of the last two one is empty. The registry goes to its standard input, the answer comes from its standard output, so
    neither is seen in a list of processes. Raises :exc:`HelperError`.
    """
    if not _NAME.fullmatch(name):
        raise HelperError("has a name that no program has")
    for server in _DOCKER_HUB if registry == "docker.io" else (registry,):
        answer = _run(f"docker-credential-{name}", server, environ)
        if answer is not None:
            return answer
    return None


def _run(program: str, server: str, environ: Mapping[str, str]) -> tuple[str, str, str] | None:
    try:
        with OwnSession([program, "get"], reads=True, environment=environ) as helper:
            try:
                said, _ignored = helper.communicate(server.encode(), timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                helper.end(0.0)
                raise
    except FileNotFoundError as error:
        raise HelperError(f"is not in PATH ({program})") from error
    except OSError as error:
        raise HelperError(f"cannot be started ({program}): {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HelperError(f"gave no answer within {_SECONDS} seconds ({program})") from error
    if helper.returncode != 0:
        # The one answer that the protocol knows by its words.
        if _NOT_FOUND in said.decode("utf-8", "replace").lower():
            return None
        raise HelperError(f"failed with exit code {helper.returncode} ({program})")
    try:
        document = json.loads(said)
        username, secret = document["Username"], document["Secret"]
        if not isinstance(username, str) or not isinstance(secret, str):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        # Not chained: the text of these errors could quote the secret.
        raise HelperError(f"answered with something else than a user name and a secret ({program})") from None
    return ("", "", secret) if username == _IDENTITY else (username, secret, "")
