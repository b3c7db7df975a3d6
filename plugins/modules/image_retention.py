#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_retention
short_description: Remove old images from a registry, and nothing that somebody needs
version_added: 0.1.0
description:
  - Reads a whole repository as a graph. Tags name images and indexes, indexes list images, and signatures, lists of
    packages and other artifacts are about these, by their field C(subject), by the registry's list of referrers, or by
    a tag like C(sha256-HEX) or C(sha256-HEX.sig).
  - Keeps what a rule names, and everything that belongs to it. The rest goes. Rules can only keep, so one more of them
    never removes more.
  - "Without O(apply=true) nothing is deleted: the result tells of every manifest whether it would stay, and why."
  - A registry deletes by digest, with all tags on it, and frees the space when it collects garbage. Manifests that have
    no tag, and that nothing leads to, are listed by no registry, so they stay.
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.registry
  - skorionos.bootc._registry
attributes:
  action_group:
    description: Use V(group/skorionos.bootc.images) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.images
  check_mode:
    support: full
    details: Tells what would be deleted.
  diff_mode:
    support: full
    details: Shows the digests that the repository has before and after, with their tags.
  idempotent:
    support: full
options:
  repository:
    description: The repository, as C(registry[:port]/repository), without a tag.
    type: str
    required: true
  keep_tags:
    description:
      - Tags to keep, such as those of channels, by name or by pattern, V(*-stable).
      - Those that no tag fits are in the result as RV(unmatched_tags), with a warning.
    type: list
    elements: str
    default: []
  keep_last:
    description:
      - How many releases of each variant to keep, the newest ones. Releases are the tags that fit O(release_tag).
      - Versions are compared part by part, numbers as numbers, so V(1.10) is newer than V(1.9). A word counts less than
        no further part, so V(1.0.0-rc1) is older than V(1.0.0). An architecture at the end, as in V(1.0.0-arm64), is no
        part of the version.
    type: int
    default: 0
  release_tag:
    description:
      - How tags of releases look. C({variant}) may be left out.
      - With O(keep_last), tags that look like a release, but cannot be ordered, are all kept, with the rule
        V(unknown_version). Those are versions that do not begin with a digit, such as V(kde-vf41.1), and tags that may
        be of two variants, such as V(steam-v2-v1.0.0), or V(kde-53-2) with V({variant}-{version}). O(variants) tells.
      - When O(keep_last) is given and no tag fits, nothing is deleted.
    type: str
    default: "{variant}-v{version}"
  variants:
    description:
      - Names of the variants. The longest that fits a tag is meant, so that V(steam-v2-v1.0.0) is V(1.0.0) of
        V(steam-v2) and not a version of V(steam). Name all that have tags there. Tags of others are read as without
        this.
    type: list
    elements: str
    default: []
  keep_younger:
    description:
      - Keep what is younger than this, such as V(12h), V(30d) or V(8w).
      - The age is what the annotation C(org.opencontainers.image.created) or the configuration says. Images of
        reproducible builds often do not tell, and are then kept with the rule V(unknown_age).
    type: str
  keep_digests:
    description: Digests to keep.
    type: list
    elements: str
    default: []
  keep_files:
    description:
      - Files with digests to keep, on the host that runs the module. Every C(sha256:) digest in them is kept, whatever
        the format is. Only of a release file, those of layers, configurations and inputs do not count.
      - Good ones are the ledger of a rollout (C(rollouts/ID/events.jsonl)), the JSON file of a release and a plan.
    type: list
    elements: path
    default: []
  journal:
    description:
      - The journal of channels, C(channels.jsonl), on the host that runs the module. What its latest moves replaced and
        brought is kept, because M(skorionos.bootc.image_channel) goes back there when they are undone or a release is
        taken out of a channel.
    type: path
  keep_promotions:
    description:
      - How many promotions of each channel in O(journal) can be taken back, and what came after them. Those that were
        undone or demoted do not count.
      - If it is not 0, what each channel had before what it has now is kept too.
    type: int
    default: 3
  fleet:
    description:
      - What the devices have. Every digest that one has booted, staged, as its rollback or pinned is kept, and every
        tag that one follows.
      - Without this option, or without any device in it, nothing is deleted, unless O(no_devices) says that there are
        none. Hosts that run no bootc are no devices.
    type: list
    elements: dict
    suboptions:
      host:
        description: Name of the device.
        type: str
        required: true
      bootc:
        description:
          - Its facts, RV(skorionos.bootc.bootc_status#module:bootc). Without them, the device is unknown.
          - Facts of which C(is_bootc) is V(false) say that this is no such device, unless O(memory) has deployments of
            it. Then it runs another system beside them, and they count.
          - Facts of which C(read_only) is V(true) are those of a live medium, so the device is unknown.
          - Without the digest of what is booted, or of another deployment that is V(incompatible) or names an image, as
            after C(rpm-ostree install), the device is unknown too. What it does tell, and what O(memory) has of it, is
            kept nevertheless.
        type: dict
  no_devices:
    description: Whether there are no devices, and O(fleet) has none on purpose.
    type: bool
    default: false
  memory:
    description:
      - A JSON file on the host that runs the module, in which is kept what each device of O(fleet) told when it last
        answered. It is made, and read for those who do not answer now, or run another system now. These are not unknown
        then. What it has of a device counts until that leaves O(fleet). That one ran no bootc then counts for nothing.
      - A device that is off cannot change. One that was on without being asked may have updated itself since, and runs
        what its tag was at that time. So this is for fleets that are updated by rollouts.
    type: path
  unknown_devices:
    description:
      - What to do when devices are unknown, which may run anything that is in the repository.
      - With V(refuse), nothing is deleted, and the module fails. With V(accept), they do not count.
    type: str
    choices: [refuse, accept]
    default: refuse
  apply:
    description: Whether to delete.
    type: bool
    default: false
  timeout:
    description: Seconds the registry may take for each step of a request. Each request is tried up to four times.
    type: float
    default: 30
notes:
  - Never run the garbage collection of a distribution registry (2.8) with C(-m) or C(--delete-untagged). It deletes the
    images of indexes and signatures.
seealso:
  - module: skorionos.bootc.image_info
  - module: skorionos.bootc.bootc_deployments
"""

EXAMPLES = r"""
- name: See what could go
  skorionos.bootc.image_retention:
    repository: registry.example.com/os/skorionos
    keep_tags: ["*-latest", "*-testing", "*-stable"]
    keep_last: 3
  delegate_to: localhost
  run_once: true
  register: retention

- name: Show it
  ansible.builtin.debug:
    msg: "{{ retention.manifests | rejectattr('kept') | map(attribute='tags') }}"

- name: Delete it, with what every device told about itself, and what a rollout still needs
  skorionos.bootc.image_retention:
    repository: registry.example.com/os/skorionos
    keep_tags: ["*-latest", "*-testing", "*-stable"]
    keep_last: 3
    keep_younger: 30d
    keep_files: [rollouts/skorion-1.1.0/events.jsonl]
    fleet:
      - host: deck-01
        bootc: "{{ hostvars['deck-01'].ansible_facts.bootc }}"
    apply: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
manifests:
  description: Everything that was found, sorted by digest.
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description: Digest of the manifest.
      type: str
    kind:
      description: V(image), V(index), or V(artifact) for signatures and the like.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: str
    kept:
      description: Whether it stays.
      type: bool
    reasons:
      description: Why, each with a C(rule) for programs and a C(detail) for people.
      type: list
      elements: dict
  sample:
    - digest: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
      kind: image
      tags: [kde-v1.0.0]
      kept: true
      reasons:
        - rule: fleet
          detail: "Devices have it: deck-01 (rollback)."
kept:
  description: Number of manifests that stay.
  returned: success
  type: int
removable:
  description: Digests that may go, in the order in which they are deleted.
  returned: success
  type: list
  elements: str
deleted:
  description: Digests that were deleted. In check mode with O(apply=true), those that would be.
  returned: success, and when the deletion failed on its way
  type: list
  elements: str
freed_bytes:
  description: Bytes of the layers and configurations that only what goes refers to.
  returned: success
  type: int
unknown_devices:
  description: Devices that did not tell what they have, or not all of it.
  returned: success, and when they are why nothing was deleted
  type: list
  elements: str
remembered_devices:
  description: Devices that did not answer, or run another system now, and count with what O(memory) has of them.
  returned: success
  type: list
  elements: str
unmatched_tags:
  description: Names and patterns in O(keep_tags) that no tag fits.
  returned: success
  type: list
  elements: str
digests_elsewhere:
  description: Digests that devices or O(keep_digests) name, and that this repository does not have.
  returned: success
  type: list
  elements: str
reason:
  description:
    - Kind of the failure, for decisions. V(unknown_devices), V(no_fleet) without devices, V(no_rules) when the
      rules fit nothing, V(changed_meanwhile) when tags moved since they were read, V(unsupported) for a registry that
      does not delete, V(auth), V(network), V(not_found), V(invalid) for a wrong option, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: unknown_devices
"""

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Sequence

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._oci.channel_moves import ChannelMove, digests_of_moves, read_moves
from ..module_utils._oci.errors import UNSUPPORTED, RegistryError
from ..module_utils._oci.graph import scan
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, is_digest, parse_reference
from ..module_utils._oci.removal import Changed, Removal
from ..module_utils._oci.retention import (
    Decision,
    Rules,
    decide,
    deletion_order,
    digests_in,
    fits_nothing,
    freed_bytes,
    moving_tags,
    read_fleet,
    refusal,
    release_pattern,
    remember,
)
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR

_UNITS = {"h": 3600.0, "d": 86400.0, "w": 604800.0}


class NotDeleted(Exception):
    """A reason not to delete anything (more), with what the result has to say beside it."""

    def __init__(self, reason: str, msg: str, **result: Any) -> None:
        super().__init__(msg)
        self.reason = reason
        self.result = result


def seconds(text: str) -> float:
    """Read an age such as ``30d``."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([hdw])", text.strip())
    if match is None:
        raise ValueError(f"keep_younger '{text}' is no age. Write a number with h, d or w behind it, such as 30d.")
    return float(match.group(1)) * _UNITS[match.group(2)]


