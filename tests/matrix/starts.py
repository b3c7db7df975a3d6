# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of hosts, and the states they start from."""

from __future__ import annotations

from .model import Host, Start

HOSTS = (
    Host("ostree 1.1.0", "ostree", "1.1.0"),
    Host("ostree 1.5.1", "ostree", "1.5.1"),
    Host("ostree 1.7.0", "ostree", "1.7.0"),
    Host("ostree 1.12.1", "ostree", "1.12.1"),
    Host("ostree 1.15.2", "ostree", "1.15.2"),
    Host("ostree 1.16.9", "ostree", "1.16.9"),
    Host("composefs 1.9.0", "composefs", "1.9.0"),
    Host("composefs 1.13.0", "composefs", "1.13.0"),
    Host("composefs 1.15.2", "composefs", "1.15.2"),
    Host("composefs 1.16.3", "composefs", "1.16.3"),
    Host("composefs 1.16.7", "composefs", "1.16.7"),
    Host("composefs 1.16.9", "composefs", "1.16.9"),
    Host("uki 1.13.0", "composefs", "1.13.0", "uki"),
    Host("uki 1.16.9", "composefs", "1.16.9", "uki"),
)

PARKING = {"ostree": (1, 12, 0), "composefs": (1, 13, 0)}
ON_B = ("bootc upgrade", "reboot")

STARTS = (
    Start("fresh", "B", create=("--digest", "{B}")),
    Start("settled", "B<A", first=ON_B),
    Start("current", "N<B", first=ON_B, then=("bootc upgrade", "reboot")),
    Start("staged", "B<A>N", first=ON_B, then=("bootc upgrade",)),
    Start("parked", "B<A>(N)", first=ON_B, then=("bootc upgrade --download-only",), since=PARKING),
    Start("queued", "B<A!", first=ON_B, then=("bootc rollback",)),
    Start("returned", "B<N", first=ON_B, then=("bootc upgrade", "reboot", "bootc rollback", "reboot")),
    Start("fell back", "B<N!", first=ON_B, then=("bootc upgrade", "fault falls-back", "reboot")),
    Start("withdrawn", "B<A>N", "os/withdrawn", first=ON_B, then=("bootc upgrade",)),
    Start("power lost", "B<A", first=ON_B, then=("bootc upgrade", "reboot --power-loss")),
    Start("busy", "B<A", first=ON_B, trouble=("fault lock-held 86400",), backends=("ostree",)),
    Start("offline", "B<A", first=ON_B, trouble=("fault registry-unreachable",)),
    Start("unauthorized", "B<A", first=ON_B, trouble=("fault auth",)),
    Start("disk full", "B<A", first=ON_B, trouble=("fault disk-full",)),
    Start("without bootc", "B<A", first=ON_B, trouble=("fault bootc-missing",)),
    Start("no bootc host", "-", create=("--no-bootc",)),
)
