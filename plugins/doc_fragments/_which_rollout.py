# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which rollout an operator means. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  spec:
    description: File with the spec of the rollout. Either this, or O(id) together with O(ledger).
    type: path
  id:
    description: Id of the rollout, when its spec is not at hand.
    type: str
  ledger:
    description: Directory of the ledgers; C(rollouts) beside O(spec) by default.
    type: path
"""
