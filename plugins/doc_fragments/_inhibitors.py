# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says what keeps a device from being rebooted. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  inhibitors:
    description:
      - What keeps the device from being rebooted. M(skorionos.bootc.bootc_apply) looks right before the reboot, and if
        anything does, its verdict is V(inhibited) and nothing was touched, so that the task can be run again later.
        M(skorionos.bootc.bootc_status) returns what does so now.
      - What cannot be found out inhibits as well, unless the entry allows that.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description:
          - V(session) is a person with an active session. V(game) is a running game. V(battery) is less charge than
            O(inhibitors[].percent) while the device is not plugged in.
          - V(metered) is a network that costs by volume. V(disk) is less space than O(inhibitors[].free_bytes) at
            O(inhibitors[].path).
          - V(systemd) is a lock against shutdown, as C(systemd-inhibit --list) tells. V(file) is a file at
            O(inhibitors[].path). V(command) is a O(inhibitors[].command) that ends with exit code 0.
        type: str
        required: true
        choices:
          - session
          - game
          - battery
          - metered
          - disk
          - systemd
          - file
          - command
      why:
        description: Why this matters here, for whoever reads the result.
        type: str
      unknown:
        description: What to do where it cannot be found out.
        type: str
        default: inhibit
        choices:
          - inhibit
          - allow
      processes:
        description: For V(game), names of processes that are games, in place of those that are known.
        type: list
        elements: str
      percent:
        description: For V(battery), the charge that is wanted, from 1 to 100.
        type: int
      path:
        description: For V(disk) and V(file), an absolute path on the device.
        type: str
      free_bytes:
        description: For V(disk), the bytes that are wanted.
        type: int
      command:
        description: For V(command), a program with its arguments.
        type: list
        elements: str
"""
