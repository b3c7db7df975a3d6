# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout while it runs, for somebody who watches a terminal or a log.

``follow`` takes in what is recorded, ``view`` says where that leaves the rollout, ``estimate`` how long it will take
and ``notices`` what deserves a line: all pure. ``live`` lays a view out with rich, ``screen`` keeps it below other
output, and ``watch`` looks at the ledger every half second.
"""
