# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reference holds in its registry, asked through skopeo, which bootc pulls with as well."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from typing import Any, Sequence

from .._device.command import CommandTimeout, CommandUnusable, Completed, Run
from .._device.root import device_path
from .._errors import BootcError
from .reference import Reference, pinned
from .symptoms import NETWORK_REMEDY, failure

RESOLVE_SECONDS = 60.0
VERSION_LABEL = "org.opencontainers.image.version"

# Where bootc looks for registry credentials. It never consults those of podman.
AUTH_FILES = ("/run/ostree/auth.json", "/etc/ostree/auth.json", "/usr/lib/ostree/auth.json")

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Resolution:
    """What a reference holds in its registry right now."""

    digest: str
    platform_digest: str | None = None
    config_digest: str | None = None

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(digest for digest in (self.digest, self.platform_digest, self.config_digest) if digest)


def resolve(
    run: Run, reference: Reference, architecture: str | None, *, config: bool = False, seconds: float = RESOLVE_SECONDS
) -> Resolution:
    """What the reference holds now; with ``config`` also the digest of the image configuration.

    ``seconds`` is the patience for each of the up to two requests.
    """
    document, digest = _manifest(run, reference.name, seconds)
    entries = document.get("manifests")
    if not isinstance(entries, list):
        return Resolution(digest, digest, _config_digest(document) if config else None)
    own = _platform_digest(entries, architecture)
    config_digest = None
    if config and own is not None:
        config_digest = _config_digest(_manifest(run, pinned(reference.repository, own), seconds)[0])
    return Resolution(digest, own, config_digest)


def image_version(run: Run, repository: str, digest: str, seconds: float = RESOLVE_SECONDS) -> str | None:
    """The version that the image with this manifest states, or None where it does not, or cannot be asked."""
    name = pinned(repository, digest)
    try:
        stated = _mapping(_manifest(run, name, seconds)[0].get("annotations")).get(VERSION_LABEL)
        if stated is None:
            config = _mapping(_inspect(run, name, "--config", seconds)[0].get("config"))
            stated = _mapping(config.get("Labels")).get(VERSION_LABEL)
    except BootcError:
        return None
    return stated if isinstance(stated, str) and stated else None


def _manifest(run: Run, name: str, seconds: float) -> tuple[dict[str, Any], str]:
    document, raw = _inspect(run, name, "--raw", seconds)
    return document, "sha256:" + hashlib.sha256(raw).hexdigest()


def _inspect(run: Run, name: str, what: str, seconds: float) -> tuple[dict[str, Any], bytes]:
    argv = ["skopeo", "inspect", what, "--no-tags"]
    auth_file = next((path for path in map(device_path, AUTH_FILES) if path.exists()), None)
    if auth_file is not None:
        argv += ["--authfile", str(auth_file)]
    argv.append(f"docker://{name}")
    done = _ask(run, argv, seconds)
    try:
        document = json.loads(done.stdout)
    except (ValueError, RecursionError) as exc:
        raise BootcError(
            "unexpected", "The registry sent a document that is not JSON", "Check the registry", command=argv
        ) from exc
    if not isinstance(document, dict):
        raise BootcError(
            "unexpected", "The registry sent something else than a manifest", "Check the registry", command=argv
        )
    return document, done.stdout


def _ask(run: Run, argv: Sequence[str], seconds: float) -> Completed:
    try:
        done = run(argv, seconds)
    except CommandUnusable as exc:
        raise BootcError("unexpected", str(exc), "Install skopeo, which bootc needs as well", command=argv) from exc
    except CommandTimeout as exc:
        raise BootcError(
            "network", f"The registry did not answer within {exc.seconds:g} s", NETWORK_REMEDY, command=argv
        ) from exc
    if done.rc != 0:
        raise failure(argv, done)
    return done


def machine_architecture() -> str:
    """The architecture of this machine in the words of image indexes."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


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


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
