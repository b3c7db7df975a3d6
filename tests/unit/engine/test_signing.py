# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How cosign, skopeo and openssl are told to sign and to check."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.run import Finished, run_command
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.signing import (
    OpenSsl,
    Signing,
    choose_signer,
    public_key_beside,
    read_passphrase,
    sign,
)

IMAGE = "registry.example.com/os/kde@sha256:" + "a" * 64
SECRET = "correct horse"
SIGNING = Signing(IMAGE, "registry.example.com/os/kde", False, "/keys/2026.key", SECRET)
COSIGN_2 = {"--tlog-upload=false"}
COSIGN_3 = {"--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"}


class Programs:
    """Remembers what was run, with the files and variables that were there at that moment."""

    def __init__(self, known_flags=frozenset(), answer=None):
        self.known_flags = known_flags
        self.answer = answer or Finished(0, "", "")
        self.argv = []
        self.environment = {}
        self.files = {}

    def __call__(self, argv, timeout, environment=None):
        if argv[-1] == "--help":
            return Finished(0 if argv[2] in self.known_flags else 1, "", "Error: unknown flag")
        self.argv, self.environment = list(argv), dict(environment or {})
        for word in argv:
            folder = Path(word).parent if Path(word).name == "policy.json" else None
            if folder:
                self.files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
                self.files = {name: path.read_text(encoding="utf-8") for name, path in self.files.items()}
                self.mode = folder.stat().st_mode & 0o777
        if "DOCKER_CONFIG" in self.environment:
            self.files["config.json"] = str((Path(self.environment["DOCKER_CONFIG"]) / "config.json").readlink())
        return self.answer


@pytest.mark.parametrize(
    ("known", "flags"),
    [
        (COSIGN_2, ["--tlog-upload=false"]),
        (COSIGN_3, ["--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"]),
    ],
)
def test_cosign_is_told_what_its_version_has_to_be_told(known, flags):
    programs = Programs(known)
    sign(programs, "cosign", SIGNING, 60)
    assert programs.argv == ["cosign", "sign", "--yes", "--key", "/keys/2026.key", *flags, IMAGE]
    assert programs.environment == {"COSIGN_PASSWORD": SECRET}


def test_cosign_gets_credentials_in_the_folder_it_looks_for(tmp_path):
    programs = Programs(COSIGN_2)
    sign(programs, "cosign", replace(SIGNING, auth_file=str(tmp_path / "auth.json"), tls_verify=False), 60)
    assert programs.files["config.json"] == str(tmp_path / "auth.json")
    assert programs.argv[-3:] == ["--allow-insecure-registry", "--allow-http-registry", IMAGE]


def test_an_empty_passphrase_is_given_too_or_cosign_would_ask():
    programs = Programs(COSIGN_2)
    sign(programs, "cosign", replace(SIGNING, passphrase=""), 60)
    assert programs.environment == {"COSIGN_PASSWORD": ""}


def test_skopeo_signs_in_place_with_files_that_only_we_can_read():
    programs = Programs()
    sign(programs, "skopeo", replace(SIGNING, auth_file="/auth.json"), 60)
    folder = Path(programs.argv[2]).parent
    assert programs.argv[5:] == [
        *("copy", "--quiet", "--preserve-digests", "--authfile", "/auth.json"),
        *("--sign-by-sigstore-private-key", "/keys/2026.key", "--sign-passphrase-file", str(folder / "passphrase")),
        *(f"docker://{IMAGE}", f"docker://{IMAGE}"),
    ]
    assert programs.files["passphrase"] == SECRET
    assert "use-sigstore-attachments: true" in programs.files["registries.d/signed.yaml"]
    assert programs.mode == 0o700
    assert not folder.exists()


def test_of_an_index_skopeo_signs_the_index_alone():
    programs = Programs()
    sign(programs, "skopeo", replace(SIGNING, is_index=True, tls_verify=False), 60)
    assert programs.argv[8:12] == ["--multi-arch", "index-only", "--src-tls-verify=false", "--dest-tls-verify=false"]


@pytest.mark.parametrize("signer", ["cosign", "skopeo"])
def test_the_passphrase_is_in_no_command_line_and_no_message(signer):
    programs = Programs(COSIGN_3, Finished(1, "", f"wrong passphrase '{SECRET}'"))
    with pytest.raises(EngineError) as refused:
        sign(programs, signer, SIGNING, 60)
    assert SECRET not in " ".join(programs.argv)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("creating signature: Debian-local change: sigstore disabled", "unsupported"),
        ("getting signer: reading key: decrypt: encrypted: decryption failed", "invalid"),
        ("reading key: open nokey.key: no such file or directory", "invalid"),
        ("UNAUTHORIZED: authentication required", "auth"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "network"),
        ("the moon is full", "unexpected"),
    ],
)
def test_a_failure_has_its_kind(said, kind):
    with pytest.raises(EngineError) as refused:
        sign(Programs(answer=Finished(1, "", said)), "skopeo", SIGNING, 60)
    assert refused.value.kind == kind


