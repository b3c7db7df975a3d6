# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory that turns the hosts of other sources into simulated devices."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rehearsal
short_description: Rehearse with your own inventory, on simulated devices
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Adds no hosts. Every host of the sources before this one, except C(localhost), becomes a simulated device, with the
    connection P(skorionos.bootc.simulated#connection) and in the group C(bootc_simulated). Its groups and its other
    variables stay.
  - Name it last, C(-i my_fleet.yml -i inventory/rehearsal.yml). Hosts of later sources stay what they are.
  - What it sets wins over variables of groups and of inventories, and loses to files in C(host_vars) and to C(-e). The
    playbook C(skorionos.bootc.rehearse) looks at the outcome, and refuses to begin where a host is not simulated.
    C(ansible_host) becomes a name that no resolver knows, so that a host whose connection is another by accident is
    not found.
  - The devices themselves are made by that playbook.
options:
  plugin:
    description: Must name this plugin.
    type: str
    required: true
    choices:
      - skorionos.bootc.rehearsal
  directory:
    description: Directory of the rehearsal, relative to the current one when not absolute. Devices are in C(devices).
    type: path
    default: .rehearsal
    env:
      - name: BOOTC_REHEARSAL_DIRECTORY
  seed:
    description: Draws who is of a profile's share. The same seed, profile and hosts give the same share.
    type: str
    default: "1"
  create:
    description: Options of C(simulator device DIR create) for all devices, without leading dashes.
    type: dict
    default: {boot-seconds: 1}
  profiles:
    description:
      - What is special about some devices. A device may be of several; their faults add up. There is a warning where a
        profile turns out to be about nobody.
    type: list
    elements: dict
    default: []
    suboptions:
      hosts:
        description: The name of a host or of a group, which may have C(*), C(?) and C([...]) in it.
        type: str
        default: "*"
      percent:
        description: Which share of them, 0 to 100, rounded.
        type: int
        default: 100
      faults:
        description: Faults that they have from the start, as listed by C(python3 simulator faults).
        type: list
        elements: str
        default: []
      create:
        description: Further options of C(simulator device DIR create), without leading dashes.
        type: dict
        default: {}
"""

EXAMPLES = r"""
# One device in five sleeps, and one at the shop does not come back from its reboot.
plugin: skorionos.bootc.rehearsal
profiles:
  - percent: 20
    faults:
      - asleep
  - hosts: shop-*
    percent: 10
    faults:
      - silent-after-reboot
  - hosts: composefs
    create:
      backend: composefs
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.files import position
from ansible_collections.skorionos.bootc.plugins.plugin_utils._inventory_file import (
    check_options,
    load_file,
    read_checked,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rehearsal.profiles import nobody, parse_profile, share_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._simulated import GROUP, simulated_variables

_LOCAL = ("localhost", "127.0.0.1", "::1")


class InventoryModule(BaseInventoryPlugin):
    """Reads one YAML file and overrides variables of the hosts that are there already."""

    NAME = "skorionos.bootc.rehearsal"

    def verify_file(self, path: str) -> bool:
        """Take YAML files; ``plugin:`` in them decides the rest."""
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Make every host a simulated device."""
        super().parse(inventory, loader, path, cache)
        read_checked(
            path,
            self._read_config_data,
            lambda given: load_file(loader, given),
            lambda content: check_options(Path(path), content, self.option_definitions),
        )
        directory = Path(self.get_option("directory")).absolute()
        groups = {
            name: [group.name for group in host.get_groups()]
            for name, host in inventory.hosts.items()
            if name not in _LOCAL
        }
        if not groups:
            raise AnsibleParserError(
                f"{path}: there are no hosts to rehearse with. Name the inventory of your fleet before this file: "
                f"-i my_fleet.yml -i {path}"
            )
        create: dict[str, dict[str, Any]] = {name: dict(self.get_option("create")) for name in groups}
        faults: dict[str, list[str]] = {name: [] for name in groups}
        for index, given in enumerate(self.get_option("profiles")):
            try:
                profile = parse_profile(given)
            except ValueError as error:
                raise AnsibleParserError(f"{path}: profiles[{index}]: {error}") from error
            share = share_of(profile, groups, f"{self.get_option('seed')} {index}")
            if profile.percent and not share:
                where = position(Path(path), ("profiles", index))
                self.display.warning(f"{where}: this profile is about nobody: {nobody(profile, groups)}.")
            for name in share:
                create[name].update(profile.create)
                faults[name] += [fault for fault in profile.faults if fault not in faults[name]]
        inventory.add_group(GROUP)
        inventory.groups[GROUP].set_variable("bootc_rehearsal_directory", str(directory))
        for name in groups:
            inventory.add_child(GROUP, name)
            unreachable = dict.fromkeys(("ansible_host", "ansible_ssh_host"), f"{name}.rehearsal.invalid")
            simulated = simulated_variables(directory / "devices" / name, create[name], faults[name])
            for key, value in {**unreachable, "ansible_become": False, **simulated}.items():
                inventory.set_variable(name, key, value)
