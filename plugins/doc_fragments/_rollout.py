# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the steps of a rollout have in common. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  id:
    description: Id of the rollout, as RV(skorionos.bootc.rollout_open#module:id) gave it.
    type: str
    required: true
  ledger:
    description: Directory of the ledgers, as RV(skorionos.bootc.rollout_open#module:ledger) gave it.
    type: path
    required: true
notes:
  - A step of the playbook C(skorionos.bootc.rollout). Its options may change with that playbook.
"""

    DEADLINE = r"""
options:
  deadline:
    description: When this pass stops waiting, as RV(skorionos.bootc.rollout_open#module:deadline) gave it.
    type: float
    required: true
"""
