# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bootc version has which flag, verb and field."""

from __future__ import annotations

DEFAULT_VERSION = "1.16.9"

# Feature -> the first release that has it.
FIRST: dict[str, str] = {
    "upgrade --check": "0.1.1",
    "cachedUpdate": "0.1.6",
    "rollbackQueued": "0.1.10",
    "store": "0.1.14",
    "apiVersion v1": "0.1.15",
    "plain errors": "1.4.0",
    "upgrade --apply": "0.1.3",
    "switch --enforce-container-sigpolicy": "0.1.5",
    "rollback": "0.1.10",
    "status --format": "0.1.13",
    "status --format-version": "0.1.14",
    "switch --apply": "0.1.16",
    "status --format=humanreadable": "1.1.0",
    "architecture": "1.1.7",
    "rollback --apply": "1.1.7",
    "disk preflight": "1.1.7",
    "internals fsck": "1.1.7",
    "--progress-fd": "1.1.4",
    "print-json-schema --of": "1.1.4",
    "image list --type": "1.1.3",
    "completion": "1.1.3",
    "internals reboot": "1.6.0",
    "json schema 2020-12": "1.7.0",
    "prep-soft-reboot": "1.12.0",
    "switch --experimental-unified-storage": "1.12.0",
    "prep-soft-reboot --reset": "1.13.0",
    "composefs-gc": "1.14.0",
    "loader-entries": "1.15.2",
    "composefs-gc --prune-repo": "1.16.0",
    "otherDeployments": "1.3.0",
    "stateroot": "1.3.0",
    "canonical json": "1.5.0",
    "prefixed journal fields": "1.8.0",
    "status --verbose": "1.5.0",
    "reboot-required": "1.5.0",
    "softRebootCapable": "1.7.0",
    "soft-reboot": "1.7.0",
    "composefs": "1.9.0",
    "delete-deployment": "1.11.0",
    "status asks registry": "1.11.0",
    "status stays at home": "1.12.0",
    "bootDigest": "1.11.0",
    "uki bootDigest": "1.12.0",
    "downloadOnly": "1.12.0",
    "upgrade --download-only": "1.12.0",
    "upgrade --from-downloaded": "1.12.0",
    "spinner on stderr": "1.12.1",
    "lower-case bootloader": "1.13.0",
    "composefs download-only": "1.13.0",
    "usrOverlay": "1.14.0",
    "upgrade --tag": "1.15.0",
    "usr-overlay --read-only": "1.15.0",
    "human update digest": "1.15.0",
    "missingVerityAllowed": "1.15.2",
    "composefs otherDeployments": "1.16.0",
    "composefs rollback drops staged": "1.16.0",
    "composefs same-digest error": "1.16.0",
    "composefs disk preflight": "1.16.0",
    "composefs gc at finalise": "1.16.0",
    "switch --apply when staged": "1.16.3",
    "composefs manifest digest": "1.16.4",
    "composefs etc conflict check": "1.16.4",
    "readOnly": "1.16.7",
    "composefs progress": "1.16.5",
    "composefs gc without deadlock": "1.16.8",
    "uki rollbackQueued": "1.16.10",
}


def parse(version: str) -> tuple[int, ...]:
    """``1.16.9`` as a comparable tuple; raises ValueError for anything else."""
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"not a bootc version: {version!r}; expected three numbers such as {DEFAULT_VERSION}")
    return tuple(int(part) for part in parts)


def has(version: str, feature: str) -> bool:
    """Whether bootc ``version`` has ``feature`` (a key of FIRST)."""
    return parse(version) >= parse(FIRST[feature])
