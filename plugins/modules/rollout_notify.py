#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_notify
short_description: Tell somebody what a rollout came to, once
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Runs O(program) on the controller, which is told that a rollout is held, completed or aborted, and has it on record.
    M(skorionos.bootc.rollout_report) names O(to) from then on, so that no later run tells them again.
  - Nothing is recorded when the program fails, or when the run is killed meanwhile. The next run tells it then.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._rollout
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
  platform:
    support: full
    platforms: posix
options:
  turned:
    description: As RV(skorionos.bootc.rollout_report#module:turned) gave it.
    type: str
    required: true
  since:
    description: As RV(skorionos.bootc.rollout_report#module:since) gave it.
    type: str
    required: true
  to:
    description: Who is told, by a name of your choice.
    type: str
    required: true
  program:
    description:
      - The program and its arguments. There is no shell. O(turned) is added as the last argument, and the input is
        O(summary) as JSON, which it need not read. After five minutes it is ended, and has failed.
      - Without it they were told already, and it is only recorded.
    type: list
    elements: str
  summary:
    description: As RV(skorionos.bootc.rollout_report#module:summary) gave it.
    type: dict
    default: {}
seealso:
  - module: skorionos.bootc.rollout_report
"""

EXAMPLES = r"""
- name: Tell a program
  skorionos.bootc.rollout_notify:
    id: "{{ bootc_rollout.id }}"
    ledger: "{{ bootc_rollout.ledger }}"
    turned: "{{ bootc_rollout_end.turned }}"
    since: "{{ bootc_rollout_end.since }}"
    to: program
    program: [/usr/local/bin/tell, --channel, releases]
    summary: "{{ bootc_rollout_end.summary }}"
"""

RETURN = r"""
reason:
  description: The kind of failure, V(program_failed) when the program could not be started, failed or took too long.
  returned: failure
  type: str
  sample: program_failed
"""
