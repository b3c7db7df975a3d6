# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the device remembers about its rollbacks, so that going back twice does not go forward again.

Of two contents the last rollback between them counts. Going forward on purpose makes the device forget.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

    entries = [
        {
            "from": mark.left.digest,
            "from_deployment": mark.left.identity,
            "to": mark.returned_to.digest,
            "to_deployment": mark.returned_to.identity,
            "at": mark.at,
        }
        for mark in marks[-KEEP:]
    ]
    write_kept(device_path(ROLLBACKS), json.dumps(entries, indent=1) + "\n")
