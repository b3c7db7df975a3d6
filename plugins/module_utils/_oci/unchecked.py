# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS with registries whose certificates are not checked. PRIVATE to the collection."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


def check_no_certificates(session: requests.Session) -> None:
    """Spare the session the reading of certificates it would not use; that takes longer than all it asks."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 (whoever has a session has requests)

    class Unchecked(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **settings: Any) -> Any:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return super().init_poolmanager(*arguments, ssl_context=context, **settings)

    session.mount("https://", Unchecked())
