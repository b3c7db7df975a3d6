# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that build images. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  platform:
    description: Platform to build for, such as V(linux/arm64). The one of the build host when not given.
    type: str
  timestamp:
    description:
      - Time in seconds since 1970 that is written as the time of creation and of every file that a build adds.
      - A negative number leaves real times, then each build is a different image.
      - Changing this builds without the engine's layer cache once, because the cache does not know about times.
    type: int
    default: 0
  network:
    description:
      - Network of C(RUN) steps, the engine's default when not given.
      - V(none) makes sure that a build depends on nothing but its inputs.
    type: str
    choices: [none, host, private]
  secrets:
    description:
      - Secrets for C(RUN --mount=type=secret). Neither their values nor hashes of these are kept in the image or passed
        on a command line. A changed value does not lead to a new build.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Name that Containerfiles use.
        type: str
        required: true
      path:
        description: File with the secret on the build host.
        type: path
      env:
        description: Environment variable of the module with the secret, set for instance by the task's C(environment).
        type: str
  auth_file:
    description:
      - File with the credentials for pulling, as C(podman login --authfile) writes it.
      - When not given, they are looked for where C(podman login) leaves them.
    type: path
"""
