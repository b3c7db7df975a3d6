# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON schema of a rollout spec, and its violations in words a person can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import RolloutError
from .windows import DAYS

if TYPE_CHECKING:
    from jsonschema import TypeChecker
    from jsonschema.exceptions import ValidationError

try:
    import jsonschema
except ImportError:
    HAS_JSONSCHEMA = False
else:
    HAS_JSONSCHEMA = True

# \Z, because $ would also let a line break at the end through.
_DURATION = {"type": "string", "pattern": r"^[0-9]+[smhd]\Z"}
_AT_LEAST_ONE = {"type": "integer", "minimum": 1}
_PERCENT_OR_NONE = {"type": "integer", "minimum": 0, "maximum": 100}
_PERCENT = {"type": "integer", "minimum": 1, "maximum": 100}
_LIMIT = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^([0-9]|[1-9][0-9]|100)%\Z"}],
    "otherwise": "neither a count nor a percentage",
    "remedy": 'Write a whole number, or "5%".',
}
"""`otherwise` and `remedy` are no words of JSON Schema, which leaves such alone: what to say of what does not fit."""
_SOME = {
    "anyOf": [_AT_LEAST_ONE, {"type": "string", "pattern": r"^([1-9]|[1-9][0-9]|100)%\Z"}],
    "otherwise": "neither a count of at least 1 nor a percentage of at least 1",
    "remedy": 'Write a whole number from 1 on, or a percentage from "1%" on: with none no device could go.',
}
_NAME = {
    "type": "string",
    "pattern": r"^[a-z0-9][a-z0-9._-]{0,62}\Z",
    "remedy": "Give it a name of lower-case letters, digits, dots, dashes and underscores.",
}
_LABEL = {"type": ["string", "number", "boolean"]}
_LABELS = {
    "anyOf": [_LABEL, {"type": "array", "minItems": 1, "items": _LABEL}],
    "otherwise": "neither a value nor a list of values",
    "remedy": "Write a text, a number, true or false, or a list of these with one entry at least.",
}
_DIGEST = {"type": "string", "pattern": r"^sha256:[0-9a-f]{64}\Z"}

INHIBITORS = ("session_active", "game_running", "shutdown_blocked", "battery_low", "metered", "disk_low")
_INHIBITORS = {"type": "array", "items": {"enum": list(INHIBITORS)}, "uniqueItems": True}

_WAVE_RULES: dict[str, Any] = {
    "success_threshold": _PERCENT,
    "min_coverage": _PERCENT_OR_NONE,
    "min_sample": {"type": "integer", "minimum": 1},
    "max_failures": _LIMIT,
    "soak": _DURATION,
    "coverage_timeout": _DURATION,
    "on_coverage_timeout": {"enum": ["hold", "accept"]},
    "accept_floor": _PERCENT_OR_NONE,
    "approve": {"enum": ["never", "before", "after"]},
}


def _section(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(required),
    }


_WAVE_RULES["analysis"] = {
    "type": "array",
    "items": _section(
        {
            "name": _NAME,
            "command": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            "timeout": _DURATION,
        },
        required=["name", "command"],
    ),
}

_TIMES = {
    "type": "array",
    "items": _section(
        {
            "days": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(DAYS)}},
            "start": {"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z"},
            "length": _DURATION,
            "tz": {"type": "string", "minLength": 1},
        },
        required=["start", "length"],
    ),
}

WINDOWS = _section({"download": _TIMES, "apply": _TIMES})

_VERSION = {"type": "string", "minLength": 1}
_BARRIER = _section(
    {"digest": _DIGEST, "version": _VERSION, "below": _VERSION, "reason": {"type": "string", "minLength": 1}},
    required=["digest", "version", "below"],
)

VARIANT = _section(
    {
        "name": _NAME,
        "image": {"type": "string", "minLength": 1},
        "digest": _DIGEST,
        "version": {"type": "string"},
        "size": {"type": "integer", "minimum": 0},
        "created": {"type": ["string", "null"]},
        "barriers": {"type": "array", "items": _BARRIER, "maxItems": 5},
    },
    required=["name", "image", "digest"],
)

