# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts to report on."""

from __future__ import annotations

import pytest

from tests.unit.report.rehearsals import PAYLOADS, Rehearsal, Report, fleet


@pytest.fixture(scope="session")
def completed() -> Report:
    """24 devices: two asleep, one lost."""
    fates = {"kde-04": "asleep", "hyprland-06": "asleep", "gnome-03": "lost"}
    return Rehearsal(fleet(), fates=fates).run()


@pytest.fixture(scope="session")
def held() -> Report:
    """Every device that gets v1.2.0 is unhealthy: held at the canary."""
    return Rehearsal(
        fleet(), version="v1.2.0", previous_version="v1.1.0", fates=dict.fromkeys(fleet(), "unhealthy")
    ).run()


@pytest.fixture(scope="session")
def soaking() -> Report:
    """The canaries are updated and watched."""
    return Rehearsal(fleet(), patience=400).run()


@pytest.fixture(scope="session")
def hostile() -> Report:
    """Devices and registries that put whatever they like into host names, versions and messages."""
    nasty = " ".join(PAYLOADS)
    hosts = {f"h{at} {payload.encode(errors='ignore').decode()}": "kde" for at, payload in enumerate(PAYLOADS)}
    rehearsal = Rehearsal(
        hosts,
        fates=dict.fromkeys(hosts, "unhealthy"),
        message=nasty,
        previous_version=nasty,
        version="v1.1.0",
        boot_seconds="fast<b>",
    )
    report = rehearsal.run()
    report.summary["variants"][0]["version"] = nasty
    report.summary["warnings"] = [nasty]
    report.summary["wait"] = {"rule": nasty, "why": nasty, "until": nasty}
    return report
