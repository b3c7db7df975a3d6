# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a tag of a running registry, as somebody who publishes does."""

from __future__ import annotations

import http.client

from simulator.client import MANIFEST_TYPES, digest_of


def retag(host: str, repository: str, tag: str, target: str) -> str:
    """Put what ``target`` (a tag or digest) names under ``tag`` as well; returns its digest. Raises ValueError."""
    connection = http.client.HTTPConnection(host, timeout=30)
    path = f"/v2/{repository}/manifests/"
    try:
        connection.request("GET", path + target, headers={"Accept": ", ".join(MANIFEST_TYPES)})
        found = connection.getresponse()
        manifest = found.read()
        if found.status != 200:
            raise ValueError(
                f"{host} has no {target} in {repository} (HTTP {found.status}); see its tags for what it has"
            )
        media_type = found.headers.get("Content-Type") or MANIFEST_TYPES[2]
        connection.request("PUT", path + tag, manifest, {"Content-Type": media_type})
        put = connection.getresponse()
        answer = put.read()
        if put.status != 201:
            raise ValueError(f"{host} does not take {tag}: HTTP {put.status} {answer[:200].decode(errors='replace')}")
    except (OSError, http.client.HTTPException) as failed:
        raise ValueError(f"cannot reach a registry at {host}: {failed}; start one with 'registry'") from failed
    finally:
        connection.close()
    return digest_of(manifest)