SPEC = _section(
    {
        "schema": {"const": 1},
        "id": _NAME,
        "mode": {"const": "push"},
        "on_failure": {"const": "hold"},
        "variants": {"type": "array", "minItems": 1, "items": VARIANT},
        "release": {"type": "string", "minLength": 1},
        "selection": _section(
            {
                "hosts": {"type": "string", "minLength": 1},
                "labels": {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"type": "string"},
                    "additionalProperties": _LABELS,
                },
                "stratify_by": {"type": "array", "items": {"const": "variant"}, "maxItems": 1},
                "order": _section(
                    {"salt": {"type": "string", "minLength": 1}, "tier_var": {"type": "string", "minLength": 1}}
                ),
                "late_joiners": {"enum": ["catch_up", "own_wave", "ignore"]},
            }
        ),
        "waves": {
            "type": "array",
            "items": _section(
                {
                    "name": _NAME,
                    "count": {"type": "integer", "minimum": 1},
                    "percent": _PERCENT,
                    "select": {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"type": "string"},
                        "additionalProperties": _LABEL,
                    },
                    **_WAVE_RULES,
                },
                required=["name"],
            ),
        },
        "wave_defaults": _section(_WAVE_RULES),
        "pace": _section(
            {
                "parallel": _AT_LEAST_ONE,
                "start": _AT_LEAST_ONE,
                "factor": _AT_LEAST_ONE,
                "on_failure": {"enum": ["halve", "keep"]},
                "overshoot": _LIMIT,
                "download_rate": {"type": "string", "minLength": 1},
            }
        ),
        "abort": _section(
            {"percent": {"type": "integer", "minimum": 0, "maximum": 100}, "min_executed": _AT_LEAST_ONE}
        ),
        "budget": _section(
            {
                "group_by": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True},
                "max_unavailable": _SOME,
                "min_available": _LIMIT,
                "count_offline": {"type": "boolean"},
            }
        ),
        "catch_up": _section({"for": _DURATION, "max_failures": _LIMIT}),
        "stage": _section(
            {
                "policy": {"enum": ["with_reboot", "parked"]},
                "timeout": _DURATION,
                "attempts": {"type": "integer", "minimum": 1},
            }
        ),
        "apply": _section(
            {
                "reboot_timeout": _DURATION,
                "contact_grace": _DURATION,
                "stagger": {"type": "boolean"},
                "notify_user": _DURATION,
            }
        ),
        "windows": WINDOWS,
        "inhibit": _section(
            {
                "soft": _INHIBITORS,
                "hard": _INHIBITORS,
                "battery_min": _PERCENT,
                "disk_min": {"type": "integer", "minimum": 1},
                "probe_error": {"enum": ["defer", "ignore"]},
                "defer_deadline": _DURATION,
                "starve_alert": _DURATION,
            }
        ),
        "verify": _section(
            {
                "systemd": {"type": "boolean"},
                "commands": {
                    "type": "array",
                    "items": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                },
                "timeout": _DURATION,
                "settle": _DURATION,
            }
        ),
        "registry": _section({"insecure": {"type": "boolean"}, "auth_file": {"type": "string"}}),
        "supersedes": {"type": "array", "items": _NAME, "uniqueItems": True},
        "reverts": _NAME,
    },
    required=["schema", "id"],
)

REMEDIES = {
    "digest": "A rollout is pinned to one digest per variant: copy it from the release file that the publish playbook "
    "wrote, or name that file with `release:` instead of listing variants.",
    "image": "Name the repository the devices pull from, without a tag: registry.example/skorionos.",
    "id": "Give the rollout an id never used before, such as skorion-1.1.0; it names the folder of its ledger.",
    "schema": "Write `schema: 1`.",
    "stratify_by": "Write [variant], which cuts every variant into waves of its own, or [] for the fleet as a whole.",
    "abort.percent": "Choose 1 to 100: the share of failures among the verdicts. With 0 no rollout is ever given up.",
    "download_rate": 'Write bytes per second in quotes: "50M", "800k" or "6250000"; "6.25M" are 50 Mbit/s.',
    "start": 'Write a time of day in quotes, hours and minutes: "03:00".',
    "length": "Say how long the window stays open: 90m or 2h.",
    "disk_min": "Write a whole number of bytes: 5368709120 are 5 GiB.",
    "percent": "Percents are whole numbers from 1 to 100 and cumulative: 10 then 50 means 40 more.",
}

