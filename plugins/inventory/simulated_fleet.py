# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of simulated devices, made out of nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: simulated_fleet
short_description: A fleet of simulated bootc devices
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Makes hosts that exist only as directories kept by the simulator, for demonstrations, rehearsals and tests.
  - Every host uses the connection P(skorionos.bootc.simulated#connection) and is in the group of its variant and in the
    group C(bootc_simulated).
  - The devices themselves are created by a playbook or with C(python3 simulator device DIR create).
options:
  plugin:
    description: Must name this plugin.
    type: str
    required: true
    choices:
      - skorionos.bootc.simulated_fleet
  directory:
    description: Directory that holds one directory per device, relative to the current one when not absolute.
    type: path
    default: .demo/devices
    env:
      - name: BOOTC_SIMULATED_DIRECTORY
  devices:
    description: What to make, group by group.
    type: list
    elements: dict
    required: true
    suboptions:
      variant:
        description: Variant that these devices run; becomes the variable C(bootc_variant) and a group.
        type: str
        required: true
      count:
        description: How many there are.
        type: int
        default: 1
      prefix:
        description: Names are this, a dash and a number that starts at 1 per prefix. The variant when not given.
        type: str
      create:
        description:
          - Options of C(simulator device DIR create) without leading dashes, such as C(backend) or C(bootc-version).
          - Becomes the variable C(bootc_simulated_arguments), a list of command-line arguments.
        type: dict
        default: {}
      faults:
        description:
          - Faults that the devices have from the start, as listed by C(python3 simulator faults).
          - Becomes the variable C(bootc_simulated_faults).
        type: list
        elements: str
        default: []
      vars:
        description: Further variables of these hosts.
        type: dict
        default: {}
"""

EXAMPLES = r"""
plugin: skorionos.bootc.simulated_fleet
devices:
  - variant: kde
    count: 8
    create:
      backend: composefs
  - variant: gnome
    count: 1
    prefix: sleeper
    faults:
      - asleep
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.skorionos.bootc.plugins.plugin_utils._inventory_file import (
    check_options,
    load_file,
    read_checked,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._simulated import GROUP, simulated_variables

_MOST = 100_000
_KEYS = {"variant", "count", "prefix", "create", "faults", "vars"}


class InventoryModule(BaseInventoryPlugin):
    """Reads one YAML file and adds its hosts."""

    NAME = "skorionos.bootc.simulated_fleet"

    def verify_file(self, path: str) -> bool:
        """Take YAML files; ``plugin:`` in them decides the rest."""
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the hosts that the file asks for."""
        super().parse(inventory, loader, path, cache)
        read_checked(
            path,
            self._read_config_data,
            lambda given: load_file(loader, given),
            lambda content: check_options(Path(path), content, self.option_definitions),
        )
        directory = Path(self.get_option("directory")).absolute()
        inventory.add_group(GROUP)
        numbers: dict[str, int] = {}
        for index, devices in enumerate(self.get_option("devices")):
            self._check(devices, f"{path}: devices[{index}]")
            self._add(devices, directory, numbers)

    def _check(self, devices: dict[str, Any], where: str) -> None:
        unknown = sorted(set(devices) - _KEYS)
        if unknown:
            raise AnsibleParserError(
                f"{where}: unknown key {', '.join(unknown)}. Known keys: {', '.join(sorted(_KEYS))}."
            )
        if not isinstance(devices.get("variant"), str):
            raise AnsibleParserError(f"{where}: the key variant is missing. Name the variant that these devices run.")
        count = devices.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MOST:
            raise AnsibleParserError(
                f"{where}: count {count!r} is no whole number up to {_MOST}. Say how many devices there are."
            )
        for key, kind, what in (("faults", list, "a list"), ("create", dict, "a mapping"), ("vars", dict, "a mapping")):
            if not isinstance(devices.get(key, kind()), kind):
                raise AnsibleParserError(f"{where}: {key} {devices[key]!r} is not {what}. Write it as {what}.")

    def _add(self, devices: dict[str, Any], directory: Path, numbers: dict[str, int]) -> None:
        variant = str(devices["variant"])
        prefix = str(devices.get("prefix", variant))
        group = self.inventory.add_group(variant)
        for _unused in range(devices.get("count", 1)):
            numbers[prefix] = numbers.get(prefix, 0) + 1
            host = f"{prefix}-{numbers[prefix]:02}"
            self.inventory.add_host(host, group=GROUP)
            self.inventory.add_child(group, host)
            variables = {
                **simulated_variables(directory / host, devices.get("create", {}), devices.get("faults", [])),
                "bootc_variant": variant,
                **devices.get("vars", {}),
            }
            for name, value in variables.items():
                self.inventory.set_variable(host, name, value)
