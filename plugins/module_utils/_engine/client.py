# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives podman or buildah. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from .errors import AUTH, FAILED, MISSING, NETWORK, NOT_FOUND, UNEXPECTED, UNSUPPORTED, EngineError
from .lint import declared_arguments, is_secret_name
from .run import Finished, Run

ENGINES = ("podman", "buildah")
_QUERY_SECONDS = 120.0
_TAIL_LINES = 20
_TAIL_CHARACTERS = 3000
# Since these versions an engine can be told to compress layers anew that the registry has in another compression.
_FORCE_COMPRESSION = {"podman": (4, 7), "buildah": (1, 32)}


@dataclass(frozen=True)
class Secret:
    """A secret for the build, named by where it is: its value never passes through a command line."""

    id: str
    path: str | None = None
    env: str | None = None

    @property
    def argument(self) -> str:
        """Value of ``--secret``."""
        return f"id={self.id},src={self.path}" if self.path else f"id={self.id},env={self.env}"


@dataclass(frozen=True)
class LocalImage:
    """An image in the engine's storage."""

    id: str
    digest: str | None
    """Digest of the local manifest. The registry's differs, because layers are compressed on their way there."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """One build, as the engine is asked for it."""

    name: str
    containerfile: Path
    context: Path
    ignore_file: Path | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    parent: str | None = None
    parent_is_argument: bool = False
    timestamp: int | None = 0
    target: str | None = None
    network: str | None = None
    secrets: Sequence[Secret] = ()
    use_cache: bool = True
    tls_verify: bool = True
    auth_file: str | None = None


@dataclass(frozen=True)
class Push:
    """One push of one image to one tag."""

    name: str
    target: str
    tls_verify: bool = True
    auth_file: str | None = None
    compression: str = "gzip"


def choose_engine(wanted: str, find: Callable[[str], str | None]) -> str:
    """Return the engine to use; ``find`` looks a program up in PATH."""
    candidates = ENGINES if wanted == "auto" else (wanted,)
    for name in candidates:
        if find(name):
            return name
    raise EngineError(
        MISSING, f"There is no {' or '.join(candidates)} in PATH.", f"Install {candidates[0]} on this host."
    )


class Engine:
    """Podman or buildah, through the commands and flags both have."""

    def __init__(self, run: Run, program: str, put_away: Run | None = None) -> None:
        """Use ``run`` to start ``program``, one of :data:`ENGINES`.

        ``put_away`` is for what has to be put away even when ``run`` starts nothing any more.
        """
        self._run = run
        self._put_away = put_away or run
        self.program = program
        self.commands: list[list[str]] = []

    def version(self) -> tuple[int, ...]:
        """Return the version of the program."""
        said = self._query("--version").stdout
        match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
        if match is None:
            raise EngineError(
                UNEXPECTED, f"{self.program} --version says '{said.strip()}'.", "Check what that program is."
            )
        return tuple(int(part) for part in match.groups() if part is not None)

    def can_recompress(self) -> bool:
        """Tell whether a push can bring layers in another compression than the one the registry has them in."""
        return self.version() >= _FORCE_COMPRESSION[self.program]

    def inspect(self, name: str) -> LocalImage | None:
        """Return the image of that name, or none when the storage has no such image."""
        if self.program == "podman":
            answer = self._run([self.program, "image", "inspect", "--format", "json", name], _QUERY_SECONDS)
            if answer.rc == 0:
                return _from_podman(self._json(answer)[0])
            if self._run([self.program, "image", "exists", name], _QUERY_SECONDS).rc == 1:
                return None
            raise self._failed(["image", "inspect", name], answer, UNEXPECTED)
        answer = self._run([self.program, "inspect", "--type", "image", name], _QUERY_SECONDS)
        if answer.rc == 0:
            return _from_buildah(self._json(answer))
        if not any(name in (image.get("names") or []) for image in self._json(self._query("images", "--json")) or []):
            return None
        raise self._failed(["inspect", name], answer, UNEXPECTED)

    def build(self, build: Build, timeout: float) -> str:
        """Build and name the image; return its id."""
        with tempfile.TemporaryDirectory(prefix="bootc-build-") as folder:
            id_file = Path(folder) / "id"
            arguments = build_arguments(build, id_file)
            self._act(arguments, timeout, _build_kind)
            return _with_algorithm(id_file.read_text(encoding="ascii").strip())

    def push(self, push: Push, timeout: float) -> str:
        """Push the image to one tag; return the digest the registry knows it by."""
        force = self.can_recompress()
        with tempfile.TemporaryDirectory(prefix="bootc-push-") as folder:
            digest_file = Path(folder) / "digest"
            self._act(push_arguments(push, digest_file, force_compression=force), timeout, _push_kind)
            return digest_file.read_text(encoding="ascii").strip()

    def container_lint(self, name: str, timeout: float) -> bool:
        """Have the image check itself with ``bootc container lint``; tell whether it has a bootc to do so.

        Raises EngineError of kind :data:`FAILED` with what the check says.
        """
        command = ["bootc", "container", "lint"]
        if self.program == "podman":
            arguments = ["run", "--rm", "--pull=never", "--network=none", "--user=0:0", "--entrypoint=", name, *command]
            answer = self._run([self.program, *arguments], timeout)
        else:
            container = self._query("from", "--pull-never", name).stdout.strip()
            try:
                arguments = ["run", "--network=none", "--user=0:0", container, "--", *command]
                answer = self._run([self.program, *arguments], timeout)
            finally:
                self._must_put_away("rm", container)
        if answer.rc == 0:
            return True
        # Podman says so with 127, buildah only in words.
        if answer.rc == 127 or re.search(
            r"executable file .*not found|no such file or directory$", answer.stderr.strip()
        ):
            return False
        raise self._failed(arguments, answer, FAILED)

    def untag(self, name: str) -> None:
        """Take the name from an image, so that it does not count as built."""
        self._must_put_away(*(["untag", name, name] if self.program == "podman" else ["rmi", name]))

    def _query(self, *arguments: str) -> Finished:
        return self._checked(arguments, self._run([self.program, *arguments], _QUERY_SECONDS))

    def _must_put_away(self, *arguments: str) -> None:
        self._checked(arguments, self._put_away([self.program, *arguments], _QUERY_SECONDS))

    def _checked(self, arguments: Sequence[str], answer: Finished) -> Finished:
        if answer.rc != 0:
            raise self._failed(arguments, answer, UNEXPECTED)
        return answer

    def _act(self, arguments: Sequence[str], timeout: float, kind: Callable[[str], str]) -> None:
        self.commands.append([self.program, *without_secrets(arguments)])
        answer = self._run([self.program, *arguments], timeout)
        if answer.rc != 0:
            raise self._failed(arguments, answer, kind(answer.stderr))

    def _json(self, answer: Finished) -> Any:
        try:
            return json.loads(answer.stdout)
        except ValueError as error:
            raise EngineError(
                UNEXPECTED, f"{self.program} answered with something that is not JSON: {error}."
            ) from error

    def _failed(self, arguments: Sequence[str], answer: Finished, kind: str) -> EngineError:
        command = " ".join(shlex.quote(part) for part in (self.program, *without_secrets(arguments)))
        tail = _tail(answer.stderr) or _tail(answer.stdout) or "it said nothing"
        cause = f"{self.program} {arguments[0]} failed with exit code {answer.rc}: {tail}"
        return EngineError(kind, cause if cause.endswith(".") else f"{cause}.", _REMEDIES.get(kind, ""), command)


def build_arguments(build: Build, id_file: Path) -> list[str]:
    """Compose the arguments of a build."""
    local = build.parent is not None and (build.parent.startswith("localhost/") or _is_id(build.parent))
    arguments = ["build", "--layers", "--format", "oci", "--tag", build.name, "--iidfile", str(id_file)]
    # Asking a registry for a local image fails late and with a misleading message.
    arguments += [f"--pull={'never' if local else 'missing'}", "--file", str(build.containerfile)]
    if build.ignore_file:
        arguments += ["--ignorefile", str(build.ignore_file)]
    if build.timestamp is not None:
        arguments += ["--timestamp", str(build.timestamp)]
    if not build.use_cache:
        arguments += ["--no-cache"]
    # Left out when true, because naming it would overrule a registry that the host's registries.conf calls insecure.
    if not build.tls_verify:
        arguments += ["--tls-verify=false"]
    if build.auth_file:
        arguments += ["--authfile", build.auth_file]
    for flag, value in (("--platform", build.platform), ("--target", build.target), ("--network", build.network)):
        if value:
            arguments += [flag, value]
    build_args = dict(build.build_args)
    if build.parent and build.parent_is_argument:
        build_args["PARENT"] = build.parent
    elif build.parent:
        arguments += ["--from", build.parent]
    for flag, values in (("--build-arg", build_args), ("--label", build.labels), ("--annotation", build.annotations)):
        for key in sorted(values):
            arguments += [flag, f"{key}={values[key]}"]
    for secret in build.secrets:
        arguments += ["--secret", secret.argument]
    return [*arguments, str(build.context)]


def push_arguments(push: Push, digest_file: Path, *, force_compression: bool) -> list[str]:
    """Compose the arguments of a push. The compression is always named: the default depends on earlier pushes."""
    arguments = ["push", "--digestfile", str(digest_file), "--format", "oci", "--compression-format", push.compression]
    if force_compression:
        arguments += ["--force-compression"]
    # As for a build: naming it would overrule what the host's registries.conf says.
    if not push.tls_verify:
        arguments += ["--tls-verify=false"]
    if push.auth_file:
        arguments += ["--authfile", push.auth_file]
    return [*arguments, push.name, f"docker://{push.target}"]


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """Return arguments as they may be shown: without the values of build arguments that are named like secrets."""
    shown = list(arguments)
    for at, flag in enumerate(arguments[:-1]):
        name, equals, _value = arguments[at + 1].partition("=")
        if flag == "--build-arg" and equals and is_secret_name(name):
            shown[at + 1] = f"{name}=***"
    return shown


def declares_parent(containerfile: bytes) -> bool:
    """Tell whether a Containerfile takes its parent as ``ARG PARENT``."""
    return "PARENT" in declared_arguments(containerfile.decode(errors="replace"))


def _is_id(parent: str) -> bool:
    return re.fullmatch(r"sha256:[0-9a-f]{64}", parent) is not None


def _from_podman(document: Mapping[str, Any]) -> LocalImage:
    labels, annotations = document.get("Labels") or {}, document.get("Annotations") or {}
    return LocalImage(_with_algorithm(document["Id"]), document.get("Digest") or None, labels, annotations)


def _from_buildah(document: Mapping[str, Any]) -> LocalImage:
    labels = ((document.get("OCIv1") or {}).get("config") or {}).get("Labels") or {}
    annotations = document.get("ImageAnnotations") or {}
    return LocalImage(
        _with_algorithm(document["FromImageID"]), document.get("FromImageDigest") or None, labels, annotations
    )


def _with_algorithm(image_id: str) -> str:
    return image_id if image_id.startswith("sha256:") else f"sha256:{image_id}"


def _status(codes: str) -> str:
    """Pattern of a status of HTTP, which is no part of a tag, a port or a version."""
    return rf"(?<![\w.:/-])(?:{codes})(?![\w/-]|[.:]\w)"


_TRANSFER_KINDS = (
    # Some registries say that they deny whom they limit.
    (NETWORK, rf"toomanyrequests|too many requests|{_status('429')}"),
    (AUTH, r"unauthorized|authentication required|access denied|\bdenied\b|invalid username/password|403 Forbidden"),
    (
        NETWORK,
        r"connection refused|connection reset|no such host|no route to host|i/o timeout|TLS handshake timeout"
        r"|\bEOF\b|broken pipe|timed out|deadline exceeded|closed network connection|stream error|server misbehaving"
        r"|temporary failure|(blob|upload) unknown|unknown (blob|upload)|" + _status("408|416|499|50[0234]|52[0-4]"),
    ),
)
_PUSH_KINDS = (
    *_TRANSFER_KINDS,
    (UNSUPPORTED, r"\bunsupported\b|method not allowed|read.only|too large|" + _status("405|413")),
)


_PULL_KINDS = (
    *_TRANSFER_KINDS,
    (NETWORK, r"HTTP response to HTTPS client|x509|pinging container registry"),
    (NOT_FOUND, r"manifest unknown|name unknown|repository name not known|\bnot found\b"),
)
_REMEDIES = {
    AUTH: "Log in with 'podman login', or name a file with credentials in auth_file.",
    NETWORK: "Check the registry's name and port, the network, and whether tls_verify fits it.",
    NOT_FOUND: "Check the repository and the digest of the parent.",
    UNSUPPORTED: "The registry takes no such push. It may be a read-only copy of another one; push to that one.",
}


def _push_kind(stderr: str) -> str:
    """Name the kind of a failed push by what registries are known to say."""
    said = "\n".join(stderr.strip().splitlines()[-3:])
    # That of a file is a matter of this host, and no login helps.
    return _kind_in(_PUSH_KINDS, re.sub(r"\b\w+ /[^\s:]+: permission denied", "", said)) or UNEXPECTED


def _build_kind(stderr: str) -> str:
    """Tell a build whose image to start from could not be pulled from one that failed by itself.

    A step may fail over the network, too, but then the error names the step.
    """
    errors = [line for line in stderr.strip().splitlines() if line.lower().startswith("error")]
    last = errors[-1] if errors else ""
    if "docker://" not in last or "building at STEP" in last:
        return FAILED
    return _kind_in(_PULL_KINDS, last) or FAILED


def _kind_in(table: Sequence[tuple[str, str]], said: str) -> str | None:
    return next((kind for kind, pattern in table if re.search(pattern, said, re.IGNORECASE)), None)


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if "level=warning" not in line]
    return "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