def read_rules(params: dict[str, Any]) -> Rules:
    """Turn the options into rules; raise ValueError for what makes no sense, such as a file without a digest."""
    release_pattern(params["release_tag"])
    for option in ("keep_last", "keep_promotions"):
        if params[option] < 0:
            raise ValueError(f"{option} is negative. Give 0 or more.")
    wrong = [digest for digest in params["keep_digests"] if not is_digest(digest)]
    if wrong:
        raise ValueError(f"'{wrong[0]}' in keep_digests is no digest. Write sha256: and 64 hexadecimal digits.")
    named = dict.fromkeys(params["keep_digests"], "keep_digests")
    for path in params["keep_files"]:
        try:
            found = digests_in(Path(path).read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise ValueError(f"The file {path} in keep_files cannot be read: {error.strerror}.") from error
        if not found:
            raise ValueError(f"The file {path} in keep_files names no digest. Check that it is the right one.")
        named.update(dict.fromkeys(found, path))
    younger = seconds(params["keep_younger"]) if params["keep_younger"] else None
    return Rules(
        tuple(params["keep_tags"]),
        params["keep_last"],
        params["release_tag"],
        younger,
        named,
        tuple(params["variants"]),
    )


def read_journal(path: str | None, repository: Reference) -> dict[str, list[ChannelMove]]:
    """Return the moves of each channel; raise ValueError for a file that is something else."""
    try:
        return read_moves(Path(path).read_text(encoding="utf-8"), repository) if path else {}
    except OSError as error:
        raise ValueError(
            f"The file {path} in journal cannot be read: {error.strerror}. Name the journal of channels, or leave it "
            "out if no channel was ever moved."
        ) from error
    except ValueError as error:
        raise ValueError(f"The file {path} in journal cannot be used: {error} Name another one or mend it.") from error


def read_repository(text: str) -> Reference:
    """Read a repository; raise ValueError when a tag or digest comes with it."""
    reference = parse_reference(text)
    if reference.tag or reference.digest:
        raise ValueError(f"'{text}' is more than a repository. Leave out the tag and the digest: {reference.name}.")
    return reference


def read_memory(path: str | None) -> dict[str, Any]:
    """Return what was remembered of devices; raise ValueError for a file that is something else."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The file {path} in memory cannot be read: {error}. Name another one or remove it."
        ) from error
    if not isinstance(document, dict):
        raise ValueError(f"The file {path} in memory is something else. Name another one.")
    return document


def write_memory(path: str, document: dict[str, Any]) -> None:
    """Keep what was learned; raise ValueError where that is not possible."""
    beside = Path(f"{path}.new")
    try:
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ValueError(f"The file {path} in memory cannot be written: {error.strerror}.") from error


def delete(removal: Removal, going: list[Decision]) -> list[str]:
    """Delete in the given order, and say how far that came where it stops."""
    try:
        removal.run(decision.node for decision in going)
    except Changed as error:
        raise _stopped("changed_meanwhile", str(error), removal.deleted, going) from error
    except RegistryError as error:
        remedy = error.remedy
        if error.kind == UNSUPPORTED:
            remedy = (
                "Allow deletion in the registry (for distribution, REGISTRY_STORAGE_DELETE_ENABLED=true or "
                "storage.delete.enabled), and do not ask a mirror."
            )
        raise _stopped(error.kind, f"{error.cause} {remedy}", removal.deleted, going) from error
    return removal.deleted


def _stopped(reason: str, why: str, deleted: Sequence[str], going: Sequence[Decision]) -> NotDeleted:
    msg = f"{why} {len(deleted)} of {len(going)} manifests were deleted."
    return NotDeleted(reason, msg, deleted=list(deleted), changed=bool(deleted))


def describe(decision: Decision) -> dict[str, Any]:
    """Turn a decision into its place in the result."""
    return {
        "digest": decision.node.digest,
        "kind": decision.node.kind,
        "tags": list(decision.node.tags),
        "kept": decision.kept,
        "reasons": [{"rule": reason.rule, "detail": reason.detail} for reason in decision.reasons],
    }


def run(module: AnsibleModule) -> dict[str, Any]:
    """Read, decide, and delete when told to."""
    params = module.params
    repository = read_repository(params["repository"])
    rules = read_rules(params)
    moves = read_journal(params["journal"], repository)
    memory = read_memory(params["memory"])
    fleet = read_fleet(params["fleet"] or [], repository, memory)
    if params["memory"] and params["fleet"] and not module.check_mode:
        seen = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        write_memory(params["memory"], remember(params["fleet"], memory, seen))
    client = registry_client(params, timeout=params["timeout"])
    current = {tag: client.head_manifest(repository.with_tag(tag)) for tag in moves}
    backwards = digests_of_moves(moves, params["keep_promotions"], {t: d for t, d in current.items() if d})
    rules = replace(rules, digests={**rules.digests, **backwards})
    named = {*rules.digests, *fleet.digests}
    graph = scan(client, repository, named, ages=rules.younger is not None)
    decisions = decide(graph, rules, fleet, time.time())
    going = deletion_order(decisions)
    removable = [decision.node.digest for decision in going]
    unmatched, no_release = fits_nothing(graph.tags(), rules)
    if unmatched:
        module.warn(
            f"No tag of {repository.name} fits {', '.join(unmatched)} in keep_tags. Check how they are spelled."
        )
    if no_release:
        module.warn(f"No tag of {repository.name} fits release_tag '{rules.release_tag}', so keep_last keeps nothing.")
    deleted: list[str] = []
    if params["apply"]:
        refused = refusal(
            rules,
            fleet,
            decisions,
            told=params["fleet"] is not None,
            no_devices=params["no_devices"],
            refuse_unknown=params["unknown_devices"] == "refuse",
        )
        if refused is not None:
            raise NotDeleted(refused.reason, refused.why, unknown_devices=list(fleet.unknown))
        removal = Removal(client, repository, graph, moving_tags(graph.tags(), rules, fleet, moves))
        deleted = removable if module.check_mode or not going else delete(removal, going)
    there = {*graph.nodes, *(node.config for node in graph.nodes.values())}
    tags = {decision.node.digest: list(decision.node.tags) for decision in decisions}
    return {
        "changed": bool(deleted),
        "manifests": [describe(decision) for decision in decisions],
        "kept": len(decisions) - len(going),
        "removable": removable,
        "deleted": deleted,
        "freed_bytes": freed_bytes(decisions),
        "unknown_devices": list(fleet.unknown),
        "remembered_devices": list(fleet.remembered),
        "unmatched_tags": unmatched,
        "digests_elsewhere": sorted({*params["keep_digests"], *fleet.digests} - there),
        "diff": {"before": tags, "after": {d: names for d, names in tags.items() if d not in deleted}},
    }


def main() -> None:
    """Run the module."""
    device = {"host": {"type": "str", "required": True}, "bootc": {"type": "dict"}}
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "str", "required": True},
            "keep_tags": {"type": "list", "elements": "str", "default": []},
            "keep_last": {"type": "int", "default": 0},
            "release_tag": {"type": "str", "default": "{variant}-v{version}"},
            "variants": {"type": "list", "elements": "str", "default": []},
            "keep_younger": {"type": "str"},
            "keep_digests": {"type": "list", "elements": "str", "default": []},
            "keep_files": {"type": "list", "elements": "path", "default": []},
            "journal": {"type": "path"},
            "keep_promotions": {"type": "int", "default": 3},
            "fleet": {"type": "list", "elements": "dict", "options": device},
            "no_devices": {"type": "bool", "default": False},
            "memory": {"type": "path"},
            "unknown_devices": {"type": "str", "choices": ["refuse", "accept"], "default": "refuse"},
            "apply": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 30},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    try:
        result = run(module)
    except NotDeleted as error:
        module.fail_json(msg=str(error), reason=error.reason, **error.result)
    except RegistryError as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason="invalid")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
