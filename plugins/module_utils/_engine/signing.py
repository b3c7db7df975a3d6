# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives cosign, skopeo and openssl to sign images and to check signatures. PRIVATE to the collection."""

from __future__ import annotations

import base64
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Protocol, Sequence

from .._trust.registries_d import render
from .errors import AUTH, INVALID, MISSING, NETWORK, UNEXPECTED, EngineError
from .run import Finished

SIGNERS = ("cosign", "skopeo")
UNSUPPORTED = "unsupported"
_ED25519 = bytes.fromhex("2b6570")
_ED25519_SINCE = 3
"""The first OpenSSL whose pkeyutl verifies what such a key signed."""
_ALGORITHMS = (bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201"), _ED25519)
"""RSA, elliptic curves and Ed25519, as object identifiers."""
_QUERY_SECONDS = 60.0
_TAIL_CHARACTERS = 2000
# What cosign has to be told so that it works without the internet, and leaves a signature in the form that devices
# read. Each version knows some of them only.
_COSIGN_FLAGS = ("--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false")
_ACCEPT_ANYTHING = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


class RunWith(Protocol):
    """How a command is run that may be given variables."""

    def __call__(
        self, argv: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None
    ) -> Finished: ...


@dataclass(frozen=True)
class Signing:
    """One digest to sign, with what that takes. ``image`` has the digest and no tag."""

    image: str
    repository: str
    is_index: bool
    key: str
    passphrase: str
    tls_verify: bool = True
    auth_file: str | None = None


def choose_signer(wanted: str, find: Callable[[str], str | None]) -> str:
    """Return the program to sign with; ``find`` looks a program up in PATH."""
    candidates = SIGNERS if wanted == "auto" else (wanted,)
    for name in candidates:
        if find(name):
            return name
    raise EngineError(
        MISSING, f"There is no {' or '.join(candidates)} in PATH.", f"Install {candidates[0]} on this host."
    )


def sign(run: RunWith, signer: str, signing: Signing, timeout: float) -> None:
    """Sign one digest, and store the signature beside it in the registry. The passphrase is in no command line."""
    with tempfile.TemporaryDirectory(prefix="bootc-sign-") as folder:
        if signer == "cosign":
            flags = [flag for flag in _COSIGN_FLAGS if _cosign_knows(run, flag)]
            argv = cosign_arguments(signing, flags)
            environment = _cosign_environment(signing, Path(folder))
        else:
            argv = skopeo_arguments(signing, Path(folder))
            environment = {}
            _write_for_skopeo(signing, Path(folder))
        answer = run(argv, timeout, environment)
    if answer.rc != 0:
        raise _failed(signer, answer, signing.passphrase)


def cosign_arguments(signing: Signing, flags: Sequence[str]) -> list[str]:
    """Compose the command of cosign; ``flags`` are those of the version at hand."""
    insecure = [] if signing.tls_verify else ["--allow-insecure-registry", "--allow-http-registry"]
    return ["cosign", "sign", "--yes", "--key", signing.key, *flags, *insecure, signing.image]


def skopeo_arguments(signing: Signing, folder: Path) -> list[str]:
    """Compose the command of skopeo, which copies the image onto itself and adds the signature.

    What the registry has is not transferred again. The image is named by digest on both sides, so that the signature
    does not depend on a tag.
    """
    place = f"docker://{signing.image}"
    argv = ["skopeo", "--policy", str(folder / "policy.json"), "--registries.d", str(folder / "registries.d")]
    argv += ["copy", "--quiet", "--preserve-digests"]
    if signing.is_index:
        argv += ["--multi-arch", "index-only"]
    # Left out when true, because naming it would overrule a registry that registries.conf calls insecure.
    if not signing.tls_verify:
        argv += ["--src-tls-verify=false", "--dest-tls-verify=false"]
    if signing.auth_file:
        argv += ["--authfile", signing.auth_file]
    argv += ["--sign-by-sigstore-private-key", signing.key, "--sign-passphrase-file", str(folder / "passphrase")]
    return [*argv, place, place]


class OpenSsl:
    """Checks signatures by public keys, through the openssl of this host."""

    def __init__(self, run: RunWith) -> None:
        """Use ``run`` to start it."""
        self._run = run
        self._algorithms: dict[str, bytes] = {}

    def made(self, key: str, payload: bytes, signature: bytes) -> bool:
        """Tell whether the owner of a public key made this signature of these bytes."""
        is_ed25519 = self._algorithm(key) == _ED25519
        with tempfile.TemporaryDirectory(prefix="bootc-verify-") as folder:
            said, meant = Path(folder, "signature"), Path(folder, "payload")
            said.write_bytes(signature)
            meant.write_bytes(payload)
            if is_ed25519:
                argv = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin"]
                argv += ["-in", str(meant), "-sigfile", str(said)]
            else:
                argv = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", str(said), str(meant)]
            return self._run(argv, _QUERY_SECONDS).rc == 0

    def _algorithm(self, key: str) -> bytes:
        """Openssl ends alike for a wrong signature and for an unusable key, so the key is looked at first."""
        if key not in self._algorithms:
            answer = self._run(["openssl", "pkey", "-pubin", "-in", key], _QUERY_SECONDS)
            if answer.rc != 0:
                remedy = "Give a file as cosign writes it, a PEM public key."
                raise EngineError(INVALID, f"{key} is no public key.", remedy)
            algorithm = algorithm_of(answer.stdout)
            if algorithm not in _ALGORITHMS:
                remedy = "Sign with an ECDSA, RSA or Ed25519 key; cosign makes the first."
                raise EngineError(INVALID, f"{key} is of a kind that signs no images.", remedy)
            if algorithm == _ED25519:
                self._insist_on_version(key)
            self._algorithms[key] = algorithm
        return self._algorithms[key]

    def _insist_on_version(self, key: str) -> None:
        """Older versions would say of every Ed25519 signature that it is wrong."""
        said = self._run(["openssl", "version"], _QUERY_SECONDS).stdout
        match = re.match(r"OpenSSL ([0-9]+)\.", said)
        if match is None or int(match[1]) < _ED25519_SINCE:
            raise EngineError(
                UNSUPPORTED,
                f"The openssl of this host is too old for {key}, an Ed25519 key.",
                f"Use OpenSSL {_ED25519_SINCE}.0 or newer, or verify with skopeo.",
            )


def algorithm_of(pem: str) -> bytes:
    """Return the object identifier of the algorithm in a public key as openssl writes it (RFC 5280, 4.1.2.7)."""
    body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    der = base64.b64decode(body)
    at = 0
    for _sequence in range(2):  # that of the key, and in it that of its algorithm
        at += 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)
    return der[at + 2 : at + 2 + der[at + 1]]


