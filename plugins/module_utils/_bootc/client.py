# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootc command line of one host: status, commands, what a tag holds, and one lock around changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Iterator, Sequence

from .._device.command import CommandMissing, CommandTimeout, CommandUnusable, Completed, Run, run_command
from .._device.root import device_path
from .errors import BootcError
from .reference import Reference, pinned
from .status import Status, parse_status, parse_version

LOCK_PATH = "/run/skorionos.bootc.lock"
LOCK_POLL_SECONDS = 0.2
VERSION_SECONDS = 20.0
RESOLVE_SECONDS = 60.0

# Where bootc looks for registry credentials. It never consults those of podman.
AUTH_FILES = ("/run/ostree/auth.json", "/etc/ostree/auth.json", "/usr/lib/ostree/auth.json")

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Lock = Callable[[float], ContextManager[None]]

_ROOT_REMEDY = "Run the task as root: become=true"

# Parts of lower-case messages, in the order in which they are tried. They only name the reason of a failure that its
# exit code has established already.
_SYMPTOMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("unexpected", _ROOT_REMEDY, ("executed as the root user", "requires full root privileges")),
    ("not_bootc", "Run this on a booted bootc host only", ("not booted via bootc", "detected container;")),
    ("read_only", "Install the system to a disk first", ("read-only block device",)),
    ("incompatible", "Undo the modifications with 'rpm-ostree reset'", ("local rpm-ostree modifications",)),
    ("incompatible", "Build the image from a bootc base image", ("does not have ostree.bootable label",)),
    ("incompatible", "Choose the image for the architecture of the device", ("image has architecture",)),
    ("incompatible", "Resolve the conflicting entries below /etc, then run again", ("merge conflicts found in etc",)),
    ("already_deployed", "Use skorionos.bootc.bootc_rollback if it is the previous image", ("same fs-verity digest",)),
    ("no_rollback", "Name the image to go to with skorionos.bootc.bootc_switch", ("no rollback available",)),
    ("no_space", "Free space on the device; 'bootc status' shows what it keeps", ("insufficient free space",)),
    ("no_space", "Free space on the device; 'bootc status' shows what it keeps", ("no space left on device",)),
    (
        "signature",
        "Check the signature of the image and /etc/containers/policy.json on the device",
        ("signature", "rejected by policy", "insecureacceptanything", "source image rejected"),
    ),
    (
        "auth",
        "Put credentials for the registry into /etc/ostree/auth.json on the device",
        (
            "unauthorized",
            "authentication required",
            "access denied",
            "access to the resource is denied",
            "403 forbidden",
        ),
    ),
    (
        "not_found",
        "Check the name and the tag or digest of the image",
        ("manifest unknown", "name unknown", "repository name not known", "404 not found", "not found in"),
    ),
    (
        "network",
        "Check that the device reaches the registry, then run again",
        (
            "connection refused",
            "connection reset",
            "no such host",
            "no route to host",
            "network is unreachable",
            "i/o timeout",
            "timed out",
            "deadline exceeded",
            "temporary failure",
            "tls handshake",
            "x509:",
            "pinging container registry",
            "unexpected eof",
            "503 service unavailable",
            "502 bad gateway",
        ),
    ),
)


@dataclass(frozen=True)
class Resolution:
    """What a reference holds in its registry right now."""

    digest: str
    platform_digest: str | None = None
    config_digest: str | None = None

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(digest for digest in (self.digest, self.platform_digest, self.config_digest) if digest)


