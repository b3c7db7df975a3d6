#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_apply
short_description: Reboot a bootc host into what boots next, and prove that it got there
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Reboots only if there is something to apply and it is what is expected. Then it waits for a new boot and compares
    what was booted with what was to boot next, by deployment and by digest.
  - What happened is returned as RV(verdict).
  - The device reboots about a second after it was asked, in an orderly way, so that the connection ends cleanly. Where
    there is systemd, a transient unit does that, which outlives a lost connection. Nothing is left to C(bootc upgrade
    --apply), which never returns.
  - A device that comes back on what it ran before is asked why, as RV(why) and RV(evidence). Where the boot loader fell
    back, the device remembers that, and is not rebooted into the same content again unless O(expect_digests) names it.
  - Fails over a local connection, which would reboot the controller, except in check mode.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._fence
  - skorionos.bootc._inhibitors
attributes:
  check_mode:
    support: full
    details: Predicts the state after the reboot and does not reboot.
  diff_mode:
    support: full
  idempotent:
    support: full
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the
      controller.
    support: full
options:
  expect_digests:
    description:
      - Digests of the content that may boot next. If something else would, the device is not rebooted and the verdict
        is V(unexpected_digest).
      - Without any, the digest of whatever boots next is expected.
    type: list
    elements: str
    default: []
  soft_reboot:
    description:
      - Whether to restart the user space only, under the kernel that runs, where what boots next allows that. This is
        quicker, and keeps the kernel's boot identity.
      - V(never) restarts the kernel, also where somebody prepared a soft reboot.
      - V(required) fails with RV(reason=incompatible) where a soft reboot is not possible, before anything is touched.
      - Needs bootc 1.7.0 on the ostree backend and 1.12.0 on the composefs backend. V(required) fails with
        RV(reason=unsupported_version) on older ones.
    type: str
    default: never
    choices:
      - never
      - allowed
      - required
  notify:
    description:
      - Tell the people who are logged in before the reboot, with C(wall), and give them time. Where nobody is
        logged in, nobody is told and nothing is waited for. Where that is not known, somebody may be.
      - No connection is held meanwhile. After that time everything is looked at again.
    type: dict
    suboptions:
      text:
        description: What to say.
        type: str
        required: true
      grace_seconds:
        description: Seconds until the reboot, at most a day.
        type: int
        default: 0
      command:
        description:
          - A program with its arguments that tells people as well, such as on their desktops. It gets the text on its
            standard input. No shell is involved.
        type: list
        elements: str
        default: []
  look_back:
    description:
      - Do not reboot, only say why the device does not run what it was rebooted into, such as after it was silent for
        long. Returns RV(why), RV(evidence), RV(notes) and the present state, and no verdict.
    type: dict
    suboptions:
      boot_id:
        description: The boot that was left, as RV(boot_id_before).
        type: str
      deployment:
        description: The deployment that was to boot.
        type: str
      digest:
        description: The digest of what was to boot.
        type: str
  timeout:
    description: Seconds the device may take to answer before the reboot.
    type: int
    default: 120
  reboot_timeout:
    description: Seconds from the reboot until the device has to have answered with a new boot.
    type: int
    default: 1200
  connect_timeout:
    description: Seconds one attempt to connect may take meanwhile, where the connection plugin lets this be set.
    type: int
    default: 5
  poll_interval:
    description: Seconds between the first attempts to connect. The interval grows to 10 seconds.
    type: float
    default: 2.0
  came_back_grace:
    description: Seconds a device that booted anew may take until its state can be read, beyond O(reboot_timeout) if
      need be.
    type: int
    default: 60
  fail_on:
    description:
      - Whether to fail unless the verdict is V(applied) or V(nothing_to_apply). With V(false) the verdict is data and
        the task only fails if the device could not be asked.
    type: bool
    default: true
notes:
  - Needs root.
seealso:
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_rollback
  - module: skorionos.bootc.device_health
  - module: ansible.builtin.reboot
"""

EXAMPLES = r"""
- name: Reboot into what is staged, if anything is
  skorionos.bootc.bootc_apply:
  become: true

