# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``bootc status`` prints, and its three renderings. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict

from simulator.reference import ImageRef
from simulator.state import Deployment, Image, State
from simulator.verbs.common import told_queued, version_of
from simulator.versions import has

Json = Dict[str, Any]


def document(state: State, *, only_booted: bool = False, offline: bool = False) -> Json:
    """The host document, keys in the order bootc declares them. ``offline``: as far as ``asks_registry`` matters."""
    spec = state.spec
    queued = told_queued(state)
    status: Json = {
        "staged": None if only_booted else _entry(state, state.staged, offline),
        "booted": _entry(state, state.booted, offline),
        "rollback": None if only_booted else _entry(state, state.rollback, offline),
    }
    others = "composefs otherDeployments" if state.composefs else "otherDeployments"
    if state.others and has(state.bootc_version, others):
        status["otherDeployments"] = [_entry(state, entry, offline) for entry in state.others]
    if has(state.bootc_version, "rollbackQueued"):
        status["rollbackQueued"] = queued
    if has(state.bootc_version, "cachedUpdate"):
        container = state.booted is not None and state.booted.tracked is not None
        status["type"] = "bootcHost" if container and not state.composefs else None
    if has(state.bootc_version, "usrOverlay"):
        overlay = state.usr_overlay
        status["usrOverlay"] = (
            None if overlay is None else {"accessMode": overlay.access_mode, "persistence": overlay.persistence}
        )
    if has(state.bootc_version, "readOnly"):
        status["readOnly"] = state.read_only
    tracked: Json = {"image": None if spec is None else _reference(spec)}
    if has(state.bootc_version, "rollbackQueued"):
        tracked["bootOrder"] = "rollback" if queued and spec is not None else "default"
    return {
        "apiVersion": f"org.containers.bootc/{'v1' if has(state.bootc_version, 'apiVersion v1') else 'v1alpha1'}",
        "kind": "BootcHost",
        "metadata": {"name": "host"},
        "spec": tracked,
        "status": status,
    }


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?(?:([Zz])|([+-]\d\d:\d\d))")


def utc(time: str) -> str | None:
    """An RFC 3339 time as bootc writes it, in UTC; None when it is none, as bootc takes it for absent then."""
    from datetime import datetime, timezone

    found = _TIME.fullmatch(time)
    if found is None:
        return None
    day, clock, fraction, _unused, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset or '+00:00'}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    digits = (fraction or "")[1:10].rstrip("0")
    shown = f".{digits:0<{-len(digits) % 3 + len(digits)}}" if digits else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{shown}Z"


def _reference(ref: ImageRef) -> Json:
    result: Json = {"image": ref.image, "transport": ref.transport}
    if ref.signature is not None:
        result["signature"] = ref.signature
    return result


def asks_registry(state: State) -> bool:
    """Whether ``status`` asks the registry what is deployed, as it did on composefs for one release."""
    version = state.bootc_version
    return state.composefs and has(version, "status asks registry") and not has(version, "status stays at home")


def _image(state: State, image: Image, *, imginfo: bool = False, offline: bool = False) -> Json:
    digest, architecture = image.digest, image.architecture
    if state.composefs and not has(state.bootc_version, "composefs manifest digest"):
        digest = image.config_digest
    if imginfo:
        digest = digest.partition(":")[2]
    if offline and asks_registry(state):
        digest = architecture = ""
    created = image.created
    if not state.composefs:
        created = image.labels.get("org.opencontainers.image.created", created)
    result: Json = {
        "image": _reference(image.ref),
        "version": version_of(image, composefs=state.composefs),
        "timestamp": None if created is None else utc(created),
        "imageDigest": digest,
    }
    if has(state.bootc_version, "architecture"):
        result["architecture"] = architecture
    return result


