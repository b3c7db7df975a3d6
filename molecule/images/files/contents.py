# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print as JSON what a repository of a registry has: its tags, what they lead to, and which parts of that are lacking.

Called with the address of a repository, http://host:port/v2/name, and digests to look for besides. Uses nothing of the
collection, so that it can be asked whether the collection did what it says.
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.error
import urllib.request

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


def get(url: str, method: str = "GET") -> bytes | None:
    """Return what is there, or nothing where there is nothing."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Accept": ACCEPT}, method=method), timeout=20
        ) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def main(repository: str, digests: list[str]) -> None:
    listed = json.loads(get(f"{repository}/tags/list") or b'{"tags": null}')["tags"] or []
    manifests: dict[str, dict[str, object]] = {}
    lacking: list[str] = []
    blobs: set[str] = set()

    def walk(name: str) -> str | None:
        """Read a manifest and everything that it leads to; return its digest."""
        if name in manifests:
            return name
        raw = get(f"{repository}/manifests/{name}")
        if raw is None:
            return None
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        document = json.loads(raw)
        children = [entry["digest"] for entry in document.get("manifests", [])]
        manifests[digest] = {"children": children, "subject": document.get("subject", {}).get("digest")}
        lacking.extend(child for child in children if walk(child) is None)
        blobs.update(entry["digest"] for entry in [*document.get("layers", []), document.get("config")] if entry)
        return digest

    tags = {tag: digest for tag in listed if (digest := walk(tag))}
    for digest in digests:
        walk(digest)
    lacking.extend(blob for blob in sorted(blobs) if get(f"{repository}/blobs/{blob}", "HEAD") is None)
    print(json.dumps({"tags": tags, "manifests": manifests, "lacking": lacking}))


main(sys.argv[1], sys.argv[2:])
