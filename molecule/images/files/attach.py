# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach a list of packages to an image in a registry, as an artifact that names its subject (OCI 1.1).

Called with the address of a repository, http://host:port/v2/name, and a tag. Prints "attached", or nothing when it is
there already. Registries that keep no list of referrers leave that to clients: an index at a tag made of the digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SBOM = "application/spdx+json"
DOCKER = "application/vnd.docker.distribution.manifest"
ACCEPT = f"{INDEX}, {MANIFEST}, {DOCKER}.list.v2+json, {DOCKER}.v2+json"


def ask(method: str, url: str, raw: bytes | None = None, media_type: str = "application/octet-stream"):
    headers = {"Accept": ACCEPT, "Content-Type": media_type}
    return urllib.request.urlopen(urllib.request.Request(url, raw, headers, method=method), timeout=20)


def descriptor(raw: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(raw).hexdigest(), "size": len(raw)}


def put_blob(repository: str, raw: bytes, media_type: str) -> dict[str, object]:
    blob = descriptor(raw, media_type)
    with ask("POST", f"{repository}/blobs/uploads/", b"") as begun:
        place = begun.headers["Location"]
    separator = "&" if "?" in place else "?"
    ask("PUT", f"{place}{separator}{urllib.parse.urlencode({'digest': blob['digest']})}", raw).close()
    return blob


def main(repository: str, tag: str) -> None:
    with ask("GET", f"{repository}/manifests/{tag}") as answer:
        subject = descriptor(answer.read(), answer.headers["Content-Type"])
    index_tag = f"{repository}/manifests/{str(subject['digest']).replace(':', '-')}"
    try:
        ask("HEAD", index_tag).close()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    else:
        return
    artifact = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SBOM,
        "config": put_blob(repository, b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [put_blob(repository, json.dumps({"packages": [tag]}).encode(), SBOM)],
        "subject": subject,
    }
    raw = json.dumps(artifact).encode()
    entry = descriptor(raw, MANIFEST)
    ask("PUT", f"{repository}/manifests/{entry['digest']}", raw, MANIFEST).close()
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**entry, "artifactType": SBOM}]}
    ask("PUT", index_tag, json.dumps(listed).encode(), INDEX).close()
    print("attached")


main(*sys.argv[1:])
