# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting tags on manifests, by comparing with what is there. PRIVATE to the collection."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from .client import RegistryClient
from .errors import NOT_FOUND, UNEXPECTED, UNSUPPORTED, RegistryError
from .manifest import Manifest
from .reading import version_of
from .reference import Reference, is_digest, is_tag
from .versions import is_older_release

CONFLICT = "conflict"
_LAG_TRIES = 5
_LAG_SECONDS = 1.0
ABSENT = "absent"
"""As a digest that is expected: the tag must not be there."""


@dataclass(frozen=True)
class Move:
    """One tag that comes to mean another manifest. ``before`` is none for a tag that was not there."""

    tag: str
    before: str | None
    after: str


def insist_on_tags(tags: Iterable[str], expected: str | None = None) -> None:
    """Raise ValueError for a tag that is none, and for what is expected of them but neither digest nor absence."""
    wrong = [tag for tag in tags if not is_tag(tag)]
    if wrong:
        raise ValueError(f"'{wrong[0]}' in tags is not a tag. Give tags only, without a repository.")
    if expected is not None and expected != ABSENT and not is_digest(expected):
        raise ValueError(f"'{expected}' as expected is neither a digest nor '{ABSENT}'.")


def put_tags(
    client: RegistryClient,
    repository: Reference,
    tags: Iterable[str],
    manifest: Manifest,
    *,
    expected: str | None,
    check: bool,
    keep_newer: bool = False,
) -> dict[str, Any]:
    """Put tags on a manifest, in a prediction say which; returns what modules tell of that. Raises ``conflict``.

    With ``keep_newer``, tags that have a newer version stay where they are, and are told as ``kept``, beside the
    ``version`` they were compared with. What cannot be read has no version, and what has none is not newer.
    """
    before = read_tags(client, repository, tags)
    moves = plan_moves(before, manifest.digest, expected, repository.name)
    told: dict[str, Any] = {}
    if keep_newer:
        leaving = {move.before for move in moves if move.before is not None}
        ours = _version(client, repository, manifest.digest) if leaving else None
        versions = {digest: _version(client, repository, digest) for digest in leaving} if ours is not None else {}
        moves, kept = split_by_age(moves, ours, versions)
        told = {"version": ours, "kept": kept}
    for move in [] if check else moves:
        move_tag(client, repository, move, manifest)
    return {
        "changed": bool(moves),
        "digest": manifest.digest,
        "before": before,
        "moved": [move.tag for move in moves],
        "diff": {"before": before, "after": {**before, **{move.tag: move.after for move in moves}}},
        **told,
    }


def split_by_age(
    moves: Iterable[Move], ours: str | None, versions: Mapping[str, str | None]
) -> tuple[list[Move], dict[str, str]]:
    """Return the moves that do not go back from a newer version, and of the other tags the version they have."""
    forward: list[Move] = []
    kept: dict[str, str] = {}
    for move in moves:
        theirs = versions.get(move.before or "")
        if ours is not None and theirs is not None and is_older_release(ours, theirs):
            kept[move.tag] = theirs
        else:
            forward.append(move)
    return forward, kept


def _version(client: RegistryClient, repository: Reference, digest: str) -> str | None:
    try:
        resolved = client.resolve(repository.with_digest(digest))
        return version_of(client.sample_config(resolved), resolved.annotations)
    except RegistryError as error:
        if error.kind in (NOT_FOUND, UNEXPECTED, UNSUPPORTED):
            return None
        raise


def plan_moves(before: Mapping[str, str | None], after: str, expected: str | None, name: str) -> list[Move]:
    """Return what has to be moved so that every tag in ``before`` means ``after``.

    With ``expected``, a digest or :data:`ABSENT`, each tag that means something else raises the kind ``conflict``. One
    that means ``after`` already is fine: then an earlier run has done the work.
    """
    moves = [Move(tag, current, after) for tag, current in before.items() if current != after]
    for move in moves:
        if expected is not None and expected != (move.before or ABSENT):
            raise RegistryError(
                CONFLICT,
                f"{name}:{move.tag} was expected to be {_words(expected)}, but is {_words(move.before or ABSENT)}.",
                "Somebody else moved it. Nothing was changed; look at what is there now before you decide again.",
            )
    return moves


def read_tags(client: RegistryClient, repository: Reference, tags: Iterable[str]) -> dict[str, str | None]:
    """Return the digest of each tag, none for one that is not there."""
    return {tag: client.head_manifest(repository.with_tag(tag)) for tag in dict.fromkeys(tags)}


def move_tag(client: RegistryClient, repository: Reference, move: Move, manifest: Manifest) -> None:
    """Put the tag on the manifest, if it still is where it was, and see that it stayed there.

    Registries have no way to compare and write in one step. Between the two lies one request, and who writes in just
    that moment is found out afterwards: the kind ``conflict``.
    """
    target = repository.with_tag(move.tag)
    current = client.head_manifest(target)
    if current != move.before:
        plan_moves({move.tag: current}, move.after, move.before or ABSENT, repository.name)
        return
    client.put_manifest(target, manifest)
    stayed = read_back(client, target, move.before, manifest.digest)
    if stayed != manifest.digest:
        raise RegistryError(
            CONFLICT,
            f"{target} was moved to {manifest.digest}, but is {_words(stayed or ABSENT)} now.",
            "Somebody else moves the same tag at the same time; make sure that only one job does.",
        )


def read_back(client: RegistryClient, target: Reference, before: str | None, after: str) -> str | None:
    """Return what a tag means that was just put, none for nothing.

    Some registries go on for a moment to say what was there before, which is waited out.
    """
    stayed = client.head_manifest(target)
    for _try in range(_LAG_TRIES):
        if stayed != before or stayed == after:
            break
        time.sleep(_LAG_SECONDS)
        stayed = client.head_manifest(target)
    return stayed


def _words(digest: str) -> str:
    return "not there" if digest == ABSENT else digest
