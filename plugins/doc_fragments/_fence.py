# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option by which a rollout says that it is the one who changes the device. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  fence:
    description:
      - The rollout on whose behalf this is done. M(skorionos.bootc.rollout_device) gives it, nobody else needs to.
      - The device remembers it in C(/var/lib/skorionos.bootc/rollout.json), from the first change until the device is
        found well or told to stay on what it came back to. Meanwhile it refuses another rollout, and the same rollout
        with an older copy of its ledger, with RV(ignore:reason=fenced).
      - A claim that nobody renewed for 24 hours keeps no other rollout out. Without this option nobody is refused, but
        who changes a device in the middle of a rollout is warned.
    type: dict
    suboptions:
      rollout:
        description: Id of the rollout.
        type: str
        required: true
      epoch:
        description: Number of the controller's turn.
        type: int
        required: true
      turn:
        description: Name of the controller's turn.
        type: str
        required: true
      turns:
        description:
          - Names of turns before it in its ledger. A claim with another one is refused.
          - The rollout names the last ones. A device that was claimed by an older one is asked again with that one.
        type: list
        elements: str
        default: []
      supersedes:
        description: Ids of rollouts whose claims do not count.
        type: list
        elements: str
        default: []
      by:
        description: Who runs it, for people.
        type: str
        default: ''
      target:
        description: Digest the device is to boot.
        type: str
      attempt:
        description: Which attempt this is.
        type: int
        default: 1
      ends:
        description: With this the rollout is through with the device.
        type: bool
        default: false
"""
