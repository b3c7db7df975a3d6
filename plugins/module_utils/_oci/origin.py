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
from .layout import Layout
from .layout_reader import LayoutReader, layout_reference
from .manifest import Manifest, platform_digests
from .reference import Reference
from .signatures import Check, Signature, read_signatures


@dataclass(frozen=True)
class Origin:
    """Who signed the images, by files with public keys, and for which repository by the one they came from."""

    keys: Sequence[str]
    sources: Mapping[str, Reference]
    made: Check


def insist_on_origin(client: RegistryClient, layout: Layout, targets: Iterable[Target], origin: Origin) -> list[str]:
    """Raise the kind ``signature`` unless every image with a tag is signed, as a device would demand it.

    Signatures that were carried along count, and those that the target has already. They have to name the repository
    that the image came from, or the one it goes to. Of an index, the image of each platform is asked for, too. Returns
    the digests that are signed.
    """
    signed: set[str] = set()
    for target in targets:
        manifests = {manifest.digest: manifest for manifest in target.manifests}
        reader = _Carried(client, target.repository)
        for entry in target.entries:
            if not entry.tag or not entry.is_image:
                continue
            place = target.repository.with_tag(entry.tag)
            source = origin.sources.get(entry.repository)
            names = [target.repository.name, *([source.name] if source else [])]
            carried = layout_reference(layout.root, entry.repository)
            for digest in _everything(manifests[entry.digest]):
                signatures = read_signatures(reader, carried, digest) + read_signatures(client, place, digest)
                _insist(origin, signatures, digest, names, f"{place} would become {digest}, which")
                signed.add(digest)
    return sorted(signed)


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
