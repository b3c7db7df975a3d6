# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment holds, by the names that outlive an update of bootc."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """The content of a deployment.

    ``digest`` is what bootc reports for its image. On composefs hosts releases before 1.16.4 report another kind of
    digest than later ones. ``identity`` stays: the commit of a deployment on ostree, without the serial number that
    every new deployment of it gets, or its verity digest on composefs.
    """

    digest: str | None = None
    identity: str | None = None

    @property
    def is_known(self) -> bool:
        return self.digest is not None or self.identity is not None

    def is_same(self, other: Content) -> bool:
        """Whether both are the same content; False also when there is nothing to tell by."""
        by_digest = self.digest is not None and self.digest == other.digest
        return by_digest or (self.identity is not None and self.identity == other.identity)
