# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of images, each image asked of its registry once."""

from __future__ import annotations

from collections.abc import Iterable

from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import InvalidReference, RegistryError
from ..module_utils._oci.layers import sizes
from ..module_utils._oci.reference import parse_reference
from ._release import registry_client
from ._rollout.errors import RolloutError
from ._rollout.need import Held, Image, repository
from ._rollout.plan import Target
from ._rollout.spec import Spec


class LayerBook:
    """Looks images up for a plan. ``troubles`` collects what registries said instead of an answer, each once.

    A device names the image it runs, and may name anything: only registries that the targets name are asked.
    """

    def __init__(self, spec: Spec, targets: Iterable[Target]) -> None:
        self._client: RegistryClient = registry_client(spec)
        self._repositories = tuple(dict.fromkeys(target.image for target in targets))
        self._registries = {parse_reference(image).registry for image in self._repositories}
        self._known: dict[str, tuple[Image, ...]] = {}
        self.troubles: list[str] = []

    def of_target(self, target: Target) -> tuple[Image, ...]:
        """The images of a target, one per architecture; raises RolloutError."""
        try:
            return self._read(target.pinned)
        except (RegistryError, InvalidReference) as error:
            raise RolloutError(
                f"Variant {target.variant}: {error}",
                "A rollout starts only when every image is there to be pulled; nothing was sent to any device.",
                getattr(error, "kind", "invalid_spec"),
            ) from error

    def find(self, held: Held) -> Image | None:
        """The image that a device has; None when no registry knows it any more.

        Bootc before 1.16.4 gives the digest of the configuration on composefs, which no registry can be asked for: then
        what the tag of the image names now is looked at, since that may still be it.
        """
        if held.digest is None:
            return None
        own = repository(held.image) if held.image else None
        places = [f"{place}@{held.digest}" for place in dict.fromkeys([own, *self._repositories]) if place]
        tracked = [held.image] if held.image and "@" not in held.image else []
        for reference in places:
            # Asked for by its digest, an image of another digest is one that an index of that digest lists.
            found = [image for image in self._try(reference) if held.architecture in (None, image.architecture)]
            if found:
                return found[0]
        images = [image for reference in tracked for image in self._try(reference)]
        return next((image for image in images if held.digest in image.names), None)

    def _try(self, reference: str) -> tuple[Image, ...]:
        if reference not in self._known:
            self._known[reference] = ()
            try:
                if parse_reference(reference).registry in self._registries:
                    self._known[reference] = self._read(reference)
            except InvalidReference:
                pass
            except RegistryError as error:
                if error.kind != "not_found" and str(error) not in self.troubles:
                    self.troubles.append(str(error))
        return self._known[reference]

    def _read(self, reference: str) -> tuple[Image, ...]:
        resolved = self._client.resolve(parse_reference(reference))
        architectures = {digest: platform.split("/")[1] for platform, digest in resolved.platform_digests.items()}
        return tuple(
            Image(
                architectures[manifest.digest],
                frozenset({manifest.digest, manifest.config.digest}),
                sizes(manifest.layers),
            )
            for manifest in self._client.image_manifests(resolved)
        )