_PULL_MODE = (
    "That belongs to devices that fetch their releases by themselves, which is not there yet: a rollout goes to its "
    "devices and asks them. Remove the key."
)
_NOT_YET = {
    "mode": "Devices that fetch their releases by themselves are not there yet: a rollout goes to its devices, which "
    "the controller has to reach. Leave `mode` out or write `push`; for devices that are rarely awake run the rollout "
    "often, from a timer.",
    "on_failure": "A rollout that fails is held, and takes nobody back but the devices that failed: whether healthy "
    "devices shall go back as well is for a person to say. Leave `on_failure` out or write `hold`; the order `revert` "
    "of the playbook rollout_control takes all devices back.",
    **dict.fromkeys(
        ("gate", "policy", "revoked", "not_after", "retry_after", "registry.ring_tags", "selection.reach"), _PULL_MODE
    ),
    "registry.keep_tag": "The digests of a release are kept by the tags that the publish playbook gave them: a rollout "
    "writes nothing to a registry. Remove the key.",
    "apply.method": "Waiting for the user's own reboot is not there yet: a rollout reboots a device itself, in its "
    "windows, and spares whoever uses it (`inhibit`). Remove the key.",
    "stage.rate": "The download of one device cannot be slowed down: bootc has no limit of its own. "
    "`pace.download_rate` spreads the downloads of all devices over time, `pace.parallel` says how many go at once.",
}
"""Paths of keys that somebody may well look for, and why there is nothing, or only one thing, behind them."""

_DURATION_REMEDY = "Write a whole number and a unit: 90s, 30m, 2h or 14d."
_TYPE_REMEDIES = {
    "array": "Write a list there.",
    "boolean": "Write true or false.",
    "integer": "Write a whole number.",
    "object": "Write a mapping there: keys with values.",
    "string": "Write a text, in quotes if it looks like a number or a date.",
}
_RULE_REMEDIES = {
    "maxItems": "Leave some out.",
    "minItems": "It must not be empty: fill it in or remove it.",
    "minLength": "It must not be empty: fill it in or remove it.",
    "minProperties": "It must not be empty: fill it in or remove it.",
    "uniqueItems": "Name nothing twice.",
}


def _is_whole_number(_checker: TypeChecker, value: object) -> bool:
    """JSON Schema takes 1.0 for an integer; it cannot count devices."""
    return isinstance(value, int) and not isinstance(value, bool)


def _validator(schema: Mapping[str, Any]) -> Any:
    if not HAS_JSONSCHEMA:
        raise RolloutError(
            "The Python package jsonschema is missing on the controller.",
            "Install it into the environment that runs ansible-playbook.",
            "missing_library",
        )
    draft = jsonschema.Draft202012Validator
    types = draft.TYPE_CHECKER.redefine("integer", _is_whole_number)
    extend: Any = jsonschema.validators.extend
    return extend(draft, type_checker=types)(dict(schema))


def check(
    document: object,
    schema: Mapping[str, Any],
    source: str,
    *,
    kind: str = "rollout spec",
    line_of: Callable[[Sequence[str | int]], int | None] | None = None,
    reason: str = "invalid_spec",
) -> None:
    """Raise a RolloutError that lists every violation of ``schema`` in ``document``; ``source`` names the file.

    ``kind`` says what it is meant to be. With ``line_of``, which knows the line of a path, it says lines as well.
    """
    errors = sorted(_validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path)))
    if not errors:
        return
    problems = [_explain(error) for error in errors]
    if line_of is not None:
        lines = [line_of(_place(error)) for error in errors]
        problems = [
            (what if line is None else f"line {line}, {what}", remedy)
            for line, (what, remedy) in zip(lines, problems, strict=True)
        ]
    cause = f"{source} is not a valid {kind}: " + " ".join(
        f"({number}) {what}" if len(problems) > 1 else what for number, (what, _unused) in enumerate(problems, start=1)
    )
    raise RolloutError(cause, " ".join(dict.fromkeys(remedy for _unused, remedy in problems if remedy)), reason)


