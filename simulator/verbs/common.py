# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs of both backends share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Mapping, Protocol

from simulator import storage
from simulator.faults import Moment, active
from simulator.reference import ImageRef, locate
from simulator.state import Deployment, Image, Layer, Pulled, State
from simulator.versions import has

Event = Dict[str, Any]


class Aborted(Exception):
    """An assertion of bootc failed: it ends by SIGABRT, with this text on stderr. ``so_far`` as for BootcError."""

    so_far: Outcome | None = None


class BootcError(Exception):
    """A runtime error of bootc: the chain of contexts and cause as it prints them after ``error: ``.

    ``so_far`` is what the command had printed and changed when it failed.
    """

    so_far: Outcome | None = None

    def __init__(self, *chain: str, notes: tuple[str, ...] = ()) -> None:
        super().__init__(": ".join(chain))
        self.notes = notes


class PullError(Exception):
    """An image could not be read from where it is; the text is the leaf cause as skopeo words it."""


class World(Protocol):
    """What the verbs need from outside of the state."""

    def resolve(self, ref: ImageRef) -> Image:
        """Ask the registry what ``ref`` is for this device's architecture; raises PullError."""

    def pull(self, image: Image, have: Mapping[str, int]) -> Pulled:
        """Fetch the layers that are not in ``have``; raises PullError and leaves nothing half done."""

    def unpack(self, image: Image, deployment: str) -> None:
        """Put the files of ``image`` that matter here where deployment ``deployment`` has them; raises PullError."""

    def default_policy(self) -> str | None:
        """The type of the default requirement of policy.json, None unless it is the only one; raises PullError."""


def _unheard(_unused: Event) -> None:
    """Nobody asked for progress."""


@dataclass
class Outcome:
    """What a command leaves behind: the state, what it printed, and how it ends: for a reboot, or never.

    ``soft`` is a reboot into what was prepared, which ``systemctl soft-reboot`` is left to do instead of waiting for
    it. ``tell`` gets each event of the progress.
    """

    state: State
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    reboot: bool = False
    soft: bool = False
    stuck: bool = False
    tell: Callable[[Event], None] = _unheard
    document: str | None = None


@dataclass(frozen=True)
class UpgradeOptions:
    """``bootc upgrade``."""

    check: bool = False
    apply: bool = False
    download_only: bool = False
    from_downloaded: bool = False
    tag: str | None = None
    soft_reboot: str | None = None


@dataclass(frozen=True)
class SwitchOptions:
    """``bootc switch``."""

    target: str
    transport: str = "registry"
    enforce_sigpolicy: bool = False
    retain: bool = False
    apply: bool = False
    soft_reboot: str | None = None

    @property
    def ref(self) -> ImageRef:
        """The reference the device is to track."""
        return ImageRef(self.target, self.transport, "containerPolicy" if self.enforce_sigpolicy else None)


def size_text(size: int) -> str:
    """Bytes as GLib writes them: powers of 1000, one decimal, a no-break space before the unit."""
    if size < 1000:
        return f"{size}\u00a0{'byte' if size == 1 else 'bytes'}"
    units = ["TB", "GB", "MB", "kB"]
    amount, unit = size / 1000, units.pop()
    while round(amount, 1) >= 1000 and units:
        amount, unit = amount / 1000, units.pop()
    return f"{amount:.1f}\u00a0{unit}"


def version_of(image: Image, *, composefs: bool) -> str | None:
    """The version bootc reports: a label on ostree, only a manifest annotation on composefs."""
    if composefs:
        return image.annotations.get("org.opencontainers.image.version")
    return image.labels.get("org.opencontainers.image.version") or image.labels.get("version")


def diff_lines(before: Image, after: Image) -> list[str]:
    """The three counting lines: set difference of the layers by digest."""
    old = {layer.digest: layer.size for layer in before.layers}
    new = {layer.digest: layer.size for layer in after.layers}
    removed = [size for digest, size in old.items() if digest not in new]
    added = [size for digest, size in new.items() if digest not in old]
    return [
        f"Total new layers: {len(new):<4}  Size: {size_text(sum(new.values()))}",
        f"Removed layers:   {len(removed):<4}  Size: {size_text(sum(removed))}",
        f"Added layers:     {len(added):<4}  Size: {size_text(sum(added))}",
    ]