def device_lock(clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> Lock:
    """The lock around every change of this host: neither backend serialises its own clients well enough."""

    @contextlib.contextmanager
    def hold(wait: float) -> Iterator[None]:
        path = device_path(LOCK_PATH)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise BootcError("unexpected", f"The lock {path} cannot be opened: {exc.strerror}", _ROOT_REMEDY) from exc
        try:
            _flock(descriptor, str(path), wait, clock, sleep)
            yield
        finally:
            os.close(descriptor)

    return hold


def _flock(descriptor: int, path: str, wait: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    deadline = clock() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if clock() >= deadline:
                raise BootcError(
                    "busy",
                    f"Another task has been changing this device for more than {wait:g} s (it holds {path})",
                    "Wait for it to end and run again",
                ) from exc
            sleep(LOCK_POLL_SECONDS)
        else:
            return


class Client:
    """Runs bootc and its neighbours and turns their failures into kinds."""

    def __init__(
        self, run: Run = run_command, lock: Lock | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run = run
        self.lock = lock or device_lock(clock)
        self.clock = clock
        self._version: str | None = None

    def version(self) -> str | None:
        """The version of bootc, or None where there is none; asked once, as it cannot change before the next boot."""
        if self._version is None:
            try:
                self._version = parse_version(self._look(("bootc", "--version"), VERSION_SECONDS).out)
            except CommandMissing:
                return None
        return self._version

    def status(self, timeout: float) -> Status:
        """The normalised state of the host; the null state where bootc is not installed."""
        version = self.version()
        try:
            done = self._look(("bootc", "status", "--format=json", "--format-version=1"), timeout)
        except CommandMissing:
            return Status()
        return parse_status(done.out, version)

    def _look(self, argv: Sequence[str], timeout: float) -> Completed:
        try:
            done = self.run(argv, timeout)
        except CommandMissing:
            raise
        except CommandUnusable as exc:
            raise BootcError("unexpected", str(exc), "Repair bootc on the device", command=argv) from exc
        except CommandTimeout as exc:
            raise _no_answer(argv, exc) from exc
        if done.rc != 0:
            raise _failure(argv, done)
        return done

    def execute(self, argv: Sequence[str], timeout: float) -> None:
        """Run a command that changes the host."""
        try:
            done = self.run(argv, timeout)
        except CommandUnusable as exc:
            raise BootcError(
                "unexpected", str(exc), f"Install {argv[0]} on the device or fix its PATH", command=argv
            ) from exc
        except CommandTimeout as exc:
            raise BootcError(
                "timeout",
                f"The command did not end within {exc.seconds:.0f} s and was stopped",
                "Raise the timeout, or look for what holds it up with 'journalctl -b' on the device",
                command=argv,
                detail=exc.stderr.decode("utf-8", "replace"),
            ) from exc
        if done.rc != 0:
            raise _failure(argv, done)

    def resolve(self, reference: Reference, architecture: str | None, config: bool = False) -> Resolution:
        """What the reference holds now; with ``config`` also the digest of the image configuration."""
        document, digest = self._manifest(reference.name)
        entries = document.get("manifests")
        if not isinstance(entries, list):
            return Resolution(digest, digest, _config_digest(document) if config else None)
        own = _platform_digest(entries, architecture)
        config_digest = None
        if config and own is not None:
            config_digest = _config_digest(self._manifest(pinned(reference.repository, own))[0])
        return Resolution(digest, own, config_digest)

    def _manifest(self, name: str) -> tuple[dict[str, Any], str]:
        argv = ["skopeo", "inspect", "--raw", "--no-tags"]
        auth_file = next((path for path in map(device_path, AUTH_FILES) if path.exists()), None)
        if auth_file is not None:
            argv += ["--authfile", str(auth_file)]
        argv.append(f"docker://{name}")
        try:
            done = self.run(argv, RESOLVE_SECONDS)
        except CommandUnusable as exc:
            raise BootcError("unexpected", str(exc), "Install skopeo, which bootc needs as well", command=argv) from exc
        except CommandTimeout as exc:
            raise BootcError(
                "network",
                f"The registry did not answer within {exc.seconds:g} s",
                "Check that the device reaches the registry, then run again",
                command=argv,
            ) from exc
        if done.rc != 0:
            raise _failure(argv, done)
        try:
            document = json.loads(done.stdout)
        except ValueError as exc:
            raise BootcError(
                "unexpected", "The registry sent a manifest that is not JSON", "Check the registry", command=argv
            ) from exc
        if not isinstance(document, dict):
            raise BootcError("unexpected", "The registry sent something else than a manifest", command=argv)
        return document, "sha256:" + hashlib.sha256(done.stdout).hexdigest()


def classify(stderr: str, rc: int) -> tuple[str, str]:
    """Kind of a failure and what to do about it, as far as its message tells."""
    text = stderr.lower()
    if rc == 2 and "usage:" in text:
        return "unsupported_version", "Update bootc on the device: this version does not know one of the options"
    for kind, remedy, symptoms in _SYMPTOMS:
        if any(symptom in text for symptom in symptoms):
            return kind, remedy
    return "unexpected", "Run the command on the device and look into its journal"


def _failure(argv: Sequence[str], done: Completed) -> BootcError:
    kind, remedy = classify(done.err, done.rc)
    lines = [line for line in done.err.strip().splitlines() if line.strip()]
    cause = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")
    how = f"{argv[0]} was ended by signal {-done.rc}" if done.rc < 0 else f"{argv[0]} failed with exit code {done.rc}"
    return BootcError(kind, f"{how}: {cause}" if cause else how, remedy, command=argv, detail=done.err)


def _no_answer(argv: Sequence[str], exc: CommandTimeout) -> BootcError:
    if _is_composefs_boot():
        return BootcError(
            "timeout",
            f"bootc did not answer within {exc.seconds:g} s",
            "Look for a bootc process that hangs on the device, end it, and run again",
            command=argv,
        )
    # ostree hosts make every command wait for the one that is running, without saying so.
    return BootcError(
        "busy",
        f"bootc did not answer within {exc.seconds:g} s; another bootc, ostree or rpm-ostree command may be running",
        "Wait for it to end and run again, or raise the timeout",
        command=argv,
    )


def machine_architecture() -> str:
    """The architecture of this machine in the words of image indexes."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _is_composefs_boot() -> bool:
    try:
        words = device_path("/proc/cmdline").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(word.startswith("composefs=") for word in words)


def _platform_digest(entries: list[Any], architecture: str | None) -> str | None:
    for entry in entries:
        target = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(target, dict) or target.get("os") != "linux":
            continue
        if target.get("architecture") == architecture and isinstance(entry.get("digest"), str):
            return str(entry["digest"])
    return None


def _config_digest(manifest: dict[str, Any]) -> str | None:
    config = manifest.get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return digest if isinstance(digest, str) else None
