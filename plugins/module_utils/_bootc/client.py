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
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Iterator, Sequence

from .._device.command import CommandMissing, CommandTimeout, CommandUnusable, Completed, Run, Watch, run_command
from .._device.root import device_path
from .._device.transient import TransientRun
from .._errors import AlreadyDeployed, BootcError
from .reference import Reference, pinned
from .status import Status, parse_status, parse_version

LOCK_PATH = "/run/skorionos.bootc.lock"
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 60.0
VERSION_SECONDS = 20.0
RESOLVE_SECONDS = 60.0

# Where bootc looks for registry credentials. It never consults those of podman.
AUTH_FILES = ("/run/ostree/auth.json", "/etc/ostree/auth.json", "/usr/lib/ostree/auth.json")

# Commands that may take as long as a download does.
_LONG = (("bootc", "upgrade"), ("bootc", "switch"))

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Lock = Callable[[float], ContextManager[None]]

_ROOT_REMEDY = "Run the task as root: become=true"

_NETWORK_REMEDY = "Check that the device reaches the registry, then run again"
_SPACE_REMEDY = "Free space on the device; 'bootc status' shows what it keeps"

_SAME_CONTENT = r"same fs-verity digest(?: as the existing some\((?P<slot>booted|staged|rollback)\))?"

# Kind, remedy and the words of a lower-case message, in the order in which they are tried. They only name the reason of
# a failure that its exit code has established already. What one device itself lacks comes first, then what the registry
# has no time for: it says "denied" to too many requests as well.
_SYMPTOMS: tuple[tuple[str, str, str], ...] = (
    ("unexpected", _ROOT_REMEDY, r"executed as the root user|requires full root privileges"),
    ("not_bootc", "Run this on a booted bootc host only", r"not booted via bootc|detected container;"),
    ("read_only", "Install the system to a disk first", r"read-only block device"),
    (
        "unexpected",
        "Keep /boot mounted: an automount that unmounts it when idle makes every bootc command fail",
        r"opendir\(boot\): operation not permitted",
    ),
    ("unexpected", "Install the program it names on the device", r"executable file not found"),
    ("incompatible", "Undo the modifications with 'rpm-ostree reset'", r"local rpm-ostree modifications"),
    ("incompatible", "Name an image with skorionos.bootc.bootc_switch first", r"no image source specified"),
    ("incompatible", "Build the image from a bootc base image", r"does not have ostree\.bootable label"),
    (
        "incompatible",
        "Choose the image for the architecture of the device",
        r"image has architecture|no image found in (?:image index|manifest list) for architecture",
    ),
    ("incompatible", "Build the image with a kernel in /usr/lib/modules", r"no boot entries!"),
    (
        "incompatible",
        "Seal the image again with the bootc it contains: its kernel image names another file system",
        r"wrong composefs= parameter",
    ),
    ("incompatible", "Resolve the conflicting entries below /etc, then run again", r"merge conflicts found in etc"),
    ("already_deployed", "Use skorionos.bootc.bootc_rollback if it is the previous image", _SAME_CONTENT),
    ("no_rollback", "Name the image to go to with skorionos.bootc.bootc_switch", r"no rollback available"),
    ("no_space", _SPACE_REMEDY, r"insufficient free space|no space left on device"),
    (
        "network",
        "The registry is overloaded or refuses more requests for now: run again later",
        r"toomanyrequests|too many requests|internal server error|bad gateway|service unavailable|gateway time-?out"
        r"|status(?: ?code)?(?: from registry)?:? (?:429|50[0234])\b",
    ),
    (
        "signature",
        "Check the signature of the image and /etc/containers/policy.json on the device",
        r"source image rejected|signature was required, but no|none of the signatures were accepted"
        r"|signature for (?:identity|digest) .* (?:is not accepted|does not match)|signature verification failed"
        r"|invalid (?:gpg )?signature|is rejected by policy|insecureacceptanything.*refusing usage",
    ),
    (
        "auth",
        "Put credentials for the registry into /etc/ostree/auth.json on the device",
        r"\bunauthorized\b|authentication required|invalid username/password|access denied"
        r"|access to the resource is denied|denied: (?:denied|permission_denied)|\b403 \(?forbidden",
    ),
    (
        "not_found",
        "Check the name and the tag or digest of the image",
        r"manifest unknown|name unknown|repository name not known|\b404 \(?not found|statuscode: 404\b",
    ),
    (
        "network",
        _NETWORK_REMEDY,
        r"connection refused|connection reset|no such host|no route to host|network is unreachable|i/o timeout"
        r"|timed out|deadline exceeded|temporary failure|tls handshake|x509:|pinging container registry|\beof\b",
    ),
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# bootc and podman put "error:" in front, old releases of bootc a log level, and skopeo writes log lines.
_ERROR_LINE = re.compile(r"\s*error(?::|\s)|.*\blevel=(?:fatal|error)\b|fata\[", re.IGNORECASE)
_USAGE = re.compile(r"^usage:|\b(?:unexpected argument|invalid value|unrecognized subcommand)\b", re.MULTILINE)


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
        self,
        run: Run = run_command,
        lock: Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
        runner: TransientRun | None = None,
    ) -> None:
        """``runner`` runs what may take long, so that it outlives the connection; without one ``run`` does."""
        self.run = run
        self.runner = runner
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

    @contextlib.contextmanager
    def hold(self, timeout: float) -> Iterator[None]:
        """The lock of this host, once everything is over that an execution before, cut off from its controller, began.

        Within ``timeout`` seconds; for other tasks the wait is a minute at most. What was begun is waited for because
        its result then only has to be looked at, where a second attempt would fetch everything again.
        """
        deadline = self.clock() + timeout
        cut_off = self.runner is not None and bool(self.runner.at_work())
        with self.lock(timeout if cut_off else min(LOCK_WAIT_SECONDS, timeout)):
            left = self.runner.join(deadline - self.clock()) if self.runner is not None else ()
            if left:
                raise BootcError(
                    "busy",
                    f"What an earlier task began is still running on the device, as {', '.join(left)}",
                    "Wait for it to end and run again, or look at it with 'systemctl status'",
                )
            yield

    def execute(self, argv: Sequence[str], timeout: float, watch: Watch | None = None) -> None:
        """Run a command that changes the host."""
        run = self.runner if self.runner is not None and tuple(argv[:2]) in _LONG else self.run
        try:
            done = run(argv, timeout) if watch is None else run(argv, timeout, watch=watch)
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

    def ostree_deployments(self, timeout: float) -> list[dict[str, Any]] | None:
        """What ostree itself lists, or None where it does not say which one is staged."""
        try:
            done = self.run(("ostree", "admin", "status", "--json"), timeout)
            document = json.loads(done.stdout)
        except (CommandUnusable, CommandTimeout, ValueError):
            return None
        entries = document.get("deployments") if isinstance(document, dict) else None
        if done.rc != 0 or not isinstance(entries, list):
            return None
        known = [entry for entry in entries if isinstance(entry, dict)]
        return known if any("staged" in entry for entry in known) else None

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
                _NETWORK_REMEDY,
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


