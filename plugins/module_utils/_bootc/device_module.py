# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the device modules have in common besides their verb: options, results, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

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


def run_device_module(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    """Do the work of a module and end it, in failure with the reason."""
    if module.params["timeout"] <= 0:
        module.fail_json(msg="The timeout is not positive. Give it in seconds.", reason="invalid")
    # Before the work: what an answer says of the device must not be older than the boot it claims to be from.
    boot = boot_id()
    try:
        result = work()
    except BootcError as exc:
        module.fail_json(boot_id=boot, **exc.as_result())
    if not module._diff:
        result.pop("diff", None)
    result.setdefault("changed", False)
    result.setdefault("boot_id", boot)
    module.exit_json(**result)


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
