# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What updates a system by itself, and so would fight whoever manages it from outside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownUpdater:
    """``unit`` starts by itself: a timer, or a service that stays; ``runs`` is the service that a timer starts."""

    unit: str
    why: str
    runs: str | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """All of its units, the one that starts the others first."""
        return (self.unit,) if self.runs is None else (self.unit, self.runs)


# Firmware updates (fwupd-refresh) and the like are no rivals: they do not touch the image.
KNOWN = (
    KnownUpdater(
        "bootc-fetch-apply-updates.timer",
        "runs 'bootc upgrade --apply': reboots unattended, and undoes rollbacks on ostree",
        "bootc-fetch-apply-updates.service",
    ),
    KnownUpdater(
        "rpm-ostreed-automatic.timer",
        "has rpm-ostree check, stage or apply updates, beside bootc",
        "rpm-ostreed-automatic.service",
    ),
    KnownUpdater("uupd.timer", "updates image, Flatpaks and containers of Universal Blue systems", "uupd.service"),
    KnownUpdater("ublue-update.timer", "the updater before uupd", "ublue-update.service"),
    KnownUpdater("zincati.service", "the update agent of Fedora CoreOS: stages, waits for its turn and reboots"),
    KnownUpdater("eos-autoupdater.timer", "downloads and deploys updates of Endless OS", "eos-autoupdater.service"),
    KnownUpdater("atomupd-daemon.service", "the update service of SteamOS, which installs on request of its clients"),
    KnownUpdater(
        "sk-chos-tool-autoupdate.timer", "updates tools of SkorionOS and ChimeraOS", "sk-chos-tool-autoupdate.service"
    ),
)
WHY = {name: known.why for known in KNOWN for name in known.units}
