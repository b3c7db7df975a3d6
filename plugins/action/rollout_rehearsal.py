# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up the rehearsal of a rollout: what the simulated registry serves, who runs what, and the spec over it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import InvalidReference, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.transport import new_session
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import read_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import replace_file
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rehearsal.stage import (
    KEEP,
    Device,
    Stage,
    device_of,
    rehearsed,
    repository,
    set_stage,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError, some
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import UNTELLABLE, derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, parse_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import RolloutAction, inventory_variable
from ansible_collections.skorionos.bootc.plugins.plugin_utils._simulated import CONNECTION

_LOCAL = ("localhost", "127.0.0.1", "::1")
_MARK = ".rehearsal"


class ActionModule(RolloutAction):
    OPTIONS: ClassVar[dict[str, Any]] = {
        "spec": {"type": "path", "required": True},
        "dest": {"type": "path", "required": True},
        "registry": {"type": "str"},
        "unhealthy": {"type": "list", "elements": "str", "default": []},
        "keep": {"type": "list", "elements": "str", "choices": list(KEEP), "default": []},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        path, dest = Path(str(options["spec"])), Path(str(options["dest"]))
        hostvars = task_vars["hostvars"]
        hosts = [host for host in task_vars["groups"]["all"] if host not in _LOCAL]
        # This machine takes part in a rollout only when somebody made it one of its devices.
        own = [host for host in task_vars["groups"]["all"] if host in _LOCAL]
        taking_part = [host for host in own if inventory_variable(hostvars[host], host, "bootc_variant") is not None]
        _insist_on_simulated([*hosts, *taking_part], hostvars, dest)
        spec = read_spec(path)
        _insist_on_variants(spec, path, options["unhealthy"])
        devices = {device.host: device for host in hosts for device in _known(host, hostvars[host])}
        stage = set_stage(spec, devices.values(), options["unhealthy"], _targets(spec, path))
        files = {dest / _MARK: "", dest / "catalogue.json": json.dumps(stage.catalogue, indent=1) + "\n"}
        written = dest / "rollout.yml"
        if options["registry"]:
            document = rehearsed(spec, options["registry"], _digests(stage, options["registry"]), options["keep"])
            parse_spec(document, str(written))
            files[written] = yaml.safe_dump(document, sort_keys=False)
        return {
            "changed": _write(dest, files),
            "catalogue": str(dest / "catalogue.json"),
            "spec": str(written) if options["registry"] else None,
            "devices": {
                host: {"image": image, "arguments": devices[host].arguments} for host, image in stage.images.items()
            },
            "by_version": list(stage.by_version),
        }


def _targets(spec: Spec, path: Path) -> dict[str, Target]:
    """Those of the real rollout with the same digests, if it has a ledger beside the spec."""
    try:
        rollout = derive(open_stores(path.parent / "rollouts").rollout(spec.id).read())
    except UNTELLABLE:  # a rehearsal does without it, and who rolls out or asks for the status is told
        return {}
    if rollout is None:
        return {}
    digests = {variant.name: variant.digest for variant in spec.variants}
    return {name: target for name, target in rollout.plan.targets.items() if digests.get(name) == target.digest}


def _insist_on_simulated(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], dest: Path) -> None:
    """Every host of the inventory, since a play or a delegated task may reach any."""
    real = [
        host
        for host in hosts
        if inventory_variable(hostvars[host], host, "ansible_connection") != CONNECTION
        or inventory_variable(hostvars[host], host, "bootc_simulated_dir") != str(dest / "devices" / host)
    ]
    if real or not hosts:
        raise RolloutError(
            f"These hosts are not simulated devices below {dest}: {some(real)}." if real else "There are no hosts.",
            "Name inventory/rehearsal.yml as the last inventory (-i my_fleet.yml -i inventory/rehearsal.yml), and keep "
            "ansible_connection and bootc_simulated_dir out of host_vars files and -e, which win over it.",
            "not_simulated",
        )


def _insist_on_variants(spec: Spec, path: Path, unhealthy: Sequence[str]) -> None:
    if spec.reverts:
        raise RolloutError(
            f"{path} takes a rollout back, and simulated devices have none behind them.",
            "Rehearse a spec with `release` or `variants`.",
            "invalid_spec",
        )
    unknown = sorted(set(unhealthy) - {variant.name for variant in spec.variants})
    if unknown:
        raise RolloutError(
            f"{path} has no variant {', '.join(map(repr, unknown))} whose release could be unhealthy.",
            f"It has {some([variant.name for variant in spec.variants])}.",
            "invalid_spec",
        )


def _known(host: str, variables: Mapping[str, Any]) -> Iterator[Device]:
    variant = inventory_variable(variables, host, "bootc_variant")
    if variant is not None:
        yield device_of(host, str(variant), inventory_variable(variables, host, "bootc_seen"))


def _digests(stage: Stage, registry: str) -> dict[tuple[str, str], str]:
    client = RegistryClient(new_session(), insecure=True)
    digests = {}
    for variant, tag in stage.tags:
        try:
            reference = parse_reference(f"{registry}/{repository(variant)}:{tag}")
            digests[variant, tag] = client.resolve(reference).digest
        except (RegistryError, InvalidReference) as error:
            raise RolloutError(
                f"The registry of the rehearsal at {registry} does not have what it should: {error}",
                "Run the rehearse playbook again; it starts that registry with the images of this spec.",
                "not_found",
            ) from error
    return digests


def _write(dest: Path, files: Mapping[Path, str]) -> bool:
    """Whether anything is new in these files. Never touches a directory that holds something else."""
    try:
        if dest.exists() and any(dest.iterdir()) and not (dest / _MARK).is_file():
            raise RolloutError(
                f"{dest} is there and holds no rehearsal.",
                "What is in it would be removed. Set `directory` in inventory/rehearsal.yml to one that is not there.",
                "not_a_rehearsal",
            )
        news = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in news:
            replace_file(path, files[path])
    except OSError as error:
        raise RolloutError(
            f"The rehearsal could not be written to {dest}: {error.strerror}.",
            "Make the directory writable, or set another `directory` in inventory/rehearsal.yml.",
            "rehearsal_unwritable",
        ) from error
    return bool(news)
