# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which jobs of a tree are to be done, and does them side by side. PRIVATE to the collection."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Callable, Mapping, Sequence

from .errors import UNEXPECTED, EngineError
from .inputs import HASH_LABEL, changed_parts, recorded_parts
from .jobs import PARENT_LABEL, Job

REGISTRY, STORAGE = "registry", "storage"


@dataclass(frozen=True)
class Copy:
    """An image that may be what a job would build."""

    place: str
    """:data:`REGISTRY` or :data:`STORAGE`."""
    reference: str
    """What to call it when building on it."""
    image_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None
    """Of its manifest there."""
    lasting: bool = False
    """Whether it is at a tag that means one image for ever, so that no other could be published there."""

    def is_of(self, job: Job) -> bool:
        """Whether it was made from what the job would be made from."""
        return self.labels.get(HASH_LABEL) == job.hashed.value


@dataclass(frozen=True)
class Step:
    """What is to become of a job."""

    job: Job
    copy: Copy | None
    """The image that is there already, with the same inputs."""
    reasons: Sequence[str]
    """Why it has to be built; none when it does not."""
    changed_inputs: Sequence[str] = ()
    before: Mapping[str, str] = field(default_factory=dict)
    """Short hashes of the inputs of the image there was."""


@dataclass
class Outcome:
    """What became of the jobs that had to be done, by image."""

    built: dict[str, str] = field(default_factory=dict)
    """Their image ids."""
    failed: dict[str, EngineError] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Jobs that were not begun, with the image of the failed one below them."""


def decide(jobs: Sequence[Job], found: Mapping[str, Sequence[Copy]], *, force: bool = False) -> list[Step]:
    """Say for each job, parents first, whether it has to be built and why.

    ``found`` has what was found of each image, the registry's before that in storage. What nobody wants for itself is
    built only when something on it is.
    """
    copies = {job.image: next((copy for copy in found.get(job.image, ()) if copy.is_of(job)), None) for job in jobs}
    why = _why(jobs, found, copies, force=force)
    built = _to_build(jobs, copies, why)
    steps = []
    for job in jobs:
        # What has no reason of its own would be found by the next run on another parent than is there by then.
        reasons = why.get(job.image, [f"Its parent {job.parent} is built anew."]) if job.image in built else []
        labels = _latest_labels(found.get(job.image, ()))
        steps.append(
            Step(
                job,
                copies[job.image],
                reasons,
                changed_parts(labels, job.hashed) if reasons else [],
                recorded_parts(labels),
            )
        )
    return steps


def _why(
    jobs: Sequence[Job], found: Mapping[str, Sequence[Copy]], copies: Mapping[str, Copy | None], *, force: bool
) -> dict[str, list[str]]:
    """Return what speaks for building a job, whatever becomes of the others."""
    why: dict[str, list[str]] = {}
    outdated: set[str] = set()
    for job in jobs:
        copy, parent = copies[job.image], copies.get(job.parent or "")
        if force:
            why[job.image] = ["The build was asked for with force."]
        elif copy is None:
            why[job.image] = _reasons(job, found.get(job.image, ()))
        elif not copy.lasting and (
            _is_on_another(copy, parent)
            # An earlier run may have built what is below its parent, and neither of these.
            or (job.parent in outdated and parent is not None and parent.place == copy.place)
        ):
            outdated.add(job.image)
            why[job.image] = [f"Its parent {job.parent} was built anew."]
    return why


def _to_build(jobs: Sequence[Job], copies: Mapping[str, Copy | None], why: Mapping[str, list[str]]) -> set[str]:
    """Return the images of jobs that are built, because somebody wants them or something on them is built.

    What is built makes copies in storage outdated, at any distance above it; these may need parents, which are then
    built, too. So this goes on until nothing is added.
    """
    built: set[str] = set()
    while True:
        moved: set[str] = set()
        for job in jobs:
            copy = copies[job.image]
            if job.image in built or (job.parent in moved and (copy is None or copy.place == STORAGE)):
                moved.add(job.image)
        due = moved | set(why)
        needed: set[str] = set()
        for job in reversed(jobs):
            if (job.wanted or job.image in needed) and job.image in due and job.parent is not None:
                needed.add(job.parent)
        more = {job.image for job in jobs if (job.wanted or job.image in needed) and job.image in due}
        if more == built:
            return built
        built = more


def is_settled(jobs: Sequence[Job], found: Mapping[str, Sequence[Copy]]) -> bool:
    """Tell whether nothing has to be built, going by what was found so far."""
    return not any(step.reasons for step in decide(jobs, found))


def run_steps(
    steps: Sequence[Step],
    build: Callable[[Step, str | None], str],
    parallel: int,
    stop: Callable[[], None],
    unfit: Mapping[str, EngineError] | None = None,
) -> Outcome:
    """Build what has to be built, up to ``parallel`` at a time, each as soon as its parent is there.

    ``build`` gets a step and the image id of the parent when that was built just now; it returns the id of the image,
    or raises EngineError or OSError. What stands on a failed build is skipped, all else goes on. Whoever ends this from
    outside, by a signal, has ``stop`` called, after which every ``build`` has to return soon. ``unfit`` has images that
    are there and did not pass; they count as failed.
    """
    outcome = Outcome(failed=dict(unfit or {}))
    waiting = {step.job.image: step for step in steps if step.reasons}
    running: dict[Future[str], str] = {}
    with ThreadPoolExecutor(max_workers=max(parallel, 1)) as pool:
        try:
            while waiting or running:
                for image, step in list(waiting.items()):
                    parent = step.job.parent
                    if parent in outcome.failed or parent in outcome.skipped:
                        outcome.skipped[image] = parent if parent in outcome.failed else outcome.skipped[parent or ""]
                        del waiting[image]
                    elif parent is None or (parent not in waiting and parent not in running.values()):
                        running[pool.submit(build, step, outcome.built.get(parent or ""))] = image
                        del waiting[image]
                if not running:
                    continue
                done, _unused = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    _note(outcome, running.pop(future), future)
        except BaseException:
            # Before the pool waits for those that run.
            stop()
            for future in running:
                future.cancel()
            raise
    return outcome


def _note(outcome: Outcome, image: str, future: Future[str]) -> None:
    try:
        outcome.built[image] = future.result()
    except EngineError as error:
        outcome.failed[image] = error
    except OSError as error:
        # Such as a full disk. It is of this build alone: what the others came to is not lost.
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        outcome.failed[image] = EngineError(UNEXPECTED, f"{what}.", "Look after the disk of this host.")


def _reasons(job: Job, there: Sequence[Copy]) -> list[str]:
    if not there:
        return [f"There is no image {job.image} yet."]
    labels = _latest_labels(there)
    if not recorded_parts(labels):
        return [f"The image {there[0].reference} there is was not built by this module."]
    return [f"These inputs changed: {', '.join(changed_parts(labels, job.hashed))}."]


def _latest_labels(there: Sequence[Copy]) -> Mapping[str, str]:
    return there[0].labels if there else {}


def _is_on_another(copy: Copy, parent: Copy | None) -> bool:
    # Only within one place: what is on its way from the one to the other is no contradiction.
    if parent is None or parent.place != copy.place or PARENT_LABEL not in copy.labels:
        return False
    return copy.labels[PARENT_LABEL] != parent.image_id
