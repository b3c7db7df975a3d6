# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses what an engine would only refuse late, or misunderstand. PRIVATE to the collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping, Sequence

from .errors import AUTH, INVALID, EngineError


def check_auth_file(path: str | None) -> None:
    """Raise EngineError when the file with credentials that was named is not there."""
    if path and not Path(path).is_file():
        raise EngineError(AUTH, f"The auth file {path} does not exist on this host.", "Create it with 'podman login'.")


def check_secrets(secrets: Sequence[Mapping[str, Any]], *, check_mode: bool) -> None:
    """Raise EngineError for a secret that cannot be passed on, or is not there.

    In check mode a variable of the environment need not be there: nothing is built, and a preview may know no secret.
    """
    for secret in secrets:
        if any("," in (secret[key] or "") for key in ("id", "path", "env")):
            raise EngineError(INVALID, f"The secret '{secret['id']}' has a comma, which engines read as a separator.")
        if secret["path"] and not Path(secret["path"]).is_file():
            raise EngineError(INVALID, f"The secret '{secret['id']}' has no file {secret['path']} on this host.")
        # Engines take an unset variable for an empty secret, or for none, and the build may pass without it.
        if not secret["path"] and not check_mode and secret["env"] not in os.environ:
            raise EngineError(
                INVALID,
                f"The secret '{secret['id']}' is to come from the variable {secret['env']}, which is not in the "
                "environment of this host.",
                "Set it for the task, or give the secret as a file.",
            )
