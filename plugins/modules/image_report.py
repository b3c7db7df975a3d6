#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: image_report
short_description: Show what images share and what their updates cost
version_added: 0.1.0
description:
  - Prints what M(skorionos.bootc.image_layers) found as tables, and writes it as C(image-report.json),
    C(image-report.txt) and C(image-report.html). The HTML file needs nothing else and makes no requests.
  - Runs on the controller. The same findings give the same files.
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
attributes:
  check_mode:
    support: full
    details: Prints the tables and writes no file.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  layers:
    description: What M(skorionos.bootc.image_layers) returned.
    type: dict
    required: true
  dest:
    description: Directory on the controller to write the files to. It is made when it is not there.
    type: path
    required: true
seealso:
  - module: skorionos.bootc.image_layers
"""

EXAMPLES = r"""
- name: Read the images
  skorionos.bootc.image_layers:
    images:
      - image: registry.example.com/os/skorionos:kde-stable
      - image: registry.example.com/os/skorionos:gnome-stable
  register: layers

- name: Show what they share
  skorionos.bootc.image_report:
    layers: "{{ layers }}"
    dest: reports
"""

RETURN = r"""
files:
  description: Paths of the files.
  returned: success
  type: list
  elements: str
  sample: [reports/image-report.json, reports/image-report.txt, reports/image-report.html]
reason:
  description: Kind of the failure. V(invalid) for a wrong option, V(unwritable) for a directory that takes no files.
  returned: failure
  type: str
  sample: unwritable
"""
