# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet file makes of its devices: templates filled in, ranges written out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._rollout.errors import RolloutError
from .._rollout.timing import OWN_WINDOWS
from .._rollout.windows import check_zone, parse_window
from .groups import can_name, label_groups
from .schema import DESCRIBED

VARIABLES = {"variant": "bootc_variant", "site": "bootc_site", "ring": "bootc_ring", "model": "bootc_model"}
"""What a fleet file calls it, and the inventory variable that rollouts select and order by."""

_REACH = {
    "connection": "ansible_connection",
    "user": "ansible_user",
    "port": "ansible_port",
    "become": "ansible_become",
    "python": "ansible_python_interpreter",
}
_MOST = 100_000
"""Devices that one range may stand for. More is a slip of the finger."""
_DIGITS = 18
"""Of a number in a range: serial numbers have many. Of one with more Python cannot count the range."""
_RANGE = re.compile(r"\[([0-9]+):([0-9]+)(?::([0-9]+))?\]")
_TAKEN = {
    "all": "Ansible's name for everybody",
    "ungrouped": "Ansible's name for those in no group",
    "localhost": "the controller",
}
_HOST = re.compile(r"^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\Z")


class InvalidFleet(ValueError):
    """A fleet file that cannot be taken. ``place`` is the path of keys and indexes to what is wrong."""

    def __init__(self, place: Sequence[str | int], cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.place = tuple(place)
        self.said = (cause, remedy)


@dataclass(frozen=True)
class Member:
    """One device of the file, with the variables that the file gives it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


def members(document: Mapping[str, Any]) -> list[Member]:
    """The devices of a document that fits the schema, in its order; raises InvalidFleet."""
    _check_descriptions(document)
    described = _Described(document.get("defaults", {}), document.get("templates", {}))
    found: dict[str, Member] = {}
    places: dict[str, tuple[str | int, ...]] = {}
    for index, entry in enumerate(document.get("devices", [])):
        place = ("devices", index)
        for member in _entry_members(entry, described.of(entry, place), place):
            if member.name in found:
                raise InvalidFleet(
                    (*place, "name"),
                    f"The device {member.name} is there already.",
                    "Give every device a name of its own, also across ranges and included files.",
                )
            found[member.name] = member
            places[member.name] = place
    grouped = {group for member in found.values() for group in label_groups(member.labels)}
    for name in sorted(grouped & found.keys()):
        raise InvalidFleet(
            (*places[name], "name"), f"{name!r} is also the name of a group.", "Give the device another name."
        )
    return list(found.values())


def _check_descriptions(document: Mapping[str, Any]) -> None:
    """What a schema cannot tell: labels that no group can have, lengths that make no sense, zones that nobody knows."""
    said: list[tuple[tuple[str | int, ...], Mapping[str, Any]]] = [(("defaults",), document.get("defaults", {}))]
    said += [(("templates", name), template) for name, template in document.get("templates", {}).items()]
    said += [(("devices", index), device) for index, device in enumerate(document.get("devices", []))]
    for place, description in said:
        for label in VARIABLES:
            if not can_name(description.get(label, label)):
                raise InvalidFleet(
                    (*place, label),
                    f"{label}: no group can be named after {description[label]!r}.",
                    "Give it a name with at least one letter (A to Z, a to z) or digit.",
                )
        zone = description.get("timezone", "UTC")
        # A template is filled in when a rollout looks at it, which warns then.
        if "{{" not in zone and "{%" not in zone:
            try:
                check_zone(zone, "timezone")
            except RolloutError as error:
                raise InvalidFleet((*place, "timezone"), error.cause, error.remedy) from error
        for kind, windows in description.get("windows", {}).items():
            for number, window in enumerate(windows):
                try:
                    parse_window(window, f"windows.{kind}[{number}]")
                except RolloutError as error:
                    raise InvalidFleet((*place, "windows", kind, number), error.cause, error.remedy) from error


class _Described:
    """What templates and defaults say of a device. The nearest word counts, variables one by one."""

    def __init__(self, defaults: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]) -> None:
        self._defaults = defaults
        self._templates = templates
        self._resolved: dict[str, Mapping[str, Any]] = {}
        for name in templates:
            self._template(name, ("templates", name), ())

    def of(self, entry: Mapping[str, Any], place: tuple[str | int, ...]) -> Mapping[str, Any]:
        below: Mapping[str, Any] = self._defaults
        if "template" in entry:
            below = self._template(entry["template"], (*place, "template"), ())
        return _over(below, entry)

    def _template(self, name: str, place: tuple[str | int, ...], above: tuple[str, ...]) -> Mapping[str, Any]:
        if name in above:
            circle = " -> ".join([*above[above.index(name) :], name])
            raise InvalidFleet(place, f"Templates build on each other in a circle: {circle}.", "Break it.")
        if name not in self._templates:
            known = ", ".join(sorted(self._templates)) or "none"
            raise InvalidFleet(place, f"There is no template {name!r}.", f"Known templates: {known}.")
        if name not in self._resolved:
            template = self._templates[name]
            below = self._defaults
            if "template" in template:
                below = self._template(template["template"], ("templates", name, "template"), (*above, name))
            self._resolved[name] = _over(below, template)
        return self._resolved[name]


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in {**below, **above}.items() if key in DESCRIBED}
    for key in ("reach", "vars", "windows"):
        if key in below and key in above:
            merged[key] = {**below[key], **above[key]}
    return merged


def _entry_members(
    entry: Mapping[str, Any], described: Mapping[str, Any], place: tuple[str | int, ...]
) -> Iterator[Member]:
    names = _written_out(entry["name"], (*place, "name"))
    addresses: list[str | None] = [None] * len(names)
    if "address" in entry:
        written = _written_out(entry["address"], (*place, "address"))
        if len(written) != len(names):
            raise InvalidFleet(
                (*place, "address"),
                f"{entry['address']!r} makes {len(written)} addresses for {len(names)} names.",
                "Let both ranges have the same length.",
            )
        addresses = list(written)
    labels = {key: described[key] for key in VARIABLES if key in described}
    variables = _variables(described)
    for name, address in zip(names, addresses):
        if not _HOST.match(name):
            raise InvalidFleet(
                (*place, "name"),
                f"{name!r} cannot be the name of a host.",
                "Use letters, digits, dots, dashes and underscores; write many as in deck-[01:40].",
            )
        if name in _TAKEN:
            raise InvalidFleet(
                (*place, "name"), f"{name!r} is {_TAKEN[name]}, and no device.", "Give the device another name."
            )
        yield Member(name, labels, variables if address is None else {**variables, "ansible_host": address})


def _variables(described: Mapping[str, Any]) -> dict[str, Any]:
    variables = {VARIABLES[key]: described[key] for key in VARIABLES if key in described}
    if "timezone" in described:
        variables["bootc_timezone"] = described["timezone"]
    if "windows" in described:
        variables[OWN_WINDOWS] = described["windows"]
    reach = described.get("reach", {})
    variables.update({_REACH[key]: value for key, value in reach.items() if key in _REACH})
    if "jump" in reach:
        variables["ansible_ssh_common_args"] = f"-o ProxyJump={reach['jump']}"
    return {**variables, **described.get("vars", {})}


def _written_out(pattern: str, place: tuple[str | int, ...]) -> list[str]:
    """``deck-[01:03]`` as three names; several ranges in one text are all combined."""
    parts = _RANGE.split(pattern)
    texts = [parts[0]]
    for first, last, step, tail in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4]):
        numbers = _numbers(pattern, first, last, step, place)
        if len(texts) * len(numbers) > _MOST:
            raise InvalidFleet(place, f"{pattern!r} stands for more than {_MOST} devices.", "Make the range smaller.")
        texts = [f"{text}{number:0{len(first)}}{tail}" for text in texts for number in numbers]
    return texts


def _numbers(pattern: str, first: str, last: str, step: str | None, place: tuple[str | int, ...]) -> range:
    if max(map(len, (first, last, step or ""))) > _DIGITS:
        raise InvalidFleet(
            place, f"The range in {pattern!r} has a number of more than {_DIGITS} digits.", "Make it smaller."
        )
    if first.startswith("0") and len(first) > 1 and len(first) != len(last):
        raise InvalidFleet(
            place, f"The range in {pattern!r} has {first} and {last}.", "Write both with the same number of digits."
        )
    if int(first) > int(last) or int(step or 1) == 0:
        raise InvalidFleet(
            place, f"The range in {pattern!r} holds nothing.", "Write it as [FIRST:LAST] or [FIRST:LAST:STEP]."
        )
    return range(int(first), int(last) + 1, int(step or 1))
