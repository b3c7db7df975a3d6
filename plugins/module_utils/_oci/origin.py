# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether images that were carried here on a disk are signed by those who may make them. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from .archive import Target
from .client import RegistryClient
from .errors import SIGNATURE, RegistryError
from .graph import may_be_image, subject_of_tag
from .layout import Entry, Layout
from .layout_reader import LayoutReader, layout_reference
from .manifest import Manifest, platform_digests
from .reference import Reference
from .signatures import Check, Signature, read_signatures

_NOT_OURS = "No export writes that. Export again, and find out who had the archive in between."


@dataclass(frozen=True)
class Origin:
    """Who signed the images, by files with public keys, and for which repository by the one they came from."""

    keys: Sequence[str]
    sources: Mapping[str, Reference]
    made: Check


def insist_on_origin(client: RegistryClient, layout: Layout, targets: Iterable[Target], origin: Origin) -> list[str]:
    """Raise the kind ``signature`` for whatever a device would not accept, and whatever does not belong to the rest.

    Every image has to be signed, with or without a tag, and of an index the image of each platform, too. Signatures
    that were carried along count, and those that the target has already. They have to name the repository that the
    image came from, or the one it goes to. What is no image may be about something signed, without being signed
    itself. Returns the digests that are signed.
    """
    signed: set[str] = set()
    for target in targets:
        signed |= _verified(client, layout, target, origin)
    return sorted(signed)


def _verified(client: RegistryClient, layout: Layout, target: Target, origin: Origin) -> set[str]:
    manifests = {manifest.digest: manifest for manifest in target.manifests}
    reader = _Carried(client, target.repository)
    signed: set[str] = set()
    accepted: set[str] = set()
    attached = [entry for entry in target.entries if _is_attached(entry, manifests[entry.digest])]
    # Those with a tag first: an image without one may be in an index.
    for entry in sorted(set(target.entries) - set(attached), key=lambda entry: (not entry.tag, entry)):
        if not entry.tag and entry.digest in accepted:
            continue
        place = target.repository.with_tag(entry.tag) if entry.tag else target.repository.with_digest(entry.digest)
        if entry.tag and subject_of_tag(entry.tag) is not None:
            raise RegistryError(
                SIGNATURE,
                f"{place} is for what is about an image, but would become one: {entry.digest}.",
                _NOT_OURS,
            )
        source = origin.sources.get(entry.repository)
        names = [target.repository.name, *([source.name] if source else [])]
        carried = layout_reference(layout.root, entry.repository)
        for digest in _everything(manifests[entry.digest]):
            signatures = read_signatures(reader, carried, digest) + read_signatures(client, place, digest)
            would = f"{place} would become {digest}" if entry.tag else f"{target.repository.name} would get {digest}"
            _insist(origin, signatures, digest, names, f"{would}, which")
            signed.add(digest)
        accepted |= _within(entry.digest, manifests)
    _insist_on_subjects(target, attached, manifests, accepted)
    return signed


def _is_attached(entry: Entry, manifest: Manifest) -> bool:
    """Tell whether this is about something, and nothing that a device could run."""
    about = subject_of_tag(entry.tag) if entry.tag else manifest.subject
    return about is not None and not may_be_image(manifest)


def _insist_on_subjects(
    target: Target, attached: Sequence[Entry], manifests: Mapping[str, Manifest], accepted: set[str]
) -> None:
    """Raise unless everything attached is, at whatever number of steps, about something accepted."""
    about = {entry: {subject_of_tag(entry.tag), manifests[entry.digest].subject} - {None} for entry in attached}
    known = set(accepted)
    waiting = list(attached)
    while waiting:
        left = [entry for entry in waiting if not about[entry] <= known]
        if len(left) == len(waiting):
            entry = min(left)
            raise RegistryError(
                SIGNATURE,
                f"{target.repository.name} would get {entry.digest}, which is about "
                f"{' and '.join(sorted(map(str, about[entry] - known)))}, and no image of the archive is that.",
                _NOT_OURS,
            )
        known |= {entry.digest for entry in set(waiting) - set(left)}
        waiting = left


def _within(digest: str, manifests: Mapping[str, Manifest]) -> set[str]:
    """Return the digest, and everything that it lists at whatever number of steps."""
    found: set[str] = set()
    waiting = [digest]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [entry.digest for entry in (manifests[one].entries if manifests[one].is_index else [])]
    return found


class _Carried(LayoutReader):
    """Reads an archive, and what it left out from the repository that has it."""

    def __init__(self, client: RegistryClient, repository: Reference) -> None:
        self._client = client
        self._repository = repository

    def _read_blob(self, reference: Reference, digest: str, limit: int, what: str) -> bytes:
        if self.has_blob(reference, digest):
            return super()._read_blob(reference, digest, limit, what)
        return self._client.get_blob(self._repository, digest, limit)


def _everything(manifest: Manifest) -> list[str]:
    members = platform_digests(manifest).values() if manifest.is_index else ()
    return list(dict.fromkeys([manifest.digest, *members]))


def _insist(origin: Origin, signatures: Iterable[Signature], digest: str, names: Sequence[str], what: str) -> None:
    """Raise unless one of the keys made one of the signatures of a digest, for one of the named repositories."""
    really = [one for one in signatures if any(origin.made(key, one.payload, one.signature) for key in origin.keys)]
    if any(one.names(digest, name) for one in really for name in names):
        return
    elsewhere = sorted({name for name in (one.meant_for(digest) for one in really) if name})
    if elsewhere:
        raise RegistryError(
            SIGNATURE,
            f"{what} one of the keys signed for {' and '.join(elsewhere)}, not for {' or '.join(names)}.",
            "If that is where the archive comes from, say so with source (bootc_archive_source of the playbook).",
        )
    raise RegistryError(
        SIGNATURE,
        f"{what} none of the keys signed.",
        "Give the keys that sign where the archive was made, as keys (bootc_verify_keys of the playbook). To import "
        "without that, and sign here afterwards, give none (bootc_archive_verify=false).",
    )
