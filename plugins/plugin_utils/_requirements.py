# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device is one an image is meant for: its facts against what is asked of hardware. Pure.

Facts come from a device and may be anything; what is not of the expected kind is unknown. Unknown never makes a device
supported, and never unsupported either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

_LONGEST = 128


class InvalidRequirements(ValueError):
    """What is asked of hardware makes no sense; the message says what to change."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a device. None, or no names at all, asks nothing. Sizes in bytes, as sold."""

    architectures: tuple[str, ...] = ()
    memory_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Requirements:
    """``gpu_drivers`` are kernel drivers that Mesa has one for; without any, no graphics are asked for.

    The tolerances say how many percent less than asked a device may tell: firmware and graphics keep part of the
    memory, partitions and file systems part of the disk.
    """

    minimum: Demands = Demands()
    recommended: Demands = Demands()
    gpu_drivers: tuple[str, ...] = ()
    memory_tolerance_percent: int = 0
    disk_tolerance_percent: int = 0


@dataclass(frozen=True)
class KnownProduct:
    """A product that was tried: patterns with ``*`` for what its firmware says, without regard to case."""

    name: str
    patterns: Mapping[str, str]


@dataclass
class _Findings:
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


_DEMANDS = ("architectures", "memory_bytes", "disk_bytes")
_PATTERNS = ("vendor", "product", "board")
_FACTS = {"vendor": "vendor", "product": "name", "board": "board_name"}


def parse_demands(value: object, what: str) -> Demands:
    """One of ``minimum`` and ``recommended``; raises InvalidRequirements."""
    if not isinstance(value, Mapping):
        raise InvalidRequirements(f"{what} is no mapping. Give some of {', '.join(_DEMANDS)}.")
    unknown = sorted(str(key) for key in value if key not in _DEMANDS)
    if unknown:
        raise InvalidRequirements(f"{what} has the unknown key {unknown[0]!r}. Known are {', '.join(_DEMANDS)}.")
    names = value.get("architectures") or ()
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidRequirements(f"architectures of {what} is no list. Give names such as ['amd64'].")
    return Demands(
        tuple(str(name) for name in names),
        _size(value.get("memory_bytes"), f"memory_bytes of {what}"),
        _size(value.get("disk_bytes"), f"disk_bytes of {what}"),
    )


