# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one job of a tree. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from .client import Build, Engine, Secret
from .errors import FAILED, NOT_FOUND, UNEXPECTED, EngineError
from .ignore import find_ignore_file
from .jobs import PARENT_LABEL, Job
from .lookup import parent_reference
from .memory import load_memory, note_checked
from .tree import STORAGE, Step

OFF, AUTO, REQUIRED = CONTAINER_LINT = ("off", "auto", "required")


@dataclass(frozen=True)
class BuildOptions:
    """How images are built, whatever goes into them."""

    secrets: Sequence[Secret] = ()
    tls_verify: bool = True
    auth_file: str | None = None
    network: str | None = None
    timestamp: int | None = 0
    force: bool = False
    container_lint: str = AUTO
    timeout: float = 7200.0
    """Seconds that one build may take."""


class Builder:
    """Builds jobs whose parents are there."""

    def __init__(self, engine: Engine, options: BuildOptions, steps: Sequence[Step], memory: Path) -> None:
        """Keep what is needed; ``steps`` are those of the whole tree, to find parents that need no build.

        ``memory`` is the file that knows which images passed their check.
        """
        self._engine = engine
        self._options = options
        self._memory = memory
        self._steps = {step.job.image: step for step in steps}

    def build(self, step: Step, parent_id: str | None) -> str:
        """Build, check and name the image of a step; return its id. ``parent_id`` is of a parent built just now."""
        job, options = step.job, self._options
        parent, identity = self._parent(job, parent_id)
        labels = {**job.labels, **job.hashed.labels}
        if identity is not None:
            labels[PARENT_LABEL] = identity
        # The layer cache of engines does not know about times.
        other_time = bool(step.before) and "timestamp" in step.changed_inputs
        built = self._engine.build(
            Build(
                name=job.image,
                containerfile=job.containerfile,
                context=job.context,
                ignore_file=find_ignore_file(job.containerfile, job.context),
                build_args=job.build_args,
                labels=labels,
                annotations=job.annotations,
                platform=job.platform,
                parent=parent,
                parent_is_argument=job.parent_is_argument,
                timestamp=options.timestamp,
                network=options.network,
                secrets=options.secrets,
                use_cache=not (options.force or other_time),
                tls_verify=options.tls_verify,
                auth_file=options.auth_file,
            ),
            options.timeout,
        )
        if self._options.container_lint != OFF and job.wanted:
            self._check(job, built)
        return built

    def check_stored(self) -> dict[str, EngineError]:
        """Check what is wanted, need not be built and never passed; return what is wrong with which image.

        It may have been built as a parent only, without the check, or by a run that was killed before it.
        """
        failed: dict[str, EngineError] = {}
        if self._options.container_lint == OFF:
            return failed
        checked = load_memory(self._memory).checked
        for step in self._steps.values():
            copy = step.copy
            if not step.job.wanted or step.reasons or copy is None or copy.place != STORAGE:
                continue
            if checked.get(copy.image_id, False) or (copy.image_id in checked and self._options.container_lint == AUTO):
                continue
            try:
                self._check(step.job, copy.image_id)
            except EngineError as error:
                failed[step.job.image] = error
        return failed

    def _parent(self, job: Job, parent_id: str | None) -> tuple[str | None, str | None]:
        """Return what to call the parent, and its image id when it is a node of the tree."""
        if job.parent is None:
            return job.base, None
        if parent_id is not None:
            # The id rather than the name, which another run may move meanwhile.
            return parent_id, parent_id
        copy = self._steps[job.parent].copy
        if copy is None:
            raise EngineError(UNEXPECTED, f"Nobody built {job.parent}, and it was not found either.", "Report this.")
        return parent_reference(self._engine, copy, job.parent), copy.image_id

    def _check(self, job: Job, image_id: str) -> None:
        try:
            has_bootc = self._engine.container_lint(job.image, self._options.timeout)
            if not has_bootc and self._options.container_lint == REQUIRED:
                raise EngineError(
                    NOT_FOUND, f"{job.image} has no bootc to check it with.", "Install bootc in one of its parents."
                )
        except EngineError as error:
            # With its name it would count as built, and could be published.
            self._engine.untag(job.image)
            if error.kind == FAILED:
                raise EngineError(FAILED, f"bootc container lint refuses {job.image}. {error}") from error
            raise
        note_checked(self._memory, image_id, has_bootc=has_bootc)


def identity_of_base(engine: Engine, base: str) -> str:
    """Return what an image to start from is now: the id it has in storage."""
    image = engine.inspect(base)
    if image is None:
        raise EngineError(
            NOT_FOUND,
            f"The parent {base} is not in local storage.",
            "Build it first, or name an image in a registry with its digest.",
        )
    return image.id


def explain(steps: Sequence[Step]) -> list[str]:
    """Say in one line what is done with each node and why, for each platform where it has several."""
    return [f"{name}: {_explain(step)}" for name, step in zip(names(steps), steps)]


def names(steps: Sequence[Step]) -> list[str]:
    """Return how to speak of each: by its node, and by its platform where the node has several."""
    nodes = Counter(step.job.node for step in steps)
    return [f"{step.job.node} {step.job.platform}" if nodes[step.job.node] > 1 else step.job.node for step in steps]


def _explain(step: Step) -> str:
    if step.reasons:
        return " ".join(step.reasons)
    if step.copy is None:
        return "not needed, because everything that is built on it is there."
    return f"unchanged, {step.copy.reference}"