- name: Reboot at night, not under somebody who plays or with an empty battery
  skorionos.bootc.bootc_apply:
    soft_reboot: allowed
    notify:
      text: This device restarts in five minutes to install an update.
      grace_seconds: 300
    inhibitors:
      - kind: game
      - kind: battery
        percent: 30
      - kind: systemd
        unknown: allow
    fail_on: false
  become: true

- name: Reboot into this content and nothing else
  skorionos.bootc.bootc_apply:
    expect_digests:
      - sha256:da5766cba2a05392192d88be7bfedf34255254460a17382d95851ee9cb522162
    fail_on: false
  become: true
  register: applied

- name: Say what became of it
  ansible.builtin.debug:
    msg: "{{ applied.verdict }} after {{ applied.boot_seconds }} s"
"""

RETURN = r"""
verdict:
  description:
    - V(nothing_to_apply) if what would boot next runs already.
    - V(applied) if the device booted anew and runs what was expected.
    - V(came_back_on_previous) if it rebooted, but runs the deployment it ran before.
    - V(unexpected_digest) if something else runs or would boot next.
    - V(not_rebooted) if it still answers from the boot before after O(reboot_timeout).
    - V(unverified) if it rebooted, but what it runs could not be read.
    - V(silent) if it does not answer after O(reboot_timeout).
    - V(inhibited) if one of O(inhibitors) kept it from being rebooted.
  returned: always, if the device could be asked
  type: str
  sample: applied
detail:
  description: The verdict in words.
  returned: always, if the device could be asked
  type: str
why:
  description:
    - Why the device runs what it ran before, V(none) with any other verdict than V(came_back_on_previous).
    - V(finalize_failed) and V(etc_conflict) if what was staged could not be written at shutdown, V(locked) if it was
      locked meanwhile, V(power_lost) if the shutdown was not orderly, V(not_finalized) if it was and wrote nothing.
    - V(fell_back) if it was written, but the boot loader chose otherwise. Also with the verdict V(unexpected_digest) if
      the device fell back from that content before.
    - V(unknown) if nothing is on record.
  returned: always, if the device could be asked
  type: str
  sample: finalize_failed
evidence:
  description: The lines from the device that RV(why) rests on, cut to a few.
  returned: always, if the device could be asked
  type: list
  elements: str
reboot_kind:
  description: V(reboot), V(soft_reboot), or V(none) without one. What happened, which may not be what was asked for.
  returned: always, if the device could be asked
  type: str
  sample: reboot
inhibited_by:
  description: What kept the device from being rebooted.
  returned: always, if the device could be asked
  type: list
  elements: dict
  sample: [{"kind": "game", "why": "", "detail": "steam 730 running", "unknown": false}]
notified:
  description: Names of those who were told.
  returned: always, if the device could be asked
  type: list
  elements: str
notes:
  description: What is worth knowing besides, in sentences.
  returned: always, if the device could be asked
  type: list
  elements: str
before:
  description: The state before the reboot. See M(skorionos.bootc.bootc_status).
  returned: always, if the device could be asked
  type: dict
after:
  description: The state after the reboot, in check mode the predicted one, V(none) if it could not be read.
  returned: always, if the device could be asked
  type: dict
bootc:
  description: The last state that is known.
  returned: always, if the device could be asked
  type: dict
boot_id_before:
  description: The kernel's identity of the boot before.
  returned: always, if the device could be asked
  type: str
boot_id_after:
  description: The kernel's identity of the boot afterwards, V(none) if it is not known.
  returned: always, if the device could be asked
  type: str
boot_id:
  description: The last boot identity that is known.
  returned: always, if the device could be asked
  type: str
boot_seconds:
  description: Seconds from asking for the reboot until the verdict, V(none) without a reboot.
  returned: always, if the device could be asked
  type: float
  sample: 41.3
booted_digest:
  description: The content that runs now, V(none) if it is not known.
  returned: always, if the device could be asked
  type: str
failed_units:
  description: Units that had failed before the reboot.
  returned: always, if the device could be asked
  type: list
  elements: str
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: timeout
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.bootc_apply import OPTIONS, work


def main() -> None:
    """The device's half; the action plugin of this name asks for it and waits."""
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
