# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is awake, found out before Ansible touches anyone. A device that cannot be asked this way is simply tried.

``ways`` and ``ssh_config`` are pure: from a host's variables and the text of ssh's configuration to the way it can be
asked. ``knock`` does the asking.
"""
