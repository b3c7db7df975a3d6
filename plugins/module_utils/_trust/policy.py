# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policy.json says of repositories whose images must be signed, merged into what others wrote there.

The file has no drop-ins, so everybody who wants something of it has to edit it. What is here is pure: it takes a
document and returns another one.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from .._errors import BootcError
from .._json import without_duplicates

ACCEPT = "insecureAcceptAnything"
REJECT = "reject"
SIGSTORE = "sigstoreSigned"
DOCKER = "docker"
"""The transport of everything that comes from a registry."""
_MATCH_REPOSITORY = {"type": "matchRepository"}
# All that podman and skopeo know: the default is written down for each, so that another default changes nothing for it.
# Builds that lack one take its name all the same.
_TRANSPORTS = (
    DOCKER,
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "containers-storage",
    "dir",
    "tarball",
    "sif",
    "ostree",
    "atomic",
)
_REPOSITORY = re.compile(
    r"(?:localhost|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)

_DOCKER_HUB = "docker.io"
_OTHER_NAME_OF_DOCKER_HUB = "index.docker.io"

Requirements = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Merged:
    """A policy after a merge."""

    document: dict[str, Any]
    changes: tuple[str, ...]
    """What is different now, in sentences. Nothing when the document is the one that came in."""
    notes: tuple[str, ...]
    """What stays in the way of what was asked for, in sentences."""


def check_repository(text: str) -> str:
    """Return a repository, a namespace or a registry as policy.json names it. Raises BootcError for anything else."""
    host = text.partition("/")[0]
    if not _REPOSITORY.fullmatch(text) or not (host == "localhost" or "." in host or ":" in host):
        raise BootcError(
            "invalid",
            f"'{text}' is not a repository",
            "Write it as registry[:port]/repository in lower case, without a tag, or a shorter beginning of that",
        )
    if host == _OTHER_NAME_OF_DOCKER_HUB:
        raise BootcError(
            "invalid",
            f"'{text}' is looked up by nobody: podman and skopeo know that registry by its other name",
            f"Write it as {_DOCKER_HUB}{text[len(host) :]}",
        )
    return text


def signed_by(key_paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return what demands a signature by any of these keys, made for the repository that the image comes from.

    A tag is not in a signature by cosign, and one by skopeo names the tag it was made for only; so the identity is the
    repository, which lets a signed image be promoted from tag to tag.
    """
    paths = list(key_paths)
    # Programs from before 2024 know one key only, so several are written only where they are meant.
    keys: dict[str, Any] = {"keyPath": paths[0]} if len(paths) == 1 else {"keyPaths": paths}
    return [{"type": SIGSTORE, **keys, "signedIdentity": dict(_MATCH_REPOSITORY)}]


def only_signed(repositories: Sequence[str], key_paths: Sequence[str]) -> dict[str, Any]:
    """Return a whole policy that accepts nothing but signed images of these repositories."""
    return {
        "default": [{"type": REJECT}],
        "transports": {DOCKER: {repository: signed_by(key_paths) for repository in repositories}},
    }


def nothing() -> dict[str, Any]:
    """Return a policy that accepts nothing: who accepts an image with it does not look at policies."""
    return {"default": [{"type": REJECT}]}


def parse_policy(text: str, source: str) -> dict[str, Any]:
    """Read policy.json as far as the merge has to understand it. Raises BootcError for what programs would refuse."""

    def refuse(cause: str) -> BootcError:
        return BootcError("invalid", f"{source} {cause}", "Repair it; podman and bootc cannot use it like this either")

    try:
        document = json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as wrong:
        raise refuse(f"is not JSON: {wrong}") from wrong
    if not isinstance(document, dict) or not _are_requirements(document.get("default")):
        raise refuse("has no default")
    transports = document.get("transports", {})
    if not isinstance(transports, dict) or not all(isinstance(scopes, dict) for scopes in transports.values()):
        raise refuse("has transports that are not named")
    for transport, scopes in transports.items():
        for scope, requirements in scopes.items():
            if not _are_requirements(requirements):
                raise refuse(f"demands nothing that makes sense of '{scope}' in {transport}")
    return document


def render_policy(document: Mapping[str, Any]) -> str:
    """Return the text of a policy."""
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def our_keys(requirements: Any, directory: str) -> list[str] | None:
    """Return the keys of requirements that this collection wrote, or none when somebody else did.

    Ours is one demand for a signature made for the repository by keys in ``directory``.
    """
    if not isinstance(requirements, list) or len(requirements) != 1 or not isinstance(requirements[0], dict):
        return None
    only = dict(requirements[0])
    paths = only.pop("keyPaths", None) or [only.pop("keyPath", None)]
    if only != {"type": SIGSTORE, "signedIdentity": _MATCH_REPOSITORY} or not isinstance(paths, list):
        return None
    ours = all(isinstance(path, str) and path.startswith(f"{directory}/") for path in paths)
    return list(paths) if ours else None


def keys_in_use(document: Mapping[str, Any], directory: str) -> set[str]:
    """Return every key of ``directory`` that anything in the policy names."""
    found: set[str] = set()
    for requirements in [document["default"], *_all_requirements(document)]:
        for each in requirements:
            paths = [each.get("keyPath"), *_list(each.get("keyPaths"))]
            found.update(path for path in paths if isinstance(path, str) and path.startswith(f"{directory}/"))
    return found


def demand(
    policy: Mapping[str, Any], repositories: Sequence[str], key_paths: Sequence[str], directory: str, *, replace: bool
) -> Merged:
    """Return the policy with the demand that images of the repositories are signed by one of the keys.

    What others wrote stays. Raises BootcError where the demand would take the place of another one, here or in a
    broader entry, or where no key that was accepted before would be accepted any more; with ``replace`` neither counts.
    The same where it changes while a narrower demand of ours, which is not named, knows none of the keys. All demands
    of ours that keep other keys are in the notes.
    """
    document = copy.deepcopy(dict(policy))
    scopes = document.setdefault("transports", {}).setdefault(DOCKER, {})
    wanted = signed_by(key_paths)
    changes, notes = [], []
    for repository in repositories:
        there = scopes.get(repository)
        if not replace:
            _refuse_to_weaken(document, repository, key_paths, directory)
        if there != wanted:
            if not replace:
                _refuse_to_split(scopes, repository, repositories, key_paths, directory)
            scopes[repository] = copy.deepcopy(wanted)
            changes.append(_told(repository, our_keys(there, directory) if there else None, key_paths))
        notes += [
            f"{scope} has an entry of its own in the policy, so images there need no signature by these keys."
            for scope in _narrower(scopes, repository)
            if _accepts_anything(scopes[scope])
        ]
    for scope, keys in _other_demands_of_ours(scopes, repositories, key_paths, directory):
        notes.append(
            f"{scope} is not among the repositories, and goes on accepting {_names(keys)} alone. Name it as well to "
            "give it the same keys, or take its demand back."
        )
    return Merged(document, tuple(changes), tuple(dict.fromkeys(notes)))


def withdraw(policy: Mapping[str, Any], repositories: Sequence[str], directory: str) -> Merged:
    """Return the policy without what this collection wrote of the repositories. What others wrote of them stays."""
    document = copy.deepcopy(dict(policy))
    scopes = (document.get("transports") or {}).get(DOCKER) or {}
    changes, notes = [], []
    for repository in repositories:
        if repository not in scopes:
            continue
        if our_keys(scopes[repository], directory) is None:
            notes.append(f"Somebody else wrote what the policy says of {repository}, so it stays.")
            continue
        del scopes[repository]
        changes.append(f"Images of {repository} need no signature by our keys any more.")
    if changes and not scopes:
        # As it was before this collection made it: an empty entry says the same as none.
        del document["transports"][DOCKER]
    return Merged(document, tuple(changes), tuple(notes))


def reject_by_default(policy: Mapping[str, Any]) -> Merged:
    """Return the policy with a default that rejects, and what was the default written down for each transport.

    So nothing else is accepted or refused than before, and bootc, which refuses to enforce signatures while the default
    accepts anything, does enforce them.
    """
    document = copy.deepcopy(dict(policy))
    default = document["default"]
    if not _accepts_anything(default):
        return Merged(document, (), ())
    transports = document.setdefault("transports", {})
    for transport in _TRANSPORTS:
        transports.setdefault(transport, {}).setdefault("", copy.deepcopy(default))
    document["default"] = [{"type": REJECT}]
    return Merged(document, ("The default rejects; each transport accepts by itself what the default accepted.",), ())


def _refuse_to_weaken(document: Mapping[str, Any], repository: str, key_paths: Sequence[str], directory: str) -> None:
    scopes = document["transports"][DOCKER]
    there = scopes.get(repository)
    if there is not None:
        ours = our_keys(there, directory)
        if ours is None and not _accepts_anything(there):
            raise _would_weaken(f"The policy has another demand on {repository} already: {_named(there)}")
        _refuse_to_lose(ours, key_paths, repository)
        return
    scope, broader = _broader(document, repository)
    if _accepts_anything(broader):
        return
    ours = our_keys(broader, directory)
    # Until now its keys held here as well.
    _refuse_to_lose(ours, key_paths, f"{repository}, through {scope or 'its default'},")
    rejects_the_rest = scope == "" and all(each.get("type") == REJECT for each in broader)
    if ours is None and not rejects_the_rest:
        where = f"what it says of {scope}" if scope else "its default"
        raise _would_weaken(f"The policy has a demand on {repository} already, through {where}: {_named(broader)}")


def _refuse_to_split(
    scopes: Mapping[str, Any], repository: str, repositories: Sequence[str], key_paths: Sequence[str], directory: str
) -> None:
    """Raise BootcError when a narrower demand of ours, which stays as it is, would refuse what these keys sign."""
    narrower = _narrower(scopes, repository)
    for scope, keys in _other_demands_of_ours(scopes, repositories, key_paths, directory):
        if scope in narrower and not set(keys) & set(key_paths):
            raise BootcError(
                "would_weaken",
                f"The policy has a demand of its own on {scope}, which would go on accepting {_names(keys)} alone",
                f"Name {scope} among the repositories as well, in each step of a rotation, or take its demand back "
                "first; or set replace to leave it",
            )


def _other_demands_of_ours(
    scopes: Mapping[str, Any], repositories: Sequence[str], key_paths: Sequence[str], directory: str
) -> list[tuple[str, list[str]]]:
    """Return the demands of ours, with their keys, that are not named and have other keys."""
    ours = [(scope, our_keys(scopes[scope], directory)) for scope in scopes if scope not in repositories]
    return [(scope, keys) for scope, keys in ours if keys is not None and set(keys) != set(key_paths)]


def _refuse_to_lose(ours: Sequence[str] | None, key_paths: Sequence[str], where: str) -> None:
    """Raise BootcError when none of the keys of a demand of ours would stay."""
    if ours is not None and not set(ours) & set(key_paths):
        raise BootcError(
            "would_weaken",
            f"None of the keys that are accepted for {where} would be accepted any more",
            "Have the old and the new key accepted first, sign with the new one, and withdraw the old one last; "
            "or set replace",
        )


def _would_weaken(cause: str) -> BootcError:
    return BootcError(
        "would_weaken", cause, "Agree with whoever wrote that, or set replace to have this demand in its place"
    )


def _broader(document: Mapping[str, Any], repository: str) -> tuple[str, Requirements]:
    """Return what holds for the repository without an entry of its own, and where that is said; "" for a default."""
    scopes = document["transports"][DOCKER]
    for scope in _parents(repository):
        if scope in scopes:
            return scope, scopes[scope]
    return "", scopes.get("") or document["default"]


def _parents(repository: str) -> Iterator[str]:
    """Name the scopes that hold for a repository, the narrowest first, as the policy's own order has them."""
    path = repository
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
    host = path.partition(":")[0]
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"


def _narrower(scopes: Mapping[str, Any], repository: str) -> list[str]:
    return [scope for scope in scopes if scope.startswith((f"{repository}/", f"{repository}:", f"{repository}@"))]


def _accepts_anything(requirements: Requirements) -> bool:
    return all(each.get("type") == ACCEPT for each in requirements)


def _named(requirements: Requirements) -> str:
    return ", ".join(str(each.get("type")) for each in requirements)


def _names(key_paths: Sequence[str]) -> str:
    return ", ".join(path.rpartition("/")[2] for path in key_paths)


def _told(repository: str, before: Sequence[str] | None, after: Sequence[str]) -> str:
    if before is None:
        return f"Images of {repository} must be signed now."
    names = {path: path.rpartition("/")[2] for path in (*before, *after)}
    added = [names[path] for path in after if path not in before]
    removed = [names[path] for path in before if path not in after]
    parts = [f"{', '.join(added)} accepted" if added else "", f"{', '.join(removed)} withdrawn" if removed else ""]
    said = ", ".join(part for part in parts if part) or "the same keys in another order"
    return f"Keys for {repository}: {said}."


def _are_requirements(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in value)
    )


def _all_requirements(document: Mapping[str, Any]) -> Iterator[Requirements]:
    for scopes in (document.get("transports") or {}).values():
        yield from scopes.values()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
