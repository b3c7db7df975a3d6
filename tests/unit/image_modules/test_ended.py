# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that is ended in the middle ends what it started, and leaves nothing behind, least of all a passphrase."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest
import requests
from ansible.module_utils.testing import patch_module_args
from ansible_collections.skorionos.bootc.plugins.modules import image_push, image_sign, image_verify

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that tell who they are, have the task ended, and then wait until somebody ends them."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("podman", "cosign", "skopeo"):
        (programs / name).write_text(f"""#!{sys.executable}
import os, signal, sys, time
if sys.argv[1:3] == ["image", "inspect"]:
    sys.exit(print('[{{"Id": "sha256:{"1" * 64}", "Size": 1000}}]'))
if "--help" in sys.argv or "--version" in sys.argv:
    sys.exit(print("podman version 5.0.0"))
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
time.sleep(1)  # until it is waited for
os.kill({os.getpid()}, signal.SIGTERM)
if "--sockfd" in sys.argv:
    while os.read(int(sys.argv[sys.argv.index("--sockfd") + 1]), 65536):
        pass
    sys.exit()
time.sleep(60)
""")
        (programs / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def published(registry: str) -> str:
    """An image by its digest."""
    raw = b'{"os": "linux", "architecture": "amd64"}'
    address = f"http://{registry}/v2/os/skorionos"
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(raw), "size": len(raw)}
    requests.put(f"{address}/blobs/{digest(raw)}", data=raw, timeout=5).raise_for_status()
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    headers = {"Content-Type": MANIFEST}
    requests.put(f"{address}/manifests/v1", json=document, headers=headers, timeout=5).raise_for_status()
    return f"{registry}/os/skorionos:v1"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def ended(module: ModuleType, **arguments: object) -> int | str | None:
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with patch_module_args({"tls_verify": False, **arguments}), pytest.raises(SystemExit) as left:
            module.main()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return left.value.code


def is_gone(folder: Path) -> bool:
    """Whether the program and what was written for it are gone."""
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
    return not list((folder / "tmp").iterdir())


def test_a_push(folder: Path, registry: str) -> None:
    assert ended(image_push, name="localhost/kde:1", image=f"{registry}/os/skorionos:v1", engine="podman") == 143
    assert is_gone(folder)


@pytest.mark.parametrize("signer", ["cosign", "skopeo"])
def test_a_signing(folder: Path, published: str, signer: str) -> None:
    for name in ("2026.key", "2026.pub"):
        (folder / name).touch()
    wanted = {"key": str(folder / "2026.key"), "passphrase": "correct horse", "signer": signer}
    assert ended(image_sign, image=published, **wanted) == 143
    assert is_gone(folder)


def test_a_verification(folder: Path, published: str) -> None:
    (folder / "2026.pub").touch()
    assert ended(image_verify, image=published, keys=[str(folder / "2026.pub")]) == 143
    assert is_gone(folder)
