# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for one registry, from the folders that podman, skopeo and docker use. PRIVATE to the collection."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Mapping

from .errors import UNEXPECTED, RegistryError
from .places import configuration_folder


def certificate_folder(host: str, environ: Mapping[str, str]) -> Path | None:
    """Return the first of the folders that has something for ``host[:port]``."""
    places = (configuration_folder(environ) / "containers", Path("/etc/containers"), Path("/etc/docker"))
    return next((place / "certs.d" / host for place in places if (place / "certs.d" / host).is_dir()), None)


def tls_context(folder: Path, *, verify: bool) -> ssl.SSLContext:
    """Return what TLS needs: the usual authorities and those of ``*.crt``; to show, ``*.cert`` with its ``*.key``."""
    context = ssl.create_default_context()
    # Since Python 3.13 certificates must be more formal than podman asks of the very same files.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    path = folder
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix == ".crt":
                context.load_verify_locations(cafile=str(path))
            elif path.suffix == ".cert":
                # A password would be asked for on the terminal; an empty one fails instead.
                context.load_cert_chain(str(path), str(path.with_suffix(".key")), password="")
    except (OSError, ssl.SSLError) as error:
        raise RegistryError(
            UNEXPECTED,
            f"The certificates in {folder} cannot be used: {path.name}: {error.strerror or error}.",
            "Correct them. A *.cert needs a *.key of the same name, which this user can read, without a password.",
        ) from error
    return context
