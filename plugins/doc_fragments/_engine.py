# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that use podman or buildah. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  engine:
    description:
      - The program that builds and pushes.
      - With V(auto), podman if it is installed, else buildah. Both share one storage when they run as the same user.
    type: str
    choices: [auto, podman, buildah]
    default: auto
requirements:
  - podman 4.3 or newer, or buildah 1.28 or newer
"""
