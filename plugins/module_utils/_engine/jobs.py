# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to build of a tree: a job for each node and platform. PRIVATE to the collection."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from .._oci.places import expand_user
from .errors import INVALID, EngineError
from .inputs import BuildInputs, InputHash, hash_inputs
from .lint import declared_arguments
from .recipe import read_recipe
from .rendering import render
from .tags import InvalidTags, fill, is_of_one_release, suffix_of
from .variants import build_order, platforms_of

VERSION_LABEL = "org.opencontainers.image.version"
PARENT_LABEL = "org.skorionos.bootc.parent-id"


@dataclass(frozen=True)
class Settings:
    """What all nodes of a tree have in common."""

    namespace: str
    version: str
    directory: Path
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secret_ids: Sequence[str] = ()
    platform: str | None = None
    network: str | None = None
    timestamp: int | None = 0
    repository: str | None = None
    """Where images are published; ``{variant}`` in it stands for the name of the node."""
    tags: Sequence[str] = ()
    """Templates of the tags there."""


@dataclass(frozen=True)
class Job:
    """A node for one platform."""

    node: str
    image: str
    """Name in local storage."""
    parent: str | None
    """Image of the job it is built on."""
    base: str | None
    containerfile: Path
    context: Path
    parent_is_argument: bool
    text: str
    """Of the Containerfile."""
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    platform: str | None
    wanted: bool
    """Whether somebody wants the image for itself, and not only to build another on it."""
    published: Sequence[str]
    """References at which it may be in a registry, the most telling first."""
    hashed: InputHash
    lasting: Sequence[str] = ()
    """Those of :attr:`published` that mean one image for ever."""


