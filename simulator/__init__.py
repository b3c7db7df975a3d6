# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bootc device without hardware, and the registry it pulls from.

Where to look:

* ``state``       everything a device knows, as frozen dataclasses, and their JSON form
* ``verbs``       the bootc commands as pure functions ``state, options, world -> outcome``
* ``status``      the bootc status document and its renderings
* ``boot``        finalisation and the boot cycle, pure
* ``faults``      what can go wrong, one table
* ``store``       a device's directory: locks, atomic writes, commits
* ``world``       what the verbs need from outside: the registry, the store of blobs
* ``programs``    the command lines a device offers: bootc, ostree, skopeo, systemctl and smaller ones
* ``registry``    the HTTP registry; ``catalogue`` what it serves
* ``session``     ``exec``, the hot path: imports next to nothing
"""
