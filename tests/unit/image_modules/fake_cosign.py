# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough of cosign for the image modules: signatures are made by openssl, and put beside the image over plain HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def main(argv: list[str]) -> None:
    if argv[-1] == "--help":
        sys.exit(0 if argv[1] == "--tlog-upload=false" else "Error: unknown flag")
    store = Path(os.environ["FAKE_PODMAN_STORE"])
    with (store / "log").open("a") as log:
        log.write(json.dumps(argv) + "\n")
    if os.environ.get("COSIGN_PASSWORD") != "correct horse":
        sys.exit("Error: decrypt: encrypted: decryption failed")
    host, _slash, rest = argv[-1].partition("/")
    repository, _at, image = rest.partition("@")
    identity = {"docker-reference": "elsewhere" if (store / "sign-elsewhere").exists() else f"{host}/{repository}"}
    critical = {"identity": identity, "image": {"docker-manifest-digest": image}}
    payload = json.dumps(
        {"critical": {**critical, "type": "cosign container image signature"}, "optional": None}
    ).encode()
    with tempfile.NamedTemporaryFile() as file:
        file.write(payload)
        file.flush()
        sign = ["openssl", "dgst", "-sha256", "-sign", argv[argv.index("--key") + 1], file.name]
        signature = subprocess.run(sign, check=True, capture_output=True).stdout
    layer = {"mediaType": PAYLOAD, "digest": digest(payload), "size": len(payload)}
    layer["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    for place, body, media_type in (
        (f"blobs/{digest(payload)}", payload, "application/octet-stream"),
        (f"manifests/{image.replace(':', '-')}.sig", json.dumps(manifest).encode(), MANIFEST),
    ):
        url = f"http://{host}/v2/{repository}/{place}"
        headers = {"Content-Type": media_type}
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")).close()


main(sys.argv[1:])