def _size(value: object, what: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InvalidRequirements(f"{what} is {value!r}, which is no whole number of bytes.")


def parse_percent(value: object, what: str) -> int:
    """A tolerance; raises InvalidRequirements."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100:
        return value
    raise InvalidRequirements(f"{what} is {value!r}. Give a whole number from 0 to 99.")


def parse_tested(value: object) -> tuple[KnownProduct, ...]:
    """The table of tested devices; raises InvalidRequirements."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        raise InvalidRequirements("The tested devices are no list.")
    return tuple(_tested(entry, number) for number, entry in enumerate(value, start=1))


def _tested(entry: object, number: int) -> KnownProduct:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise InvalidRequirements(f"Number {number} of the tested devices has no name.")
    patterns = {str(key): str(entry[key]).lower() for key in entry if key != "name"}
    unknown = sorted(set(patterns) - set(_PATTERNS))
    if unknown or not patterns:
        wrong = f"the unknown key {unknown[0]!r}" if unknown else "nothing to be recognised by"
        raise InvalidRequirements(
            f"The tested device {entry['name']!r} has {wrong}. Give patterns for some of {', '.join(_PATTERNS)}."
        )
    return KnownProduct(str(entry["name"]), patterns)


def judge(device: Mapping[str, Any], requirements: Requirements, tested: Sequence[KnownProduct]) -> dict[str, Any]:
    """The verdict on the facts of one device.

    Returns ``verdict`` (``supported``, ``untested`` or ``unsupported``), ``reasons`` why it is unsupported,
    ``warnings`` where it is below what is recommended, ``unknown`` facts that were needed, ``tested`` (the name of the
    product in the table, or None) and ``product`` as its firmware calls it.
    """
    hardware = _mapping(device.get("hardware"))
    product = _mapping(hardware.get("product"))
    findings = _Findings()
    _judge_architecture(hardware, requirements.minimum, findings)
    sizes = (
        ("memory", _number(hardware.get("memory_bytes")), "memory_bytes", requirements.memory_tolerance_percent),
        ("disk", _disk(device), "disk_bytes", requirements.disk_tolerance_percent),
    )
    for name, seen, demand, tolerance in sizes:
        least, better = getattr(requirements.minimum, demand), getattr(requirements.recommended, demand)
        _judge_size(name, seen, (least, better), tolerance, findings)
    if requirements.gpu_drivers:
        _judge_graphics(hardware, requirements.gpu_drivers, findings)
    match = next((each.name for each in tested if _matches(each, product)), None)
    return {
        "verdict": _verdict(findings, match),
        "reasons": findings.reasons,
        "warnings": findings.warnings,
        "unknown": findings.unknown,
        "tested": match,
        "product": " ".join(filter(None, (_text(product.get("vendor")), _text(product.get("name"))))) or None,
    }


def _verdict(findings: _Findings, tested: str | None) -> str:
    if findings.reasons:
        return "unsupported"
    return "untested" if findings.unknown or tested is None else "supported"


def _judge_architecture(hardware: Mapping[str, Any], minimum: Demands, findings: _Findings) -> None:
    if not minimum.architectures:
        return
    seen = _text(hardware.get("architecture")) or _text(hardware.get("machine"))
    if seen is None:
        findings.unknown.append("architecture")
    elif seen not in minimum.architectures:
        findings.reasons.append(f"The architecture is {seen}, not {' or '.join(minimum.architectures)}.")


def _judge_size(
    name: str, seen: int | None, demands: tuple[int | None, int | None], tolerance: int, findings: _Findings
) -> None:
    least, better = demands
    if seen is None:
        if least is not None or better is not None:
            findings.unknown.append(name)
    elif least is not None and _short(seen, least, tolerance):
        findings.reasons.append(f"It has {_size_text(seen)} of {name}; {_size_text(least)} are needed.")
    elif better is not None and _short(seen, better, tolerance):
        findings.warnings.append(f"It has {_size_text(seen)} of {name}; {_size_text(better)} are recommended.")


def _short(seen: int, wanted: int, tolerance: int) -> bool:
    return seen * 100 < wanted * (100 - tolerance)


def _size_text(size: int) -> str:
    return f"{size / 1_000_000_000:.1f}".removesuffix(".0") + " GB"


def _judge_graphics(hardware: Mapping[str, Any], drivers: Sequence[str], findings: _Findings) -> None:
    cards = hardware.get("gpus")
    if not isinstance(cards, list):
        findings.unknown.append("graphics")
        return
    found = [_text(_mapping(card).get("driver")) for card in cards]
    if not found:
        findings.reasons.append("It has no graphics card.")
    elif any(driver in drivers for driver in found):
        _judge_mesa(_mapping(hardware.get("mesa")), findings)
    elif None in found:
        findings.unknown.append("graphics")
    else:
        names = ", ".join(driver for driver in found if driver)
        findings.reasons.append(f"Mesa does not drive its graphics, which the kernel drives with {names}.")


def _judge_mesa(mesa: Mapping[str, Any], findings: _Findings) -> None:
    """The image brings Mesa, not the hardware: that it is not there now rules no device out."""
    if mesa.get("installed") is False:
        findings.warnings.append("Mesa is not installed in the system it runs now.")


def _disk(device: Mapping[str, Any]) -> int | None:
    return _number(_mapping(_mapping(device.get("storage")).get("system")).get("total_bytes"))


def _matches(tested: KnownProduct, product: Mapping[str, Any]) -> bool:
    return all(
        fnmatchcase((_text(product.get(_FACTS[key])) or "").lower(), pattern)
        for key, pattern in tested.patterns.items()
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return str(value)[:_LONGEST] if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