def resolve(state: State, world: World, ref: ImageRef, *context: str) -> Image:
    """Ask the registry, as far as faults let the request through."""
    try:
        return reachable(state, world, ref)
    except PullError as failed:
        raise BootcError(
            *context, "failed to invoke method OpenImage", "failed to invoke method OpenImage", str(failed)
        ) from failed


def reachable(state: State, world: World, ref: ImageRef) -> Image:
    """What ``ref`` is at its registry; raises PullError, also for a registry fault."""
    rejected = active(state, Moment.POLICY)
    if rejected is not None:
        raise PullError(rejected.text.format(spec=ref.pull_spec))
    check_registry(state, ref)
    return world.resolve(ref)


def check_registry(state: State, ref: ImageRef) -> None:
    """Raise PullError when a fault keeps the device from using the registry of ``ref``."""
    fault = active(state, Moment.REGISTRY)
    if fault is None or ref.transport != "registry":
        return
    try:
        place = locate(ref.image)
    except ValueError as invalid:
        raise PullError(str(invalid)) from invalid
    raise PullError(
        fault.text.format(host=place.host, repository=place.repository, target=place.target, scheme="https")
    )


def default_policy(world: World, *context: str) -> str | None:
    """As the world says, with its error in bootc's words."""
    try:
        return world.default_policy()
    except PullError as failed:
        raise BootcError(*context, str(failed)) from failed


def missing_layers(image: Image, have: Mapping[str, int]) -> tuple[Layer, ...]:
    """Layers of ``image`` the device does not have, each once."""
    wanted = {layer.digest: layer for layer in image.layers if layer.digest not in have}
    return tuple(wanted.values())


def check_space(state: State, image: Image, required: int, *context: str) -> None:
    """Raise when there is no room for ``required`` bytes."""
    available = storage.available(state)
    if required == 0 or available is None or required <= available:
        return
    feature = "composefs disk preflight" if state.composefs else "disk preflight"
    if not has(state.bootc_version, feature):
        raise BootcError(*context, storage.FULL)
    room = f"(available: {size_text(available)} required: {size_text(required)})"
    raise BootcError(*context, f"Insufficient free space for {image.ref.image} {room}")


def fetch(state: State, world: World, image: Image, *context: str) -> tuple[State, Pulled]:
    """Pull what is missing of ``image``; the state knows its layers afterwards."""
    try:
        pulled = world.pull(image, state.layers)
    except PullError as failed:
        raise BootcError(*context, str(failed)) from failed
    layers = {**state.layers, **{layer.digest: layer.size for layer in image.layers}}
    return replace(state, layers=layers, last_pull=pulled), pulled


def unpack(world: World, entry: Deployment, *context: str) -> None:
    """Have the files of a new deployment put in place."""
    try:
        world.unpack(entry.image, entry.id)
    except PullError as failed:
        raise BootcError(*context, str(failed)) from failed


def spinner(state: State, outcome: Outcome, task: str) -> None:
    """What a finished spinner task leaves when nobody watches: a line on stderr (on stdout in old versions)."""
    stream = outcome.err if has(state.bootc_version, "spinner on stderr") else outcome.out
    stream.append(f"{task}...done (0 seconds)")


def in_place(deployments: tuple[Deployment, ...], changed: Deployment) -> tuple[Deployment, ...]:
    """The deployments, with ``changed`` in the place of the one of its id."""
    return tuple(changed if entry.id == changed.id else entry for entry in deployments)


def told_queued(state: State) -> bool:
    """``rollbackQueued`` as bootc tells it: with UKIs it was inverted for a long time."""
    if state.uki and state.booted is not None and not has(state.bootc_version, "uki rollbackQueued"):
        return not state.rollback_queued
    return state.rollback_queued


def swap_default(outcome: Outcome, *context: str) -> None:
    """Make the rollback deployment the default entry, or the booted one when it is not; say what bootc says of it."""
    state = outcome.state
    booted, rollback = state.booted, state.rollback
    reverting = told_queued(state)
    outcome.out += ["notice: Reverting queued rollback state"] if reverting else []
    if booted is None or rollback is None:
        raise BootcError(*context, "No rollback available")
    if rollback.tracked is None:
        raise BootcError(*context, "Rollback is not container image based")
    pair = (booted, rollback) if state.rollback_queued else (rollback, booted)
    outcome.state = replace(state, deployments=(*pair, *(entry for entry in state.deployments if entry not in pair)))
    outcome.out.append(f"Next boot: {'current' if reverting else 'rollback'} deployment")