def public_key_beside(key: str) -> str:
    """Return where cosign and skopeo write the public key when they make this private one."""
    return re.sub(r"\.(key|private)\Z", "", key) + ".pub"


def read_passphrase(passphrase: str | None, passphrase_file: str | None, environ: Mapping[str, str]) -> str:
    """Return the passphrase of the key: given, in the first line of a file, or where cosign looks for it.

    Raises EngineError for a file that cannot be read.
    """
    if passphrase is not None:
        return passphrase
    if passphrase_file is None:
        return environ.get("COSIGN_PASSWORD", "")
    try:
        return Path(passphrase_file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise EngineError(
            INVALID, f"{passphrase_file} cannot be read: {error.strerror}.", "Correct passphrase_file."
        ) from error


def _cosign_knows(run: RunWith, flag: str) -> bool:
    """Ask the program itself: packages of distributions name no version, and flags come and go with versions."""
    return run(["cosign", "sign", flag, "--help"], _QUERY_SECONDS).rc == 0


def _cosign_environment(signing: Signing, folder: Path) -> dict[str, str]:
    # Set even when empty, or it would ask for one.
    environment = {"COSIGN_PASSWORD": signing.passphrase}
    if signing.auth_file:
        # It takes no file, only a folder in which the file has the name that docker gives it.
        (folder / "config.json").symlink_to(Path(signing.auth_file).absolute())
        environment["DOCKER_CONFIG"] = str(folder)
    return environment


def _write_for_skopeo(signing: Signing, folder: Path) -> None:
    """Write what skopeo takes in files only; the folder is ours alone."""
    (folder / "policy.json").write_text(_ACCEPT_ANYTHING, encoding="utf-8")
    (folder / "registries.d").mkdir()
    (folder / "registries.d" / "signed.yaml").write_text(render([signing.repository]), encoding="utf-8")
    (folder / "passphrase").write_text(signing.passphrase, encoding="utf-8")


_KINDS = (
    (UNSUPPORTED, r"sigstore disabled|unknown flag", "Use skopeo 1.15 or newer built with sigstore, or cosign."),
    (INVALID, r"decrypt|passphrase|password", "Correct the passphrase."),
    (INVALID, r"no such file or directory|reading key|private key", "Correct the path of the key."),
    (AUTH, r"unauthorized|authentication required|denied|403 Forbidden", "Log in, or name auth_file."),
    (
        NETWORK,
        r"connection refused|connection reset|no such host|no route to host|i/o timeout|TLS handshake|unexpected EOF"
        r"|toomanyrequests|too many requests|HTTP response to HTTPS client|x509|\b50[0234]\b",
        "Check the registry's name and port, the network, and whether tls_verify fits it.",
    ),
)


def _failed(signer: str, answer: Finished, passphrase: str) -> EngineError:
    said = (answer.stderr.strip() or answer.stdout.strip() or "it said nothing")[-_TAIL_CHARACTERS:]
    if passphrase:
        said = said.replace(passphrase, "********")
    known = ((kind, remedy) for kind, pattern, remedy in _KINDS if re.search(pattern, said, re.IGNORECASE))
    kind, remedy = next(known, (UNEXPECTED, ""))
    return EngineError(kind, f"{signer} could not sign, with exit code {answer.rc}: {said.rstrip('.')}.", remedy)
