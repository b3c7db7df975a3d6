# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which a rollout is planned, or picked up again. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  spec:
    description: The rollout spec, a YAML file.
    type: path
    required: true
  ledger:
    description:
      - Directory that holds one directory per rollout. M(skorionos.bootc.rollout_open) makes it when it is absent.
      - C(rollouts) beside the spec when not given.
    type: path
  accept_removed:
    description: Go on although many devices of the rollout have left the inventory. They are counted nowhere then.
    type: bool
    default: false
  device_windows:
    description:
      - Look at the windows that the inventory gives to hosts (C(bootc_windows)).
      - With V(false) nothing in them stops or warns. This is for a run that leaves them out of account.
    type: bool
    default: true
  supersedes:
    description:
      - Unfinished rollouts that give way to this one when it is planned, besides those that its spec names.
      - Devices in the middle of their update have to come to an end first.
    type: list
    elements: str
    default: []
  why:
    description: A sentence for the record, which O(supersedes) does not do without.
    type: str
    default: ""
"""
