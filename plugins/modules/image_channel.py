#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: image_channel
short_description: Move channels from release to release
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - A channel is a tag that machines follow, such as C(kde-stable). This moves channels by digest, so what was tested is
    what is shipped, byte by byte, and signatures of it hold.
  - Every move is compared before and after, and written to a journal before and after. Nothing is moved when anything
    speaks against any of the variants.
  - The playbooks C(skorionos.bootc.promote), C(skorionos.bootc.demote) and C(skorionos.bootc.channel_undo) are this
    module with extra variables. It works on the controller, whatever host it is called for.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._registry
attributes:
  action_group:
    description: Use V(group/skorionos.bootc.images) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.images
  check_mode:
    support: full
    details: Says what would be moved, and fails where the move would be refused.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  verb:
    description:
      - With V(promote), the O(channel) gets what O(digests), O(release) or O(source) say.
      - With V(demote), the channels that have O(version) go back to what they had before it, as the journal says, or to
        what O(digests) or O(release) say. A reason has to be given in O(why).
      - With V(undo), the channels that O(operation) moved go back to what they had.
    type: str
    required: true
    choices: [promote, demote, undo]
  repository:
    description:
      - Where the images are, as C(registry[:port]/repository). C({variant}) in it stands for the variant's name.
      - Required with V(promote) and V(demote).
    type: str
  variants:
    description: Names of the variants. Required with V(promote) and V(demote).
    type: list
    elements: str
    default: []
  channel:
    description: The channel to move. Required with V(promote) and V(demote).
    type: str
  channels:
    description: All channels, in the order that a release goes through them.
    type: list
    elements: str
    default: [latest, testing, stable]
  tag:
    description: Tag of a channel, in which C({variant}) and C({channel}) are replaced.
    type: str
    default: "{variant}-{channel}"
  source:
    description: The channel to take the release from, by default the one before O(channel).
    type: str
  digests:
    description: Digest of each variant, instead of O(source).
    type: dict
    default: {}
  release:
    description:
      - File of a release as C(skorionos.bootc.publish) writes it, instead of O(source). One that has its images in
        another place than O(repository) is refused.
    type: path
  version:
    description:
      - With V(demote), the version (label C(org.opencontainers.image.version)) or digest that is to leave the channel.
      - Channels that have something else stay as they are. One that is not there fails (RV(reason) V(not_found)).
    type: str
  operation:
    description:
      - With V(undo), the operation to undo, as the journal names it. By default the last one. When that has undone
        another, nothing happens.
    type: str
  expected:
    description:
      - Digest that the channel of a variant has to have now, or V(absent) when it must not be there. When one differs,
        nothing is moved, and the failure has the RV(reason) V(conflict).
      - A variant that is not among O(variants) is refused.
    type: dict
    default: {}
  rollout:
    description:
      - File with the summary or the spec of a rollout that is completed and not taken back. At least one device of
        each variant has to have been seen to run these very digests well.
    type: path
  ledger:
    description: Directory of the ledgers, when O(rollout) is a spec; C(rollouts) beside it by default.
    type: path
  wave:
    description:
      - Name of a wave of O(rollout). It is enough then that it got the digests and passed its soak. Without O(rollout),
        it is refused.
    type: str
  force:
    description: Whether to overrule what speaks against a promotion. Needs a reason in O(why), and goes on record.
    type: bool
    default: false
  why:
    description: A sentence for the record.
    type: str
    default: ""
  journal:
    description: File with the journal on the controller, one JSON object a line. It is made when it is not there.
    type: path
    required: true
seealso:
  - module: skorionos.bootc.image_tag
  - module: skorionos.bootc.image_push
"""

EXAMPLES = r"""
- name: Promote what is in testing
  skorionos.bootc.image_channel:
    verb: promote
    repository: registry.example.com/os/skorionos
    variants: [kde, gnome]
    channel: stable
    rollout: release-summary.json
    journal: channels.jsonl

- name: Take a bad release back
  skorionos.bootc.image_channel:
    verb: demote
    repository: registry.example.com/os/skorionos
    variants: [kde, gnome]
    channel: stable
    version: 1.2.0
    why: Suspend fails on half of the handhelds.
    journal: channels.jsonl
"""

RETURN = r"""
operation:
  description: Name of the operation in the journal. V(none) when nothing was to be done.
  returned: success
  type: str
  sample: 20261123T101500-promote-stable
moves:
  description: The channels that were, or in check mode would be, moved.
  returned: success
  type: list
  elements: dict
  contains:
    variant:
      description: Name of the variant.
      type: str
    channel:
      description: Name of the channel.
      type: str
    image:
      description: Registry and repository.
      type: str
    tag:
      description: Tag of the channel.
      type: str
    from:
      description: Digest that the channel had. V(none) when it was not there.
      type: str
    from_version:
      description: Version of that image, V(none) when it does not say.
      type: str
    to:
      description: Digest that it has now, or would have.
      type: str
    to_version:
      description: Version of that image, V(none) when it does not say.
      type: str
    overruled:
      description: What spoke against it and was overruled with O(force).
      type: list
      elements: str
left:
  description: With V(undo), channels that stay as they are because they did not exist before.
  returned: success
  type: list
  elements: dict
  contains:
    variant:
      description: Name of the variant.
      type: str
    channel:
      description: Name of the channel.
      type: str
    image:
      description: Registry and repository.
      type: str
    tag:
      description: Tag of the channel.
      type: str
journal:
  description: The journal.
  returned: success
  type: str
  sample: channels.jsonl
reason:
  description:
    - Kind of the failure, for decisions. V(refused) when something speaks against the promotion, V(conflict) when a
      channel has something else than expected, V(not_found) for what is not there, V(journal) for a journal that cannot
      be written, V(auth), V(network), V(unsupported), V(invalid) for wrong options, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: refused
"""