def make_jobs(
    nodes: Sequence[Mapping[str, Any]],
    only: Sequence[str] | None,
    settings: Settings,
    work: Path,
    identify: Callable[[str], str],
) -> list[Job]:
    """Return the jobs, parents first, with the hashes of their inputs.

    Containerfiles of recipes are written into the folder ``work``. ``identify`` returns what an image to start from is
    now. The hash of a node has that of its parent in it, so the whole chain is known before anything is built.
    """
    ordered = build_order(nodes, only or None)
    by_name = {str(node["name"]): node for node in nodes}
    parents = {node.get("parent") for node in nodes}
    wanted = set(only) if only else {name for name in by_name if name not in parents}
    jobs: dict[tuple[str, str | None], Job] = {}
    for node in ordered:
        name = str(node["name"])
        # What others are built on stays the same from release to release, so that what they share stays the same, too.
        is_release = name not in parents
        platforms: Sequence[str | None] = platforms_of(node, by_name) or [settings.platform]
        for platform in platforms:
            parent = jobs[(str(node["parent"]), platform)] if node.get("parent") else None
            suffix = suffix_of(platform) if platform and len(platforms) > 1 else ""
            jobs[(name, platform)] = _job(
                node,
                settings,
                files=_files(node, settings, work, is_root=parent is None),
                identify=identify,
                parent=parent,
                platform=platform,
                suffix=suffix,
                is_release=is_release,
                is_wanted=name in wanted,
            )
    return list(jobs.values())


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Turn numbers and booleans from YAML into the texts a Containerfile sees."""
    return {
        str(key): str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        for key, value in values.items()
    }


def _job(
    node: Mapping[str, Any],
    settings: Settings,
    *,
    files: tuple[Path, Path],
    identify: Callable[[str], str],
    parent: Job | None,
    platform: str | None,
    suffix: str,
    is_release: bool,
    is_wanted: bool,
) -> Job:
    name = str(node["name"])
    containerfile, context = files
    try:
        text = containerfile.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(
            INVALID, f"'{name}': {containerfile} cannot be read: {error.strerror}.", "Correct the path."
        ) from error
    except UnicodeDecodeError as error:
        raise EngineError(INVALID, f"'{name}': {containerfile} is not UTF-8.", "Write it in UTF-8.") from error
    if not context.is_dir():
        raise EngineError(
            INVALID, f"'{name}': The context {context} is not a folder on this host.", "Correct the path."
        )
    common = {"VERSION": settings.version, **settings.build_args}
    declared = declared_arguments(text)
    # An argument that a Containerfile does not take is no input of it.
    build_args = {key: value for key, value in common.items() if key in declared}
    build_args.update(texts(node.get("build_args") or {}))
    if "PARENT" in build_args and (parent is not None or node.get("base")):
        raise EngineError(
            INVALID, f"'{name}' has the build argument PARENT, which parent and base set.", "Give one of the two."
        )
    versioned = is_release or "VERSION" in declared
    version = {VERSION_LABEL: settings.version} if versioned else {}
    labels = {**version, **settings.labels, **texts(node.get("labels") or {})}
    base = None if parent is not None else node.get("base")
    inputs = BuildInputs(
        containerfile=containerfile,
        context=context,
        build_args=build_args,
        labels=labels,
        # A device with composefs reads the version from here; one with ostree from the label.
        annotations=version,
        platform=platform,
        timestamp=settings.timestamp,
        target=None,
        network=settings.network,
        parent=parent.node if parent is not None else base,
        parent_identity=parent.hashed.value if parent is not None else identify(base) if base else None,
        secret_ids=settings.secret_ids,
    )
    return Job(
        node=name,
        image=f"{settings.namespace}/{name}:{settings.version}{suffix}",
        parent=parent.image if parent is not None else None,
        base=base,
        containerfile=containerfile,
        context=context,
        parent_is_argument="PARENT" in declared,
        text=text,
        build_args=build_args,
        labels=labels,
        annotations=version,
        platform=platform,
        wanted=is_wanted,
        published=_references(node, settings),
        hashed=hash_inputs(inputs),
        lasting=_references(node, settings, lasting=True),
    )


def _files(node: Mapping[str, Any], settings: Settings, work: Path, *, is_root: bool) -> tuple[Path, Path]:
    """Return the Containerfile and the context of a node."""
    name = str(node["name"])
    context = settings.directory / _expanded(node.get("context") or name)
    if node.get("recipe") is None:
        given = node.get("containerfile") or f"{name}/Containerfile"
        return settings.directory / _expanded(given), context
    recipe = read_recipe(node["recipe"])
    folder = work / name
    empty = folder / "empty"
    empty.mkdir(parents=True, exist_ok=True)
    containerfile = folder / "Containerfile"
    containerfile.write_text(render(recipe, name=name, is_root=is_root), encoding="utf-8")
    if not recipe.needs_context:
        return containerfile, empty
    for file in recipe.files:
        if file.source is not None and not (context / file.source).exists():
            raise EngineError(
                INVALID, f"'{name}': there is no {file.source} in {context}.", "Correct the source, or the context."
            )
    return containerfile, context


def _expanded(path: str) -> str:
    """Put in what ``~`` and ``$NAME`` mean on the build host."""
    return os.path.expandvars(expand_user(path))


def _references(node: Mapping[str, Any], settings: Settings, *, lasting: bool = False) -> list[str]:
    if not settings.repository:
        return []
    name = str(node["name"])
    words = {"variant": name, "version": settings.version}
    templates = [str(tag) for tag in node.get("tags") or settings.tags]
    # Those of other days and commits cannot be told. One with the version tells most; the rest may be of any release.
    known = [tag for tag in templates if not any(f"{{{word}}}" in tag for word in ("date", "revision"))]
    known.sort(key=lambda tag: "{version}" not in tag)
    if lasting:
        known = [tag for tag in known if is_of_one_release(tag)]
    place = settings.repository.replace("{variant}", name)
    try:
        return [f"{place}:{tag}" for tag in dict.fromkeys(fill(tag, words) for tag in known)]
    except InvalidTags as error:
        raise EngineError(INVALID, str(error), "Correct bootc_tags, or the tags of the variant.") from error