def _entry(state: State, entry: Deployment | None, offline: bool) -> Json | None:
    if entry is None:
        return None
    container = entry.tracked is not None
    update = state.cached_updates.get(entry.image.digest) if container and not state.composefs else None
    image = _image(state, entry.image, imginfo=entry.imginfo, offline=offline) if container else None
    result: Json = {"image": image}
    if has(state.bootc_version, "cachedUpdate"):
        result["cachedUpdate"] = None if update is None else _image(state, update)
    result.update(incompatible=entry.layered, pinned=entry.pinned)
    if has(state.bootc_version, "softRebootCapable"):
        result["softRebootCapable"] = soft_reboot_capable(state, entry)
    if has(state.bootc_version, "downloadOnly"):
        result["downloadOnly"] = state.staged_locked and entry is state.staged
    if has(state.bootc_version, "store"):
        result["store"] = None if state.composefs else "ostreeContainer"
    result["ostree"] = None if state.composefs else _ostree(state, entry)
    if has(state.bootc_version, "composefs"):
        result["composefs"] = _composefs(state, entry) if state.composefs else None
    return result


def soft_reboot_capable(state: State, entry: Deployment) -> bool:
    """Whether the kernel of ``entry`` is the running one; composefs never says so of the booted deployment."""
    booted = state.booted
    if booted is None or "ostree.linux" not in entry.image.labels or (state.composefs and entry.id == booted.id):
        return False
    return entry.image.boot_digest == booted.image.boot_digest


def _ostree(state: State, entry: Deployment) -> Json:
    result: Json = {"checksum": entry.checksum, "deploySerial": entry.serial}
    if has(state.bootc_version, "stateroot"):
        result = {"stateroot": entry.stateroot, **result}
    return result


def _composefs(state: State, entry: Deployment) -> Json:
    loader = "systemd" if has(state.bootc_version, "lower-case bootloader") else "Systemd"
    kind = "Uki" if state.uki else "Bls"
    result: Json = {"verity": entry.checksum, "bootType": kind, "bootloader": loader}
    if has(state.bootc_version, "bootDigest"):
        known = not state.uki or has(state.bootc_version, "uki bootDigest")
        result["bootDigest"] = entry.image.boot_digest if known else None
    if has(state.bootc_version, "missingVerityAllowed"):
        result["missingVerityAllowed"] = False
    return result


def as_json(host: Json, version: str) -> str:
    """One line, no newline; canonical (sorted) since 1.5.0."""
    return json.dumps(host, separators=(",", ":"), sort_keys=has(version, "canonical json"), ensure_ascii=False)


_PLAIN = re.compile(r"[A-Za-z0-9_/.$\u0080-\uffff][^\n]*\Z")
_NOT_A_STRING = re.compile(
    r"(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE|y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
    r"|[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+|0o[0-7]+|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN))\Z"
)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.match(text) and ": " not in text and " #" not in text and not text.endswith((":", " "))
    if plain and not _NOT_A_STRING.match(text):
        return text
    return "'" + text.replace("'", "''") + "'" if text.isprintable() else json.dumps(text)


def as_yaml(host: Json) -> str:
    """YAML in declaration order."""
    return "\n".join(_yaml_lines(host, "")) + "\n"