def test_cosign_comes_first_and_what_is_asked_for_is_not_replaced():
    assert choose_signer("auto", lambda name: name) == "cosign"
    assert choose_signer("auto", lambda name: name if name == "skopeo" else None) == "skopeo"
    with pytest.raises(EngineError, match="no cosign in PATH"):
        choose_signer("cosign", lambda name: name if name == "skopeo" else None)


def test_a_passphrase_comes_from_where_it_was_named(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(f"{SECRET}\r\nand a note\n", encoding="utf-8")
    environment = {"COSIGN_PASSWORD": "from the environment"}
    assert read_passphrase("given", None, environment) == "given"
    assert read_passphrase("", None, environment) == ""
    assert read_passphrase(None, str(file), environment) == SECRET
    assert read_passphrase(None, None, environment) == "from the environment"
    assert read_passphrase(None, None, {}) == ""
    with pytest.raises(EngineError, match="cannot be read"):
        read_passphrase(None, str(tmp_path / "none"), {})


@pytest.mark.parametrize(
    ("private", "public"),
    [("/k/2026.key", "/k/2026.pub"), ("/k/2026.private", "/k/2026.pub"), ("/k/2026", "/k/2026.pub")],
)
def test_the_public_key_is_beside_the_private_one(private, public):
    assert public_key_beside(private) == public


@pytest.fixture
def pairs(tmp_path):
    """Two key pairs; the private keys are made for the test and protect nothing."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    for name in ("ours", "theirs"):
        private, public = tmp_path / name, tmp_path / f"{name}.pub"
        make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private]
        subprocess.run(make, check=True, capture_output=True)
        subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return tmp_path


def signature_of(payload, key, folder):
    (folder / "payload").write_bytes(payload)
    command = ["openssl", "dgst", "-sha256", "-sign", str(key), str(folder / "payload")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_a_signature_holds_for_its_key_and_its_bytes_only(pairs):
    openssl = OpenSsl(run_command)
    signature = signature_of(b"payload", pairs / "ours", pairs)
    assert openssl.made(str(pairs / "ours.pub"), b"payload", signature)
    assert not openssl.made(str(pairs / "theirs.pub"), b"payload", signature)
    assert not openssl.made(str(pairs / "ours.pub"), b"payl0ad", signature)
    assert not openssl.made(str(pairs / "ours.pub"), b"payload", b"junk")


def test_a_key_that_is_none_is_an_error_and_no_wrong_signature(pairs):
    with pytest.raises(EngineError, match="is no public key"):
        OpenSsl(run_command).made(str(pairs / "payload"), b"payload", b"junk")


def test_an_ed25519_key_is_told_from_a_wrong_one(pairs):
    private, public = str(pairs / "ed"), str(pairs / "ed.pub")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    (pairs / "payload").write_bytes(b"payload")
    command = ["openssl", "pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", str(pairs / "payload")]
    signature = subprocess.run(command, check=True, capture_output=True).stdout
    openssl = OpenSsl(run_command)
    assert openssl.made(public, b"payload", signature)
    assert not openssl.made(public, b"payl0ad", signature)
    assert not openssl.made(public, b"payload", b"junk")
    assert not openssl.made(str(pairs / "ours.pub"), b"payload", signature)


def test_a_key_that_signs_nothing_is_an_error(pairs):
    private, public = str(pairs / "x"), str(pairs / "x.pub")
    subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    with pytest.raises(EngineError, match="of a kind that signs no images") as refused:
        OpenSsl(run_command).made(public, b"payload", b"junk")
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize("version", ["OpenSSL 1.1.1w  11 Sep 2023", "LibreSSL 4.0.0"])
def test_an_openssl_that_cannot_do_it_is_an_error_and_no_wrong_signature(pairs, version):
    private, public = str(pairs / "ed"), str(pairs / "ed.pub")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)

    def old(argv, timeout, environment=None):
        return Finished(0, version, "") if argv[1] == "version" else run_command(argv, timeout, environment)

    with pytest.raises(EngineError, match=r"too old for .*/ed\.pub") as refused:
        OpenSsl(old).made(public, b"payload", b"signature")
    assert refused.value.kind == "unsupported"


def test_an_rsa_key_with_its_long_lengths_is_read(pairs):
    private, public = str(pairs / "rsa"), str(pairs / "rsa.pub")
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    signature = signature_of(b"payload", pairs / "rsa", pairs)
    assert OpenSsl(run_command).made(public, b"payload", signature)
    assert not OpenSsl(run_command).made(public, b"payl0ad", signature)


def test_variables_reach_the_program_and_nobody_else():
    answer = run_command(["sh", "-c", 'printf "$COSIGN_PASSWORD"'], 10, {"COSIGN_PASSWORD": SECRET})
    assert answer.stdout == SECRET
    assert "COSIGN_PASSWORD" not in os.environ
