# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough of podman for the image modules: images are configurations in a folder, and pushes go over plain HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

STORE = Path(os.environ["FAKE_PODMAN_STORE"])


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def values(argv: list[str], flag: str) -> list[str]:
    return [argv[i + 1] for i, argument in enumerate(argv) if argument == flag]


def image_file(name: str) -> Path:
    return STORE / name.replace("/", "_")


def annotations_file(name: str) -> Path:
    return STORE / (name.replace("/", "_") + ".annotations")


def check_itself() -> None:
    """Run bootc container lint, in images that have it: when there is a file that says how it ends."""
    if not (STORE / "lint-says").exists():
        sys.exit(127)
    said = (STORE / "lint-says").read_text()
    sys.exit(said or 0)


def wait_for_others(argv: list[str]) -> None:
    """With a number in a file, a build of a child goes on only when that many run at the same time."""
    if (STORE / "together").exists() and values(argv, "--from") + [a for a in argv if a.startswith("PARENT=sha256")]:
        (STORE / f"running-{os.getpid()}").touch()
        for _try in range(500):
            if len(list(STORE.glob("running-*"))) >= int((STORE / "together").read_text()):
                return
            time.sleep(0.01)
        sys.exit("Error: nobody else is building")


def build(argv: list[str]) -> None:
    wait_for_others(argv)
    name = values(argv, "--tag")[0]
    if (STORE / "fail").exists() and (STORE / "fail").read_text() in name:
        sys.exit("Error: building at STEP RUN false: exit status 1")
    labels = dict(label.split("=", 1) for label in values(argv, "--label"))
    architecture = (values(argv, "--platform") or ["linux/amd64"])[0].split("/")[1]
    config = json.dumps(
        {"os": "linux", "architecture": architecture, "created": "then", "config": {"Labels": labels}}
    ).encode()
    image_file(values(argv, "--tag")[0]).write_bytes(config)
    annotations = dict(annotation.split("=", 1) for annotation in values(argv, "--annotation"))
    annotations_file(values(argv, "--tag")[0]).write_text(json.dumps(annotations))
    Path(values(argv, "--iidfile")[0]).write_text(digest(config))


def push(argv: list[str]) -> None:
    import urllib.request  # noqa: PLC0415 (slow, and only pushes need it)

    if (STORE / "refuse-push").exists() and (STORE / "refuse-push").read_text() in argv[-1]:
        sys.exit("Error: writing manifest: denied")
    if (STORE / "push-says").exists():
        sys.exit((STORE / "push-says").read_text())
    if (STORE / "fail-pushes").exists():
        left = int((STORE / "fail-pushes").read_text())
        if left:
            (STORE / "fail-pushes").write_text(str(left - 1))
            sys.exit("Error: writing blob: Patch: connection reset by peer")
    config = image_file(argv[-2]).read_bytes()
    host, _slash, rest = argv[-1][len("docker://") :].partition("/")
    repository, _colon, tag = rest.rpartition(":")
    compression = values(argv, "--compression-format")[0].partition(":")[0]
    layer = {
        "mediaType": f"application/vnd.oci.image.layer.v1.tar+{compression}",
        "digest": digest(config[:9] + compression.encode()),
        "size": 7,
    }
    if values(argv, "--compression-format") == ["zstd:chunked"]:
        layer["annotations"] = {"io.github.containers.zstd-chunked.manifest-checksum": "sha256:0"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    descriptor = {"mediaType": "config", "digest": digest(config), "size": len(config)}
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor,
            "layers": [layer],
            "annotations": json.loads(annotations_file(argv[-2]).read_text()),
        }
    ).encode()
    for path, body in ((f"blobs/{digest(config)}", config), (f"manifests/{tag}", manifest)):
        request = urllib.request.Request(f"http://{host}/v2/{repository}/{path}", data=body, method="PUT")
        request.add_header("Content-Type", media_type)
        urllib.request.urlopen(request).close()
    Path(values(argv, "--digestfile")[0]).write_text(digest(manifest))


def main(argv: list[str]) -> None:
    with (STORE / "log").open("a") as log:
        log.write(json.dumps(argv) + "\n")
    if argv[0] == "--version":
        version = STORE / "version"
        print("podman version", version.read_text() if version.exists() else "5.4.2")
    elif argv[0] == "build":
        build(argv)
    elif argv[0] == "run":
        check_itself()
    elif argv[0] == "untag":
        image_file(argv[-1]).unlink()
    elif argv[0] == "push":
        push(argv)
    elif not image_file(argv[-1]).exists():
        sys.exit(1)
    elif argv[1] == "inspect":
        config = image_file(argv[-1]).read_bytes()
        labels = json.loads(config)["config"]["Labels"]
        annotations = json.loads(annotations_file(argv[-1]).read_text())
        document = {"Id": digest(config)[7:], "Digest": digest(config + b" "), "Labels": labels}
        print(json.dumps([{**document, "Annotations": annotations}]))


main(sys.argv[1:])
