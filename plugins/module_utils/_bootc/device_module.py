# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the device modules have in common besides their verb: options, results, failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from .._device.boot import boot_id
from .._errors import BootcError
from .client import STATUS_SECONDS, Client

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .flow import Outcome


def timeout_option(default: int) -> dict[str, Any]:
    """The option every device module has."""
    return {"type": "int", "default": default}


def change_result(outcome: Outcome) -> dict[str, Any]:
    """The result of a module that changes the host."""
    return {
        "changed": outcome.changed,
        "bootc": outcome.after.as_dict(),
        "commands": [list(command) for command in outcome.commands],
        "notes": list(outcome.notes),
        "diff": {"before": outcome.before.as_dict(), "after": outcome.after.as_dict()},
    }


@dataclass(frozen=True)
class Call:
    """One execution of a device module: its options with all defaults, and whether it may only predict.

    ``warn`` takes a sentence for whoever ran the task.
    """

    params: Mapping[str, Any]
    check_mode: bool
    warn: Callable[[str], None]


def with_defaults(options: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is ``given`` for ``options`` and their defaults for the rest, as Ansible fills them in.

    Types and choices are not looked at. Raises KeyError for an option that is required, ValueError for one that there
    is not.
    """
    unknown = sorted(set(given) - set(options))
    if unknown:
        raise ValueError(f"unknown options: {', '.join(unknown)}")
    return {
        name: _filled_in(option, given[name] if option.get("required") else given.get(name, option.get("default")))
        for name, option in options.items()
    }


def _filled_in(option: Mapping[str, Any], value: Any) -> Any:
    if "options" not in option or value is None:
        return value
    if isinstance(value, list):
        return [with_defaults(option["options"], entry) for entry in value]
    return with_defaults(option["options"], value)


def answer(timeout: int, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a module that does ``work``; with ``failed`` and the reason where that fails."""
    if timeout <= 0:
        return {"failed": True, "msg": "The timeout is not positive. Give it in seconds.", "reason": "invalid"}
    # Before the work: what an answer says of the device must not be older than the boot it claims to be from.
    boot = boot_id()
    try:
        result = work()
    except BootcError as exc:
        return {"boot_id": boot, **exc.as_result(), "failed": True}
    result.setdefault("changed", False)
    result.setdefault("boot_id", boot)
    return result


def run_device_module(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    """Do the work of a module and end it, in failure with the reason."""
    result = answer(module.params["timeout"], work)
    if result.pop("failed", False):
        module.fail_json(**result)
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


def run_call(module: AnsibleModule, work: Callable[[Call], dict[str, Any]]) -> None:
    """The same for work that knows nothing of Ansible."""
    call = Call(module.params, module.check_mode, module.warn)
    run_device_module(module, lambda: work(call))


def check_commands(commands: Sequence[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    """Commands as words. One without any would check nothing and be well, where somebody meant something."""
    for number, command in enumerate(commands, start=1):
        if not command or command[0] in ("", None):
            raise BootcError(
                "invalid",
                f"Command {number} of {len(commands)} names no program",
                "Give each command as a list of words, the program first, or leave it out",
            )
    return tuple(tuple(map(str, command)) for command in commands)


def status_or_none() -> dict[str, Any] | None:
    """The state of the host for modules whose answer does not depend on it."""
    try:
        return Client().status(STATUS_SECONDS).as_dict()
    except BootcError:
        return None