def _yaml_lines(node: Json, indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in node.items():
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{key}:")
            lines += _yaml_lines(value, indent + "  ")
        elif isinstance(value, list):
            lines.append(f"{indent}{key}:")
            for item in value:
                block = _yaml_lines(item, indent + "  ")
                lines.append(f"{indent}- {block[0].lstrip()}")
                lines += block[1:]
        else:
            lines.append(f"{indent}{key}: {_scalar(value)}")
    return lines


def as_text(state: State, *, only_booted: bool = False, verbose: bool = False) -> str:
    """For people."""
    if state.booted is None:
        return "System is not deployed via bootc.\n"
    slots = [("● Booted image", state.booted)]
    if not only_booted:
        if state.staged is not None:
            slots.insert(0, ("  Staged image", state.staged))
        if state.rollback is not None:
            slots.append(("  Rollback image", state.rollback))
    slots += [("   Other image", entry) for entry in state.others]
    return "\n".join(_block(state, heading, entry, verbose=verbose) for heading, entry in slots)


def _block(state: State, heading: str, entry: Deployment, *, verbose: bool) -> str:
    image = entry.image
    if entry.tracked is None:
        return _plain_block(state, heading.replace(" image", " ostree"), entry, verbose=verbose)
    name = image.ref.image if image.ref.transport == "registry" else f"{image.ref.transport}:{image.ref.image}"
    shown = _image(state, image, imginfo=entry.imginfo)
    rows = [("Digest", f"{shown['imageDigest']} ({image.architecture})")]
    if state.composefs:
        rows.append(("Verity", entry.checksum))
    if shown["version"] is not None:
        rows.append(("Version", shown["version"] + _at(shown["timestamp"])))
    elif shown["timestamp"]:
        rows.append(("Timestamp", _seconds(shown["timestamp"])))
    if entry.pinned:
        rows.append(("Pinned", "yes"))
    rows += _update_rows(state, entry)
    rows += _overlay_rows(state, entry)
    if verbose:
        rows += _verbose_rows(state, entry)
    return _laid_out(heading, f"{heading}: {name}", rows)


def _plain_block(state: State, heading: str, entry: Deployment, *, verbose: bool) -> str:
    """What has no image, or not only one, is told by its commit."""
    rows: list[Any] = [("Commit", entry.checksum)]
    if entry.pinned:
        rows.append(("Pinned", "yes"))
    rows += _overlay_rows(state, entry)
    if verbose:
        rows += [row for row in _verbose_rows(state, entry) if row[0] not in ("Commit", "Signature")]
    return _laid_out(heading, heading, rows)


def _laid_out(heading: str, first: str, rows: list[Any]) -> str:
    # Labels that are longer than the heading stick out, as they do in bootc.
    return "\n".join([first, *(f"{label:>{len(heading)}}: {text}" for label, text in rows)]) + "\n"


def _overlay_rows(state: State, entry: Deployment) -> list[Any]:
    overlay = state.usr_overlay
    if overlay is None or entry.id != state.booted_id or entry is state.staged:
        return []
    access = "read/write" if overlay.access_mode == "readWrite" else "read-only"
    return [("/usr overlay", f"{overlay.persistence}, {access}")]


def _seconds(time: str) -> str:
    return re.sub(r"\.\d+Z\Z", "Z", time)


def _at(time: str | None) -> str:
    return f" ({_seconds(time)})" if time else ""


def _update_rows(state: State, entry: Deployment) -> list[Any]:
    update = state.cached_updates.get(entry.image.digest)
    if state.composefs or update is None or update.digest == entry.image.digest:
        return []
    shown = _image(state, update)
    version = shown["version"]
    rows = [("Update", "Available")] if version is None else [("UpdateVersion", version + _at(shown["timestamp"]))]
    if has(state.bootc_version, "human update digest"):
        rows.append(("UpdateDigest", update.digest))
    return rows


def _verbose_rows(state: State, entry: Deployment) -> list[Any]:
    rows = []
    if not state.composefs:
        staged = "yes" if entry is state.staged else "no"
        rows += [("StateRoot", entry.stateroot), ("Deploy serial", str(entry.serial)), ("Staged", staged)]
        rows.append(("Commit", entry.checksum))
    if entry.image.ref.signature is not None:
        rows.append(("Signature", "container-policy"))
    if has(state.bootc_version, "softRebootCapable"):
        rows.append(("Soft-reboot", "yes" if soft_reboot_capable(state, entry) else "no"))
    if state.composefs and has(state.bootc_version, "missingVerityAllowed"):
        rows.append(("FsVerity", "Enforced"))
    if entry is state.staged and has(state.bootc_version, "downloadOnly"):
        rows.append(("Download-only", "yes" if state.staged_locked else "no"))
    return rows