def host_client() -> Client:
    """The client of a module that changes the host it runs on."""
    return Client(runner=TransientRun())


def classify(stderr: str, rc: int) -> tuple[str, str]:
    """Kind of a failure and what to do about it, as far as its message tells."""
    text = _ANSI.sub("", stderr).lower()
    if rc == 2 and _USAGE.search(text):
        return "unsupported_version", "Update bootc on the device: this version does not know one of the options"
    # Progress and warnings of the helpers of bootc are full of words such as "signatures" and "not found".
    said = "\n".join(_error_lines(text))
    for kind, remedy, symptoms in _SYMPTOMS:
        if re.search(symptoms, said):
            return kind, remedy
    return "unexpected", "Run the command on the device and look into its journal"


def _error_lines(text: str) -> list[str]:
    """The lines in which a program says why it failed, or its last words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [line for line in lines if _ERROR_LINE.match(line)] or lines[-1:]


def _failure(argv: Sequence[str], done: Completed) -> BootcError:
    kind, remedy = classify(done.err, done.rc)
    lines = _error_lines(_ANSI.sub("", done.err))
    cause = lines[-1] if lines else ""
    how = f"{argv[0]} was ended by signal {-done.rc}" if done.rc < 0 else f"{argv[0]} failed with exit code {done.rc}"
    message = f"{how}: {cause}" if cause else how
    same_content = re.search(_SAME_CONTENT, "\n".join(lines).lower())
    if same_content is not None:
        return AlreadyDeployed(same_content.group("slot"), message, remedy, command=argv, detail=done.err)
    return BootcError(kind, message, remedy, command=argv, detail=done.err)


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
    """The member for this architecture; of several the one without a variant, which all devices of it can run."""
    found: dict[bool, str] = {}
    for entry in entries:
        target = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(target, dict) or target.get("os") != "linux":
            continue
        if target.get("architecture") == architecture and isinstance(entry.get("digest"), str):
            found.setdefault(bool(target.get("variant")), entry["digest"])
    return found.get(False, found.get(True))


def _config_digest(manifest: dict[str, Any]) -> str | None:
    config = manifest.get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return digest if isinstance(digest, str) else None
