# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a simulated registry that stand for those of a rollout, and the spec that names them."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._rollout.plan import Hop, Target
from .._rollout.spec import Spec, Variant

WINDOWS, TIMES = KEEP = ("windows", "times")
"""What of a spec counts in a rehearsal only when that is asked for."""

RELEASE, BEFORE = "release", "before"
_USUAL_SIZE = 4_000_000_000
"""Bytes of an image whose spec does not tell, for what the devices account for."""
_OLDEST = "0.0.0"
_CREATED = "2026-01-01T00:00:00Z"
_LONGEST_ID = 63
_SHORT_WAVE = {"soak": "1s"}
_SHORT_APPLY = {"reboot_timeout": "30s", "contact_grace": "5s", "stagger": False}
_SHORT_VERIFY = {"settle": "1s", "timeout": "1m"}
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Device:
    """A host, the variant it runs and, where that was seen, its digest, version, backend and bootc's version."""

    host: str
    variant: str
    digest: str | None = None
    version: str | None = None
    backend: str | None = None
    bootc_version: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Options of ``simulator device DIR create`` for what is known of it."""
        backend = ["--backend", self.backend] if self.backend in ("ostree", "composefs") else []
        known = self.bootc_version is not None and _VERSION.fullmatch(self.bootc_version)
        return [*backend, *(["--bootc-version", str(self.bootc_version)] if known else [])]


@dataclass(frozen=True)
class Stage:
    """What a rehearsal takes place on: a catalogue for the simulated registry, and each host's image in it.

    ``tags`` gives the digests that they stand for, by variant and tag. ``by_version`` are the hosts that run the
    release going by its version alone.
    """

    catalogue: Mapping[str, Any]
    images: Mapping[str, str]
    tags: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    by_version: tuple[str, ...] = ()


def device_of(host: str, variant: str, seen: object) -> Device:
    """A device with what its inventory remembers of it, whose texts come from the device and may be anything."""
    status: Mapping[str, Any] = seen if isinstance(seen, Mapping) else {}
    booted = status.get("booted")
    booted = booted if isinstance(booted, Mapping) else {}
    texts = (booted.get("digest"), booted.get("version"), status.get("backend"), status.get("bootc_version"))
    return Device(host, variant, *(str(text) if isinstance(text, str) else None for text in texts))


def set_stage(
    spec: Spec,
    devices: Iterable[Device],
    unhealthy: Collection[str] = (),
    targets: Mapping[str, Target] | None = None,
) -> Stage:
    """Images for every digest that the spec names or a device was seen on; releases in ``unhealthy`` do not get well.

    ``targets`` are those of the real rollout by variant, where it was planned already: they tell which digests devices
    have on the release. A device of which nothing is known runs an image older than any barrier.
    """
    targets = targets or {}
    variants = {variant.name: variant for variant in spec.variants}
    tags: dict[tuple[str, str], str | None] = {}
    images = []
    for variant in spec.variants:
        sick = variant.name in unhealthy
        for tag, digest, version in _named(variant):
            tags[variant.name, tag] = digest
            images.append(_image(variant, tag, version, sick=sick and tag == RELEASE))
    known = {name: _tags_of(variant, targets.get(name)) for name, variant in variants.items()}
    tag_of: dict[str, str] = {}
    by_version = []
    for device in sorted(devices, key=lambda device: device.host):
        if device.variant not in variants:
            continue
        variant = variants[device.variant]
        if _is_by_version(device, variant, known[variant.name], targets):
            tag = RELEASE
            by_version.append(device.host)
        else:
            tag = _tag_of(device, known[variant.name])
        if (variant.name, tag) not in tags:
            tags[variant.name, tag] = device.digest
            images.append(_image(variant, tag, device.version or _OLDEST))
        tag_of[device.host] = f"{repository(variant.name)}:{tag}"
    layers = {layer: size for _unused, sizes in images for layer, size in sizes.items()}
    catalogue = {"layers": layers, "images": [entry for entry, _unused in images]}
    return Stage(catalogue, tag_of, tags, tuple(by_version))


def repository(variant: str) -> str:
    """Where the simulated registry has the images of a variant."""
    return f"rehearsal/{variant}"


def rehearsed(
    spec: Spec, registry: str, digests: Mapping[tuple[str, str], str], keep: Collection[str]
) -> dict[str, Any]:
    """The spec with the images at ``registry`` in place of its own: the same waves over the same devices.

    ``digests`` are those of the images there by variant and tag. Windows are gone and waits are short, unless they are
    in ``keep``. Commands are gone: a simulated device would run them on the controller.
    """
    document: dict[str, Any] = copy.deepcopy(dict(spec.document))
    for key in ("release", "supersedes"):
        document.pop(key, None)
    document["id"] = f"rehearsal-{spec.id}"[:_LONGEST_ID]
    document["registry"] = {"insecure": True}
    document["variants"] = [_stand_in(variant, registry, digests) for variant in spec.variants]
    # Who comes first is drawn from it, and from the id when it is not given.
    order = document.setdefault("selection", {}).setdefault("order", {})
    order["salt"] = spec.salt
    rules = [document.setdefault("wave_defaults", {}), *document.get("waves", [])]
    for wave in rules:
        wave.pop("analysis", None)
    verify = document.setdefault("verify", {})
    verify.pop("commands", None)
    if WINDOWS not in keep:
        document.pop("windows", None)
    if TIMES not in keep:
        for wave in document.get("waves", []):
            wave.pop("soak", None)
        document["wave_defaults"].update(_SHORT_WAVE)
        document.setdefault("apply", {}).update(_SHORT_APPLY)
        verify.update(_SHORT_VERIFY)
        document.get("pace", {}).pop("download_rate", None)
    return document


def _tags_of(variant: Variant, target: Target | None) -> dict[str, str]:
    """Which image stands for a digest that a device may tell; of a planned rollout also those of each architecture."""
    named = {digest: tag for tag, digest, _unused in _named(variant) if digest is not None}
    if target is None:
        return named
    accepted: list[Target | Hop] = [target, *target.barriers]
    alike = {digest: tag for one in accepted if (tag := named.get(one.digest)) for digest in one.accept}
    return {**alike, **named}


def _is_by_version(device: Device, variant: Variant, known: Mapping[str, str], targets: Mapping[str, Target]) -> bool:
    """Whether only its version says that it runs the release.

    On an image of several architectures a device tells another digest than the spec, and which is not known before the
    rollout was planned.
    """
    if device.digest is None or device.digest in known or variant.name in targets:
        return False
    return device.version is not None and device.version == variant.version


def _tag_of(device: Device, known: dict[str, str]) -> str:
    """Of the image that stands for what the device runs; a new one for a digest that nothing stands for yet."""
    if device.digest is None:
        return BEFORE
    return known.setdefault(device.digest, f"seen-{len(known)}")


def _named(variant: Variant) -> Iterable[tuple[str, str | None, str]]:
    """Tag, digest and version of the images that a rollout knows of a variant, and of the one before them."""
    yield RELEASE, variant.digest, variant.version or RELEASE
    for index, barrier in enumerate(variant.barriers):
        yield f"barrier-{index + 1}", barrier.digest, barrier.version
    yield BEFORE, None, _OLDEST


def _image(variant: Variant, tag: str, version: str, *, sick: bool = False) -> tuple[dict[str, Any], dict[str, int]]:
    """An entry of a catalogue and its layers with their sizes in bytes: three quarters are those of all releases."""
    size = variant.size or _USUAL_SIZE
    layers = {f"{variant.name}/system": size - size // 4, f"{variant.name}/{tag}": size // 4}
    labels = {
        "containers.bootc": "1",
        "ostree.bootable": "1",
        "ostree.linux": tag,
        "org.opencontainers.image.version": version,
        "org.skorionos.variant": variant.name,
        **({"org.skorionos.simulator.health": "unhealthy for the rehearsal"} if sick else {}),
    }
    entry = {
        "repository": repository(variant.name),
        "tags": [tag],
        "created": _CREATED,
        "layers": list(layers),
        "labels": labels,
    }
    return entry, layers


def _stand_in(variant: Variant, registry: str, digests: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    barriers = [
        {
            "digest": digests[variant.name, f"barrier-{index + 1}"],
            "version": barrier.version,
            "below": barrier.below,
            **({"reason": barrier.reason} if barrier.reason else {}),
        }
        for index, barrier in enumerate(variant.barriers)
    ]
    return {
        "name": variant.name,
        "image": f"{registry}/{repository(variant.name)}",
        "digest": digests[variant.name, RELEASE],
        **({"version": variant.version} if variant.version else {}),
        **({"barriers": barriers} if barriers else {}),
    }
