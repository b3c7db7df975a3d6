# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registries say about the digests of a rollout, asked once, before anything is touched."""

from __future__ import annotations

from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import InvalidReference, RegistryError
from ..module_utils._oci.reading import Resolved, version_of
from ..module_utils._oci.reference import parse_reference
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR, new_session
from ._rollout.errors import RolloutError, some
from ._rollout.plan import Hop, Target, hop_of, target_of
from ._rollout.spec import Barrier, Spec, Variant


def resolve_targets(spec: Spec) -> dict[str, Target]:
    """The frozen target of every variant; raises RolloutError when a digest is not there to be pulled."""
    client = registry_client(spec)
    return {variant.name: _resolve(client, variant) for variant in spec.variants}


def registry_client(spec: Spec) -> RegistryClient:
    """A client with the settings of the spec; raises RolloutError where its library is missing."""
    if REQUESTS_IMPORT_ERROR:
        raise RolloutError(
            "The Python package requests is missing on the controller.",
            "Install it into the environment that runs ansible-playbook.",
            "missing_library",
        )
    return RegistryClient(new_session(), insecure=spec.registry.insecure, auth_file=spec.registry.auth_file, pulls=True)


def _resolve(client: RegistryClient, variant: Variant) -> Target:
    try:
        resolved = client.resolve(parse_reference(f"{variant.image}@{variant.digest}"))
        accepted = _accepted(client, resolved)
        hops = [_resolve_hop(client, variant, barrier) for barrier in variant.barriers]
    except (RegistryError, InvalidReference) as error:
        ran = "" if variant.only is None else f" (what {some(variant.only)} ran before)"
        leave = "" if variant.only is None else " Or leave these devices out with selection.hosts."
        raise RolloutError(
            f"Variant {variant.name}{ran}: {error}",
            f"A rollout starts only when every image is there to be pulled; nothing was sent to any device.{leave}",
            getattr(error, "kind", "invalid_spec"),
        ) from error
    return target_of(variant, accepted, _size(resolved), version_of(resolved.config or {}, {}), hops)


def _resolve_hop(client: RegistryClient, variant: Variant, barrier: Barrier) -> Hop:
    resolved = client.resolve(parse_reference(f"{variant.image}@{barrier.digest}"))
    return hop_of(barrier, _accepted(client, resolved), _size(resolved))


def _accepted(client: RegistryClient, resolved: Resolved) -> list[str]:
    """Digests that a device may report for this image.

    Bootc before 1.16.4 reports the configuration's on composefs, and which platform a device has is not known here.
    """
    return [*resolved.digests, *(manifest.config.digest for manifest in client.image_manifests(resolved))]


def _size(resolved: Resolved) -> int | None:
    return None if resolved.manifest is None else sum(layer.size for layer in resolved.manifest.layers)
