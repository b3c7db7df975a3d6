# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign with the real programs, and have the real skopeo judge as it does for bootc, against a real registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from ansible.module_utils.testing import patch_module_args
from ansible_collections.skorionos.bootc.plugins.module_utils._engine import signing
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.run import run_command
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.signing import Signing, cosign_arguments, sign
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.install import Found, Wanted, plan, try_out
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.policy import only_signed, render_policy
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.proxy import Rules, loads, verify
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.registries_d import render
from ansible_collections.skorionos.bootc.plugins.modules import image_verify

PASSPHRASE = "correct horse"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1"


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """A cosign and a skopeo that can do it, in front of the PATH. ``.ci/run`` fetches them."""
    folder = os.environ.get("BOOTC_SIGNING_PROGRAMS")
    if folder is None:
        pytest.skip("BOOTC_SIGNING_PROGRAMS names no folder with a skopeo that was built with sigstore, and a cosign")
    if not (Path(folder) / "cosign").exists():
        pytest.fail("the programs could not be fetched, see the beginning of the log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield Path(folder)


@dataclass
class Registry:
    """A docker-registry with plain HTTP, which skopeo takes because a configuration in its home says so."""

    address: str

    def image(self, repository: str) -> list[str]:
        """Put an index of two images there; return its digest and theirs."""
        children = [self._child(repository, architecture) for architecture in ("amd64", "arm64")]
        index = self._manifest(repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
        return [index["digest"], *(child["digest"] for child in children)]

    def _child(self, repository: str, architecture: str) -> dict[str, object]:
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(architecture))
        rootfs = {"type": "layers", "diff_ids": [digest(tar.getvalue())]}
        config = json.dumps({"os": "linux", "architecture": architecture, "config": {}, "rootfs": rootfs}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(repository, config, "application/vnd.oci.image.config.v1+json"),
            "layers": [
                self._blob(repository, gzip.compress(tar.getvalue(), mtime=0), f"{LAYER}.tar+gzip"),
            ],
        }
        platform = {"os": "linux", "architecture": architecture}
        return {**self._manifest(repository, manifest), "platform": platform}

    def _blob(self, repository: str, raw: bytes, media_type: str) -> dict[str, object]:
        session = requests.post(f"http://{self.address}/v2/{repository}/blobs/uploads/", timeout=10)
        place = session.headers["Location"]
        requests.put(
            place,
            params={"digest": digest(raw)},
            data=raw,
            timeout=10,
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
        return {"mediaType": media_type, "digest": digest(raw), "size": len(raw)}

    def _manifest(self, repository: str, document: dict[str, object]) -> dict[str, object]:
        raw = json.dumps(document).encode()
        place = f"http://{self.address}/v2/{repository}/manifests/{digest(raw)}"
        headers = {"Content-Type": str(document["mediaType"])}
        requests.put(place, data=raw, headers=headers, timeout=10).raise_for_status()
        return {"mediaType": document["mediaType"], "digest": digest(raw), "size": len(raw)}


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


@pytest.fixture(scope="module")
def registry(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")
    home = folder / "home" / ".config" / "containers"
    home.mkdir(parents=True)
    (home / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n', encoding="utf-8")
    program = shutil.which("docker-registry") or pytest.skip("docker-registry is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        with subprocess.Popen([program, "serve", str(folder / "config.yml")], stderr=subprocess.DEVNULL) as server:
            for _try in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0:
                        break
                time.sleep(0.1)
            yield Registry(address)
            server.terminate()


@pytest.fixture(scope="module")
def keys(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key pairs, with one passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("2026", "2027"):
        command = ["cosign", "generate-key-pair", "--output-key-prefix", str(folder / name)]
        assert run_command(command, 60, {"COSIGN_PASSWORD": PASSPHRASE}).rc == 0
    return folder


def rules(folder: Path, repository: str, *public_keys: Path) -> Rules:
    """A policy that accepts images by these keys only."""
    (folder / "registries.d").mkdir(exist_ok=True)
    (folder / "registries.d" / "x.yaml").write_text(render([repository]), encoding="utf-8")
    policy = folder / "policy.json"
    policy.write_text(render_policy(only_signed([repository], [str(key) for key in public_keys])), encoding="utf-8")
    return Rules(policy, folder / "registries.d")


def is_refused(references: list[str], by: Rules) -> bool:
    try:
        verify(references, by, 60)
    except BootcError as refused:
        assert refused.kind == "signature", refused.msg
        return True
    return False


@pytest.mark.parametrize("signer", ["cosign", "skopeo"])
def test_what_either_program_signs_a_device_accepts_with_the_right_key_only(
    registry: Registry, keys: Path, tmp_path: Path, signer: str
) -> None:
    repository = f"{registry.address}/os/{signer}"
    digests = registry.image(f"os/{signer}")
    images = [f"{repository}@{each}" for each in digests]
    ours = rules(tmp_path, repository, keys / "2026.pub")
    assert is_refused(images[:1], ours)
    for number, image in enumerate(images):
        signing = Signing(image, repository, number == 0, str(keys / "2026.key"), PASSPHRASE, tls_verify=False)
        sign(run_command, signer, signing, 60)
    verify(images, ours, 60)
    assert is_refused(images[:1], rules(tmp_path, repository, keys / "2027.pub"))
    verify(images[:1], rules(tmp_path, repository, keys / "2027.pub", keys / "2026.pub"), 60)


def test_what_is_pulled_from_elsewhere_is_verified_there_by_its_own_name(
    registry: Registry, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = registry.image("os/moved")
    flags = [flag for flag in signing._COSIGN_FLAGS if signing._cosign_knows(run_command, flag)]
    for each in digests:
        image = f"{registry.address}/os/moved@{each}"
        wanted = Signing(image, "", False, str(keys / "2026.key"), PASSPHRASE, tls_verify=False)
        argv = cosign_arguments(wanted, [*flags, "--sign-container-identity", "home.example.com/os/kde"])
        signed = run_command(argv, 60, {"COSIGN_PASSWORD": PASSPHRASE})
        assert signed.rc == 0, signed.stderr
    folder = tmp_path / ".config" / "containers"
    folder.mkdir(parents=True)
    (folder / "registries.conf").write_text(
        f'[[registry]]\nprefix = "home.example.com/os/kde"\nlocation = "{registry.address}/os/moved"\ninsecure = true\n'
        f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for method in ("skopeo", "registry"):
        given = {"image": f"home.example.com/os/kde@{digests[0]}", "keys": [str(keys / "2026.pub")], "method": method}
        with patch_module_args(given), pytest.raises(SystemExit):
            image_verify.main()
        told = json.loads(capsys.readouterr().out)
        assert (told.get("msg"), told.get("verified")) == (None, digests)


def test_a_wrong_passphrase_is_said_to_be_one(registry: Registry, keys: Path) -> None:
    image = f"{registry.address}/os/wrong@{registry.image('os/wrong')[0]}"
    signing = Signing(image, f"{registry.address}/os/wrong", True, str(keys / "2026.key"), "wrong", tls_verify=False)
    for signer in ("cosign", "skopeo"):
        with pytest.raises(EngineError, match="Correct the passphrase"):
            sign(run_command, signer, signing, 60)


def test_a_device_refuses_a_policy_that_would_refuse_what_it_runs(registry: Registry, keys: Path) -> None:
    repository = f"{registry.address}/os/device"
    image = f"{repository}@{registry.image('os/device')[0]}"
    signing = Signing(image, repository, True, str(keys / "2026.key"), PASSPHRASE, tls_verify=False)
    sign(run_command, "cosign", signing, 60)
    old, new = (keys / f"{name}.pub" for name in ("2026", "2027"))
    nothing = Found(None, None, {}, {})

    def planned(**public_keys: str):
        return plan(Wanted((repository,), public_keys, rejects_by_default=True), nothing)

    try_out(planned(a=old.read_text()), [image], None, 60)
    try_out(planned(a=old.read_text(), b=new.read_text()), [image], None, 60)
    with pytest.raises(BootcError) as refused:
        try_out(planned(b=new.read_text()), [image], None, 60)
    assert refused.value.kind == "signature"


def test_skopeo_says_which_policy_it_cannot_read(programs: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": []}', encoding="utf-8")
    assert "must not be empty" in (loads(policy, 60) or "")


def test_the_playbook_signs_and_verifies_and_then_has_nothing_to_do(
    registry: Registry, keys: Path, tmp_path: Path, collections_path: Path
) -> None:
    digests = registry.image("os/play")
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    release = {"variants": [{"image": f"{registry.address}/os/play", "digest": digests[0]}]}
    (tmp_path / "release.json").write_text(json.dumps(release), encoding="utf-8")
    given = {
        "bootc_sign_key": str(keys / "2026.key"),
        "bootc_sign_passphrase_file": "passphrase",
        "bootc_release_file": "release.json",
        "bootc_tls_verify": False,
    }
    play = [Path(sys.executable).with_name("ansible-playbook"), "skorionos.bootc.sign", "-v", "-e", json.dumps(given)]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    for changed in (1, 0):
        done = subprocess.run(play, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"changed={changed} " in done.stdout
        assert PASSPHRASE not in done.stdout + done.stderr
