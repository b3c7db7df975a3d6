# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged rollouts as pure functions: spec -> plan -> events -> state -> decisions.

Nothing here imports Ansible, reads a clock or draws a random number: every such thing is handed in.
"""
