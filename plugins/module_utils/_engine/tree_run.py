# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over a tree: check, look, decide, build, describe. PRIVATE to the collection."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from .._oci.errors import RegistryError
from .._oci.manifest import parse_platform
from .._oci.module import registry_client
from .._oci.reference import is_tag, parse_reference
from .builder import Builder, BuildOptions, explain, identity_of_base, names
from .checks import check_auth_file, check_secrets
from .client import Engine, Secret, choose_engine
from .errors import INVALID, EngineError
from .jobs import Job, Settings, make_jobs, texts
from .lint import ERROR, Finding, level_of, level_problems, lint, secret_arguments
from .lookup import published_copies, stored_copies
from .memory import Instead, Memory, forget_name, load_memory, memory_file, update_memory
from .run import run_command
from .tree import REGISTRY, STORAGE, Copy, Outcome, Step, decide, is_settled, run_steps

LINT = "lint"


@dataclass(frozen=True)
class Failure:
    """Why a run did not do all it should."""

    kind: str
    text: str


class TreeRun:
    """One run of the module ``image_build_tree``, whose options ``params`` are."""

    def __init__(self, params: Mapping[str, Any], *, check_mode: bool, warn: Callable[[str], None]) -> None:
        """Keep the options; nothing is done yet."""
        self._params = params
        self._check_mode = check_mode
        self._warn = warn
        self._engine: Engine | None = None
        self._stop = threading.Event()
        self._steps: list[Step] = []
        self._outcome = Outcome()
        self._findings: list[tuple[str, str, Finding]] = []
        self.failure: Failure | None = None

    @property
    def engine(self) -> Engine:
        """The engine, looked for when it is needed for the first time."""
        if self._engine is None:
            program = choose_engine(self._params["engine"], shutil.which)
            self._engine = Engine(partial(run_command, stop=self._stop), program, put_away=run_command)
        return self._engine

    def perform(self) -> None:
        """Do it. Raises EngineError or ValueError before anything is built; later trouble is in ``failure``."""
        params = self._params
        settings = self._settings()
        with tempfile.TemporaryDirectory(prefix="bootc-tree-") as work:
            jobs = make_jobs(params["nodes"], params["only"], settings, Path(work), self._identify)
            self._lint(jobs)
            if self.failure is not None:
                return
            found = self._find(jobs)
            self._steps = decide(jobs, found, force=params["force"])
            if not self._check_mode:
                # Before anything is built, so that it holds as well when this is ended meanwhile.
                forget_name(memory_file(os.environ), *[step.job.image for step in self._steps if _counts(step)])
            if not self._check_mode and any(_counts(step) for step in self._steps):
                builder = Builder(self.engine, self._options(settings), self._steps, memory_file(os.environ))
                unfit = builder.check_stored()
                self._outcome = run_steps(self._steps, builder.build, params["parallel"], self._stop.set, unfit)
        self.failure = self._failed()

    def result(self, *, diff: bool) -> dict[str, Any]:
        """Return what the module answers."""
        described = [self._describe(step) for step in self._steps]
        result: dict[str, Any] = {
            "changed": any(image["changed"] for image in described),
            "images": described,
            "explanation": explain(self._steps),
            "findings": [
                {"name": name, "rule": finding.rule, "level": level, "line": finding.line, "text": _said(finding)}
                for name, level, finding in self._findings
            ],
            "commands": self._engine.commands if self._engine else [],
        }
        if self.failure is not None:
            result["failed_images"] = self._nodes(self._outcome.failed)
            result["skipped_images"] = self._nodes(self._outcome.skipped)
        if diff:
            built = [step for step in self._steps if step.reasons]
            result["diff"] = {
                "before": {step.job.image: dict(step.before) for step in built},
                "after": {step.job.image: dict(step.job.hashed.parts) for step in built},
            }
        return result

    def _settings(self) -> Settings:
        params = self._params
        if params["parallel"] < 1:
            raise EngineError(INVALID, f"parallel is {params['parallel']}.", "Give 1 or more.")
        problems = level_problems(params["lint"])
        if problems:
            raise EngineError(INVALID, "The levels of lint are wrong.", " ".join(problems))
        if not is_tag(params["version"]):
            raise EngineError(
                INVALID, f"The version '{params['version']}' cannot be part of a tag.", "Use letters, digits, '.', '-'."
            )
        parse_reference(f"{params['namespace']}/x:{params['version']}")
        if params["repository"]:
            parse_reference(f"{params['repository'].replace('{variant}', 'x')}:x")
        if params["platform"]:
            parse_platform(params["platform"])
        check_auth_file(params["auth_file"])
        check_secrets(params["secrets"], check_mode=self._check_mode)
        return Settings(
            namespace=params["namespace"],
            version=params["version"],
            directory=Path(params["directory"]).resolve(),
            build_args=texts(params["build_args"]),
            labels=texts(params["labels"]),
            secret_ids=[secret["id"] for secret in params["secrets"]],
            platform=params["platform"],
            network=params["network"],
            timestamp=params["timestamp"] if params["timestamp"] >= 0 else None,
            repository=params["repository"],
            tags=params["tags"],
        )

    def _options(self, settings: Settings) -> BuildOptions:
        params = self._params
        return BuildOptions(
            secrets=[Secret(**secret) for secret in params["secrets"]],
            tls_verify=params["tls_verify"],
            auth_file=params["auth_file"],
            network=settings.network,
            timestamp=settings.timestamp,
            force=params["force"],
            container_lint=params["container_lint"],
            timeout=params["timeout"],
        )

    def _identify(self, base: str) -> str:
        pinned = parse_reference(base).digest
        return pinned if pinned is not None else identity_of_base(self.engine, base)

    def _lint(self, jobs: Sequence[Job]) -> None:
        levels = self._params["lint"]
        seen = set()
        for job in jobs:
            if job.node in seen:
                continue
            seen.add(job.node)
            found = [*secret_arguments(job.build_args), *lint(job.text, levels)]
            self._findings += [(job.node, level_of(finding.rule, levels), finding) for finding in found]
        errors = [f"'{node}', {finding}" for node, level, finding in self._findings if level == ERROR]
        for node, level, finding in self._findings:
            if level not in (ERROR, "off"):
                self._warn(f"'{node}', {finding}")
        self._findings = [entry for entry in self._findings if entry[1] != "off"]
        if errors:
            self.failure = Failure(LINT, f"Nothing was built. {' '.join(errors)}")

    def _find(self, jobs: Sequence[Job]) -> dict[str, list[Copy]]:
        found: dict[str, list[Copy]] = {job.image: [] for job in jobs}
        if self._params["repository"]:
            self._ask_registry(jobs, found)
            if is_settled(jobs, found) and not self._params["force"]:
                return found
        for job in jobs:
            found[job.image] += stored_copies(self.engine, job)
        return found

    def _ask_registry(self, jobs: Sequence[Job], found: dict[str, list[Copy]]) -> None:
        path = memory_file(os.environ)
        before = load_memory(path)
        known = dict(before.by_digest)
        client = registry_client(self._params)
        for job in jobs:
            try:
                found[job.image] = published_copies(client, known, job)
            except RegistryError as error:
                self._warn(f"What is published could not be found out, so local storage decides. {error}")
                break
        instead = {
            job.image: self._instead(job, copy, before)
            for job in ([] if self._check_mode else jobs)
            for copy in found[job.image]
            if copy.is_of(job)
        }

        def note(memory: Memory) -> None:
            memory.by_digest.update({key: known[key] for key in known if key not in before.by_digest})
            # What a publish goes by is left to the build that is no prediction.
            for job in [] if self._check_mode else jobs:
                # Unless another run built or found something under that name meanwhile.
                if memory.by_name.get(job.image) != before.by_name.get(job.image):
                    continue
                # What an earlier run found may have been another image, also where nothing is found now.
                memory.by_name.pop(job.image, None)
                if job.image in instead:
                    memory.by_name[job.image] = instead[job.image]

        update_memory(path, note)

    def _instead(self, job: Job, copy: Copy, memory: Memory) -> Instead:
        """Return what to note of an image that was found published, asking the engine only of one that is new."""
        noted = memory.by_name.get(job.image)
        if noted is not None and noted.digest == copy.digest:
            return noted
        try:
            stored = self.engine.inspect(job.image)
        except EngineError:
            # There need not be an engine. What it could not tell now, a push will find out.
            stored = None
        return Instead(copy.digest or "", copy.image_id, stored.id if stored else None)

    def _failed(self) -> Failure | None:
        failed = self._outcome.failed
        if not failed:
            return None
        causes = [
            f"{name}: {failed[step.job.image]}"
            for name, step in zip(names(self._steps), self._steps)
            if step.job.image in failed
        ]
        skipped = self._nodes(self._outcome.skipped)
        done = sum(bool(step.reasons) or step.job.image in failed for step in self._steps)
        text = f"{len(failed)} of {done} builds failed. {' '.join(causes)}"
        if skipped:
            text += f" Skipped, because they are built on these: {', '.join(skipped)}."
        return Failure(next(iter(failed.values())).kind, text)

    def _nodes(self, images: Mapping[str, object]) -> list[str]:
        return list(dict.fromkeys(step.job.node for step in self._steps if step.job.image in images))

    def _describe(self, step: Step) -> dict[str, Any]:
        job, copy = step.job, step.copy
        built = self._outcome.built.get(job.image)
        if not step.reasons and job.image not in self._outcome.failed:
            outcome = "not_needed" if copy is None else "published" if copy.place == REGISTRY else "stored"
        elif self._check_mode:
            outcome = "to_build"
        elif job.image in self._outcome.failed:
            outcome = "failed"
        else:
            outcome = "built" if built else "skipped"
        kept = copy if copy is not None and not step.reasons and outcome != "failed" else None
        return {
            "name": job.node,
            "platform": job.platform,
            "image": job.image,
            "outcome": outcome,
            "changed": outcome in ("built", "to_build"),
            "image_id": built or (kept.image_id if kept else None),
            "digest": kept.digest if kept else None,
            "input_hash": job.hashed.value,
            "changed_inputs": list(step.changed_inputs),
            "reason_for_build": list(step.reasons),
        }


def _counts(step: Step) -> bool:
    """Whether what storage has of a step, now or after its build, is what this run came to."""
    return bool(step.reasons) or (step.copy is not None and step.copy.place == STORAGE)


def _said(finding: Finding) -> str:
    return f"{finding.cause} {finding.remedy}"
