# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that talk to a registry have in common. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Mapping

from ansible.module_utils.common.warnings import warn

from .client import RegistryClient
from .transport import new_session
from .unchecked import check_no_certificates

REGISTRY_ARGUMENTS: dict[str, dict[str, Any]] = {
    "tls_verify": {"type": "bool", "default": True},
    "auth_file": {"type": "path"},
}


def registry_client(
    params: Mapping[str, Any],
    *,
    for_push: bool = False,
    pulls: bool = False,
    timeout: float = 30.0,
    retries: int = 3,
) -> RegistryClient:
    """Return the client that the options of :data:`REGISTRY_ARGUMENTS` describe.

    One that ``pulls`` reads from where images are pulled from, which is not for those who compare before they write.
    """
    session = new_session()
    if not params["tls_verify"]:
        check_no_certificates(session)
    return RegistryClient(
        session,
        insecure=not params["tls_verify"],
        auth_file=params["auth_file"],
        for_push=for_push,
        pulls=pulls,
        timeout=timeout,
        retries=retries,
        warn=warn,
    )