def _unknown(content: Any, rules: Mapping[str, Any]) -> list[str]:
    """The keys that the rules of a mapping neither name nor leave to whoever writes it, in the order of the file."""
    free = rules.get("patternProperties", {})
    strange = [str(name) for name in content if name not in rules["properties"]]
    return [name for name in strange if not any(re.search(pattern, name) for pattern in free)]


def _place(error: ValidationError) -> tuple[str | int, ...]:
    """The path of what is wrong. To the validator a key that should not be there is a mistake of what it is in."""
    place = tuple(error.absolute_path)
    content: Any = error.instance
    rules: Any = error.schema
    if error.validator == "additionalProperties":
        return (*place, next(iter(_unknown(content, rules))))
    return (*place, str(content)) if "propertyNames" in error.absolute_schema_path else place


def _explain(error: ValidationError) -> tuple[str, str]:
    """What is wrong at which path, and the remedy."""
    where = _path(error.absolute_path) or "the top level"
    key = next((str(part) for part in reversed(error.absolute_path) if isinstance(part, str)), "")
    rule = str(error.validator)
    bound: Any = error.validator_value
    content: Any = error.instance
    rules: Any = error.schema
    if rule == "required":
        missing = next(name for name in bound if error.message.startswith(repr(name)))
        remedy = REMEDIES.get(missing) or rules["properties"][missing].get("remedy", "")
        return f"{where}: the key {missing!r} is missing.", remedy
    if rule == "additionalProperties":
        return _unknown_keys(error, where)
    what, remedy = f"{error.message}.", REMEDIES.get(where) or REMEDIES.get(key) or _general_remedy(error)
    if rule == "const" and where in _NOT_YET:
        what, remedy = f"{content!r} is not there yet, only {bound!r}.", _NOT_YET[where]
    elif rule in ("minimum", "maximum"):
        what = f"{content} is {_side(rule)} {bound}."
    elif rule == "pattern" and bound == _DURATION["pattern"]:
        what = f"{content!r} is not a duration."
    elif rule == "pattern" and bound == _DIGEST["pattern"]:
        what = f"{content!r} is not a digest (sha256: and 64 hexadecimal digits)."
    elif rule == "anyOf":
        what, remedy = f"{content!r} is {rules['otherwise']}.", rules["remedy"]
    return f"{where}: {what}", remedy


def _general_remedy(error: ValidationError) -> str:
    """What to do about a violation whose key has no remedy of its own."""
    rule = str(error.validator)
    bound: Any = error.validator_value
    rules: Any = error.schema
    if rules.get("pattern") == _DURATION["pattern"]:
        return _DURATION_REMEDY
    if rule == "type":
        return _TYPE_REMEDIES[bound if isinstance(bound, str) else bound[0]]
    if "remedy" in rules:
        return str(rules["remedy"])
    if rule == "enum":
        return f"Choose one of {', '.join(bound)}."
    if rule in ("minimum", "maximum"):
        return f"Choose a value that is not {_side(rule)} {bound}."
    return _RULE_REMEDIES.get(rule, "")


def _side(rule: str) -> str:
    return "less than" if rule == "minimum" else "more than"


def _unknown_keys(error: ValidationError, where: str) -> tuple[str, str]:
    section: Any = error.schema
    content: Any = error.instance
    known: list[str] = sorted(section["properties"])
    unknown = sorted(_unknown(content, section))
    near = [match for name in unknown for match in difflib.get_close_matches(name, known, n=1)]
    names = ", ".join(repr(name) for name in unknown)
    place = re.sub(r"\[[0-9]+\]", "", _path(error.absolute_path))
    paths = [f"{place}.{name}" if place else name for name in unknown]
    told = list(dict.fromkeys(_NOT_YET[path] for path in paths if path in _NOT_YET))
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    return f"{where}: unknown key {names}.{hint}", " ".join([*told, f"Known keys there: {', '.join(known)}."])


def _path(parts: Iterable[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
