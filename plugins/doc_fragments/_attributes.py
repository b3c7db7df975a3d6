# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that modules of this collection have in common. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict the changes without making any.
  diff_mode:
    description: Returns what has changed, or would change in check mode, in diff format.
  idempotent:
    description:
      - When run twice in a row outside check mode with the same arguments, the second run reports no change.
      - This assumes that neither the device nor the registry changed in between.
  platform:
    description: Where the module can run.
    platforms: posix
"""

    DEVICE = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: linux
    details: Acts on hosts booted by bootc. Needs Python 3.8 or newer there, and nothing else.
  action_group:
    description: Use V(group/skorionos.bootc.bootc) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.bootc
"""

    REGISTRY = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: posix
    details: Runs on the controller or on any host that reaches the registry.
"""

    BUILD = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: linux
    details: Runs on the host that builds images, which is often the controller itself. Needs podman or buildah there.
"""
