# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world for the pure parts of the simulator: a registry that is a dictionary, and shorthands for commands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from simulator import boot
from simulator.programs.bootc import perform
from simulator.programs.usage import parse
from simulator.reference import ImageRef
from simulator.state import Boot, Deployment, FaultSetting, Image, Layer, Pulled, State
from simulator.verbs.common import Outcome, PullError

REPOSITORY = "registry.example/os/kde"
STABLE = f"{REPOSITORY}:stable"


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def image(
    name: str, ref: str = STABLE, *, labels: Mapping[str, str] | None = None, architecture: str = "amd64"
) -> Image:
    """An image called ``name``: one layer all images share, one of its own."""
    return Image(
        ref=ImageRef(ref),
        digest=digest(f"manifest {name}"),
        config_digest=digest(f"config {name}"),
        architecture=architecture,
        layers=(Layer(digest("base"), 1_000_000_000), Layer(digest(f"layer {name}"), 250_000_000)),
        created="2026-08-01T04:10:00Z",
        labels={"containers.bootc": "1", "org.opencontainers.image.version": name, **(labels or {})},
    )


class FakeWorld:
    """What the registry has, by reference."""

    def __init__(self, **tags: str) -> None:
        self.images: dict[str, Image] = {}
        self.requests: list[str] = []
        self.policy: str | None = "insecureAcceptAnything"
        for tag, name in tags.items():
            self.put(f"{REPOSITORY}:{tag}", name)

    def put(
        self, ref: str, name: str, *, labels: Mapping[str, str] | None = None, architecture: str = "amd64"
    ) -> Image:
        made = image(name, ref, labels=labels, architecture=architecture)
        self.images[ref] = made
        self.images[f"{ref.partition('@')[0].rpartition(':')[0]}@{made.digest}"] = made
        return made

    def resolve(self, ref: ImageRef) -> Image:
        self.requests.append(ref.image)
        if ref.image not in self.images:
            raise PullError(f"reading manifest in {ref.image}: manifest unknown")
        return replace(self.images[ref.image], ref=ref)

    def pull(self, image: Image, have: Mapping[str, int]) -> Pulled:
        new = [layer for layer in image.layers if layer.digest not in have]
        old = [layer for layer in image.layers if layer.digest in have]
        return Pulled(sum(layer.size for layer in new), sum(layer.size for layer in old), len(new), len(old), 0.0)

    def unpack(self, image: Image, deployment: str) -> None:
        """Nothing to unpack."""

    def default_policy(self) -> str | None:
        return self.policy


def device(
    booted: str = "b",
    *,
    backend: str = "ostree",
    version: str = "1.16.9",
    rollback: str | None = None,
    ref: str = STABLE,
) -> State:
    """A device booted into image ``booted``, with ``rollback`` in the rollback slot; ``uki`` is a kind of composefs."""
    composefs = backend in ("composefs", "uki")

    def deployed(name: str) -> Deployment:
        made = image(name, ref)
        return Deployment(made, made.verity if composefs else made.commit, None if composefs else 0)

    entries = tuple(deployed(name) for name in (booted, rollback) if name is not None)
    return State(
        backend="composefs" if composefs else backend,
        boot_type="uki" if backend == "uki" else "bls",
        bootc_version=version,
        boot=Boot(id="boot-1", started=0.0, up_at=0.0, settled=True),
        deployments=entries,
        booted_id=entries[0].id,
        stored={} if composefs else {ref: entries[0].image},
        contents=tuple(entry.image.config_digest for entry in entries) if composefs else (),
        layers={layer.digest: layer.size for entry in entries for layer in entry.image.layers},
    )


def bootc(state: State, world: FakeWorld, *arguments: str) -> Outcome:
    """Run ``bootc ARGUMENTS``; raises BootcError and UsageError."""
    return perform(state, parse(list(arguments), state.bootc_version), world)


def reboot(state: State, *, orderly: bool = True) -> State:
    after = boot.reboot(state, 100.0 * state.boot.count, f"boot-{state.boot.count + 1}", orderly=orderly)
    return boot.settle(after)


def choose(state: State) -> State:
    """Reboot into the second entry of the boot menu."""
    after = boot.choose(state, 100.0 * state.boot.count, f"boot-{state.boot.count + 1}")
    return boot.settle(after)


def with_fault(state: State, name: str, value: str = "") -> State:
    return replace(state, faults={**state.faults, name: FaultSetting(value, 0.0)})


def names(state: State) -> dict[str, str | None]:
    """Which image is in which slot, by name."""

    def name(entry: Deployment | None) -> str | None:
        return None if entry is None else entry.image.labels["org.opencontainers.image.version"]

    return {"booted": name(state.booted), "staged": name(state.staged), "rollback": name(state.rollback)}
