# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with their signatures from registries into one OCI layout, and from there into another registry.

PRIVATE to the collection. Manifests and blobs stay what they are, byte by byte, so digests hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator

from .client import RegistryClient
from .errors import NETWORK, NOT_FOUND, UNEXPECTED, RegistryError
from .graph import subject_of_tag
from .layout import CorruptArchive, Entry, Layout, open_part
from .manifest import OCI_INDEX, Descriptor, Manifest, digest_of, parse_manifest
from .reference import Reference

_CHUNK = 16 * 1024 * 1024
_PIECE = 256 * 1024
_UPLOAD_TRIES = 3
_DEEPEST = 8
"""Indexes within indexes; what anybody builds has one or two."""


@dataclass
class Collection:
    """What belongs to some images: manifests by digest, what the index will name, and the blobs these need."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    blobs: dict[str, Descriptor] = field(default_factory=dict)
    found_in: dict[str, dict[str, Reference]] = field(default_factory=dict)
    """The repositories that have a blob, by their names."""

    @property
    def bytes(self) -> int:
        """Bytes of all blobs and manifests, each once."""
        return sum(blob.size for blob in self.blobs.values()) + sum(len(x.raw) for x in self.manifests.values())


def collect(client: RegistryClient, images: Iterable[Reference]) -> Collection:
    """Find out what belongs to images: what their indexes list, and what is about any of that."""
    found = Collection()
    by_repository: dict[str, list[Reference]] = {}
    for image in images:
        by_repository.setdefault(image.name, []).append(image)
    for wanted in by_repository.values():
        _collect_repository(client, wanted, found)
    found.entries = sorted(set(found.entries))
    return found


def leave_out(client: RegistryClient, found: Collection, images: Iterable[Reference]) -> None:
    """Take the blobs out of a collection that these images have too, because the other side has them.

    It has them in the repositories of these images; what another one needs as well is carried.
    """
    for digest, places in collect(client, images).found_in.items():
        if found.found_in.get(digest, {}).keys() <= places.keys():
            found.blobs.pop(digest, None)


def _collect_repository(client: RegistryClient, images: list[Reference], found: Collection) -> None:
    repository = images[0]
    about: dict[str, list[str]] = {}
    for tag in client.list_tags(repository):
        subject = subject_of_tag(tag)
        # The bare tag is the registry's list of referrers, which is asked for by its meaning.
        if subject is not None and tag != subject.replace(":", "-"):
            about.setdefault(subject, []).append(tag)
    waiting: list[tuple[Reference, bool]] = [(image, True) for image in images]
    seen: set[str] = set()
    while waiting:
        reference, named = waiting.pop()
        manifest = client.get_manifest(reference)
        if named:
            found.entries.append(Entry(repository.repository, reference.tag or "", manifest.digest))
        if manifest.digest in seen:
            continue
        seen.add(manifest.digest)
        found.manifests[manifest.digest] = manifest
        for blob in [] if manifest.is_index else [manifest.config, *manifest.layers]:
            found.blobs[blob.digest] = blob
            found.found_in.setdefault(blob.digest, {})[repository.name] = repository
        pinned = repository.with_digest(manifest.digest)
        waiting += [(repository.with_digest(x.digest), False) for x in (manifest.entries if manifest.is_index else [])]
        waiting += [(repository.with_digest(x.digest), True) for x in client.list_referrers(pinned)]
        waiting += [(repository.with_tag(tag), True) for tag in about.get(manifest.digest, ())]


@dataclass(frozen=True)
class Exported:
    """What an export did, or in check mode would do."""

    changed: bool
    transferred: list[str]
    transferred_bytes: int
    removed: int


def export(client: RegistryClient, found: Collection, layout: Layout, *, check: bool) -> Exported:
    """Make the layout hold exactly what was found. What is there already and whole is not transferred again.

    Raises ValueError for a directory with anything that no export put there: it would go.
    """
    layout.insist_on_own_images()
    missing = [blob for blob in found.blobs.values() if not layout.is_whole(blob.digest, blob.size)]
    wanted = {*found.blobs, *found.manifests}
    size = sum(blob.size for blob in missing)
    if check:
        others = list(layout.others(wanted)) if layout.exists() else []
        new = [digest for digest, x in found.manifests.items() if not layout.is_whole(digest, len(x.raw))]
        same = layout.has_index(found.entries, found.manifests)
        return Exported(bool(missing or new or others or not same), [x.digest for x in missing], size, len(others))
    layout.create()
    for blob in missing:
        fetch_blob(client, next(iter(found.found_in[blob.digest].values())), blob, layout)
    written = [layout.write_manifest(manifest) for manifest in found.manifests.values()]
    indexed = layout.write_index(found.entries, found.manifests)
    # Only now does nothing refer to them.
    removed = list(layout.others(wanted))
    for path in removed:
        path.unlink()
    changed = bool(missing or removed or indexed or any(written))
    return Exported(changed, [x.digest for x in missing], size, len(removed))


def fetch_blob(client: RegistryClient, repository: Reference, blob: Descriptor, layout: Layout) -> None:
    """Bring a blob into the layout piece by piece; go on where an earlier run stopped."""
    part = layout.part(blob.digest)
    part.parent.mkdir(parents=True, exist_ok=True)
    state = hashlib.new(blob.digest.partition(":")[0])
    done = 0
    with open_part(part) as file:
        file.seek(0)
        if os.fstat(file.fileno()).st_size > blob.size:
            file.truncate(0)
        for piece in iter(lambda: file.read(_PIECE), b""):
            state.update(piece)
            done += len(piece)
        while done < blob.size:
            length = min(_CHUNK, blob.size - done)
            if length == blob.size:
                chunk = client.get_blob(repository, blob.digest, blob.size)
            else:
                chunk = client.get_blob_range(repository, blob.digest, done, length)
            file.write(chunk)
            state.update(chunk)
            done += len(chunk)
            if len(chunk) < length:
                break
        file.flush()
        os.fsync(file.fileno())
    if done != blob.size or f"{state.name}:{state.hexdigest()}" != blob.digest:
        part.unlink()
        raise RegistryError(
            UNEXPECTED,
            f"What {repository.registry} sent as {blob.digest} is something else.",
            "Run again; if it stays so, push the image again.",
        )
    part.replace(layout.blob(blob.digest))


@dataclass(frozen=True)
class FileBody:
    """The content of a file, to be sent piece by piece, and from its start again where that failed."""

    path: Path
    size: int

    def __len__(self) -> int:
        """Bytes there are."""
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        """Give the content."""
        with self.path.open("rb") as file:
            yield from iter(lambda: file.read(_PIECE), b"")


@dataclass(frozen=True)
class Target:
    """A repository to import into, and what belongs there, images before the indexes that list them."""

    repository: Reference
    entries: list[Entry]
    manifests: list[Manifest]


def read_archive(layout: Layout, entries: Iterable[Entry], place: dict[str, Reference]) -> list[Target]:
    """Read and verify all manifests of these entries of a layout; ``place`` has the target of every repository.

    The entries are given, so that whatever is said of them is of the same reading of a disk that others may write to.
    """
    by_target: dict[str, list[Entry]] = {}
    for entry in entries:
        by_target.setdefault(place[entry.repository].name, []).append(entry)
    targets = []
    for together in by_target.values():
        ordered: dict[str, Manifest] = {}
        for entry in together:
            _add(layout, entry.digest, ordered)
        targets.append(Target(place[together[0].repository], together, list(ordered.values())))
    return targets


def _add(layout: Layout, digest: str, ordered: dict[str, Manifest], depth: int = 0) -> None:
    if digest in ordered:
        return
    if depth > _DEEPEST:
        raise CorruptArchive(f"{layout.blob(digest)} is in an index of an index, at more than {_DEEPEST} steps.")
    manifest = layout.manifest(digest)
    # A digest is made of those that it lists, so nothing lists itself.
    for entry in manifest.entries if manifest.is_index else []:
        _add(layout, entry.digest, ordered, depth + 1)
    ordered[digest] = manifest


@dataclass
class Import:
    """What an import has to do in one repository, and the tags before and after it."""

    target: Target
    manifests: list[Manifest] = field(default_factory=list)
    blobs: dict[str, Descriptor] = field(default_factory=dict)
    tags: dict[str, Manifest] = field(default_factory=dict)
    kept_tags: list[str] = field(default_factory=list)
    """Tags of signatures that are left, because there are signatures at them that the archive does not have."""
    before: dict[str, str | None] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.manifests or self.blobs or self.tags)


def plan_import(client: RegistryClient, layout: Layout, target: Target) -> Import:
    """Find out what a repository lacks, and verify the part of the archive that it will get."""
    plan = Import(target)
    by_digest = {manifest.digest: manifest for manifest in target.manifests}
    for manifest in target.manifests:
        if client.head_manifest(target.repository.with_digest(manifest.digest)) is not None:
            continue
        plan.manifests.append(manifest)
        for blob in [] if manifest.is_index else [manifest.config, *manifest.layers]:
            if blob.digest not in plan.blobs and client.head_blob(target.repository, blob.digest) is None:
                if not layout.blob(blob.digest).is_file():
                    raise CorruptArchive(
                        f"The archive lacks the file {layout.blob(blob.digest)}, and {target.repository.name} does not "
                        "have it either."
                    )
                layout.verify(blob.digest, blob.size)
                plan.blobs[blob.digest] = blob
    for entry in target.entries:
        if not entry.tag:
            continue
        there = client.head_manifest(target.repository.with_tag(entry.tag))
        plan.before[entry.tag] = there
        if there == entry.digest:
            continue
        if there is not None and subject_of_tag(entry.tag) is not None:
            theirs = client.get_manifest(target.repository.with_digest(there))
            if not _has_all_of(by_digest[entry.digest], theirs):
                plan.kept_tags.append(entry.tag)
                continue
        plan.tags[entry.tag] = by_digest[entry.digest]
    return plan


def _has_all_of(ours: Manifest, theirs: Manifest) -> bool:
    """Tell whether a manifest of signatures has every signature of another one.

    The layers alone do not tell: every key signs the same bytes, and the signature is in an annotation.
    """
    if ours.is_index or theirs.is_index:
        return False
    return _parts(theirs) <= _parts(ours)


def _parts(manifest: Manifest) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    # With the type, because one of another type is read as no signature.
    return {(layer.media_type, layer.digest, frozenset(layer.annotations.items())) for layer in manifest.layers}


def carry_out(client: RegistryClient, layout: Layout, plan: Import, elsewhere: dict[str, str]) -> None:
    """Bring blobs, images, indexes, and tags of what is about these. They have their own tags after :func:`show` only.

    ``elsewhere`` has where the registry has blobs already; it grows.
    """
    repository = plan.target.repository
    for blob in plan.blobs.values():
        body = FileBody(layout.blob(blob.digest), blob.size)
        _upload(client, repository, blob.digest, body, elsewhere.get(blob.digest))
        elsewhere[blob.digest] = repository.repository
    for manifest in plan.manifests:
        client.put_manifest(repository.with_digest(manifest.digest), manifest)
    for tag, manifest in plan.tags.items():
        if subject_of_tag(tag) is not None:
            client.put_manifest(repository.with_tag(tag), manifest)


def show(client: RegistryClient, plan: Import) -> None:
    """Put the tags on images that devices follow: whoever sees one finds its signatures."""
    for tag, manifest in plan.tags.items():
        if subject_of_tag(tag) is None:
            client.put_manifest(plan.target.repository.with_tag(tag), manifest)


def _upload(client: RegistryClient, repository: Reference, digest: str, body: FileBody, mount_from: str | None) -> None:
    for left in range(_UPLOAD_TRIES - 1, -1, -1):
        try:
            client.put_blob(repository, digest, body, mount_from)
            return
        except RegistryError as error:
            # The registry may have got the beginning of it, so it is begun anew.
            if error.kind != NETWORK or not left:
                raise


def missing_referrers(client: RegistryClient, target: Target) -> dict[str, list[Manifest]]:
    """Return by subject what the registry does not list as being about it, although it is there."""
    by_subject: dict[str, list[Manifest]] = {}
    for manifest in target.manifests:
        if manifest.subject:
            by_subject.setdefault(manifest.subject, []).append(manifest)
    found = {}
    for subject, manifests in sorted(by_subject.items()):
        listed = {entry.digest for entry in client.list_referrers(target.repository.with_digest(subject))}
        missing = [manifest for manifest in manifests if manifest.digest not in listed]
        if missing:
            # A registry with the API may leave out what the index at the tag has, whatever is added to that.
            at_tag = {entry.get("digest") for entry in _entries_at_tag(client, target.repository, subject)}
            missing = [manifest for manifest in missing if manifest.digest not in at_tag]
        if missing:
            found[subject] = missing
    return found


def list_referrers_by_tag(client: RegistryClient, repository: Reference, subject: str, more: list[Manifest]) -> None:
    """Add to the index at the tag made of the digest, which is what registries without the API of OCI 1.1 have."""
    place = _list_at_tag(repository, subject)
    entries = [*_entries_at_tag(client, repository, subject), *(_descriptor_of(manifest) for manifest in more)]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    client.put_manifest(place, parse_manifest(raw, OCI_INDEX, f"the list at {place}"))


def _list_at_tag(repository: Reference, subject: str) -> Reference:
    return repository.with_tag(subject.replace(":", "-"))


def _entries_at_tag(client: RegistryClient, repository: Reference, subject: str) -> list[dict[str, Any]]:
    try:
        return list(client.get_manifest(_list_at_tag(repository, subject)).document.get("manifests") or [])
    except RegistryError as error:
        if error.kind != NOT_FOUND:
            raise
        return []


def _descriptor_of(manifest: Manifest) -> dict[str, Any]:
    config = manifest.document.get("config") or {}
    kind = manifest.document.get("artifactType") or config.get("mediaType")
    document: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": digest_of(manifest.raw),
        "size": len(manifest.raw),
    }
    if kind:
        document["artifactType"] = kind
    if manifest.annotations:
        document["annotations"] = manifest.annotations
    return document
