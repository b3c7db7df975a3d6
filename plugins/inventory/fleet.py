# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a fleet: its devices from one file, and groups from what was last seen of them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: A fleet of bootc devices, grouped by what they run
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Reads a file that lists devices, with ranges for many and templates for what they have in common.
  - What is wrong in the file is said with its line, before any device is touched. It may have no other keys than the
    options listed here.
  - Sets the variables that rollouts go by. C(variant), C(site), C(ring), C(model), C(timezone) and C(windows) of a
    device become C(bootc_variant), C(bootc_site), C(bootc_ring), C(bootc_model), C(bootc_timezone) and
    C(bootc_windows); what is under C(reach) becomes what Ansible connects with.
  - Makes a group of every label, such as C(variant_kde), C(ring_canary), C(site_berlin) and C(model_steam_deck). Names
    of groups are lower-case, and all but letters from A to Z and digits becomes C(_) in them. There is a warning where
    two labels share a group by that; one of which nothing is left, such as a model in other letters only, is refused.
  - Makes groups of what the playbook C(skorionos.bootc.status) saw last, which it keeps in O(memory).
    C(backend_composefs), C(booted_1_1_0), C(digest_) with the first 12 digits of the digest, C(bootc_staged),
    C(bootc_needs_reboot), C(bootc_drifted) for devices that run something else than what their last rollout left them
    with, C(bootc_unreachable) for those that did not answer, and C(bootc_unreachable_1d), C(bootc_unreachable_7d) and
    C(bootc_unreachable_30d) for those that have not answered for so many days.
  - Such a device has the variables C(bootc_seen), with the keys of what M(skorionos.bootc.fleet_status) returns of it,
    C(bootc_seen_at) and, when it did not answer, C(bootc_unreachable_since).
  - Facts in Ansible's own cache, such as C(bootc) by M(skorionos.bootc.bootc_status), can be used in O(compose),
    O(groups) and O(keyed_groups) as well, when one that lasts is configured (C(ANSIBLE_CACHE_PLUGIN=jsonfile)). Where
    it cannot be read there is a warning, and the devices are there all the same.
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: Must name this plugin.
    type: str
    required: true
    choices:
      - skorionos.bootc.fleet
  memory:
    description:
      - The file in which the status playbook keeps what it saw, relative to the folder of the fleet file. By default it
        is beside the fleet file and named after it, C(.fleet-status.json) for C(fleet.yml).
      - It need not exist yet. When it is given, the devices get it as C(bootc_status_memory), so that the status
        playbook writes the same one.
    type: str
    env:
      - name: BOOTC_FLEET_MEMORY
  include:
    description:
      - Further files with O(devices) and O(templates), relative to the folder of the file that names them. C(*) stands
        for several. They may include others.
    type: list
    elements: str
    default: []
  defaults:
    description:
      - What holds for every device that does not say otherwise. It has the keys of an entry of O(devices) except name,
        address and template. Only one of the files may have it.
    type: dict
    default: {}
  templates:
    description:
      - What devices have in common, by name, with the same keys as O(defaults). A template may build on another with
        C(template).
    type: dict
    default: {}
  devices:
    description: The devices.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the device, or of many of them as in C(deck-[01:40]). Step C([01:40:2]) takes every second.
        type: str
        required: true
      address:
        description: Where it is, if not at its name. For many of them, a range of the same length.
        type: str
      template:
        description: The template to start from.
        type: str
      variant:
        description: The variant of the image that it runs.
        type: str
      site:
        description: Where it stands.
        type: str
      ring:
        description: How early it takes part in rollouts, such as V(canary).
        type: str
      model:
        description: What kind of device it is.
        type: str
      timezone:
        description: Its time zone as the controller knows it, for windows. What the device says itself when not given.
        type: str
      windows:
        description:
          - When a rollout may disturb it. It does so only while the windows of its spec, if any, are open as well.
          - Those of defaults, templates and the device add up by key. An empty list takes away what was said before.
        type: dict
        suboptions:
          apply:
            description: When it may be rebooted. A window has C(start), C(length) and, if need be, C(days) and C(tz).
            type: list
            elements: dict
          download:
            description: When it may begin to download, besides.
            type: list
            elements: dict
      reach:
        description: How to connect to it.
        type: dict
        suboptions:
          connection:
            description: The connection plugin.
            type: str
          user:
            description: The user to log in as.
            type: str
          port:
            description: The port of ssh.
            type: int
          jump:
            description:
              - The host to go through, as C(ssh -J) takes it. It becomes C(ansible_ssh_common_args) of the device, in
                place of what groups say there.
            type: str
          become:
            description: Whether to become root there.
            type: bool
          python:
            description: Path of Python on the device.
            type: str
      vars:
        description: Any other variables. Those of defaults, templates and the device add up.
        type: dict
seealso:
  - plugin: skorionos.bootc.simulated_fleet
    plugin_type: inventory
notes:
  - Nothing in a fleet file is templated when it is loaded. Variables are when they are used, as in any inventory.
"""

EXAMPLES = r"""
# fleet.yml
plugin: skorionos.bootc.fleet
defaults:
  reach: {user: admin, become: true}
templates:
  deck: {variant: kde, model: steam-deck}
  kiosk:
    variant: gnome
    site: berlin
    timezone: Europe/Berlin
    windows:
      apply:
        - {days: [mon, tue, wed, thu, fri], start: "22:00", length: 6h}
devices:
  - {name: deck-01, template: deck, ring: canary}
  - {name: "deck-[02:40]", template: deck}
  - {name: "kiosk-[1:12]", address: "192.0.2.[11:22]", template: kiosk, reach: {jump: gate.example.com}}
keyed_groups:
  - {key: bootc_seen.bootc_version, prefix: client}
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.plugins.loader import cache_loader
from ansible.utils.vars import combine_vars
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.files import read_fleet
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.groups import (
    label_groups,
    seen_groups,
    shared_groups,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.members import Member
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.memory import Seen, beside, load_memory
from ansible_collections.skorionos.bootc.plugins.plugin_utils._inventory_file import (
    load_file,
    option_rules,
    read_checked,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import format_time


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Adds the devices of a fleet file, and their groups."""

    NAME = "skorionos.bootc.fleet"

    def verify_file(self, path: str) -> bool:
        """Take YAML files; ``plugin:`` in them decides the rest."""
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the hosts and groups of a fleet file."""
        super().parse(inventory, loader, path, cache)
        options = option_rules(self.option_definitions)

        def load(part: Path) -> Any:
            return load_file(loader, part)

        devices = read_checked(
            path, self._read_config_data, load, lambda content: read_fleet(Path(path), content, load, options)
        )
        for surprise in shared_groups(device.labels for device in devices):
            self.display.warning(f"{path}: {surprise}")
        try:
            given = self.get_option("memory")
            kept = Path(path).parent / given if given else beside(Path(path))
            memory = load_memory(kept)
        except RolloutError as error:  # groups by what was seen are missed then, devices are not
            self.display.warning(str(error))
            memory = {}
        now = time.time()
        known: set[str] = set()
        own = {"bootc_status_memory": str(kept.absolute())} if given else {}
        for device in devices:
            self._add(device, own, memory.get(device.name), now, known)
        self._construct(devices)

    def _add(self, device: Member, own: Mapping[str, Any], seen: Seen | None, now: float, known: set[str]) -> None:
        self.inventory.add_host(device.name)
        variables = {**own, **device.variables}
        groups = list(label_groups(device.labels))
        if seen is not None:
            groups += seen_groups(seen, now)
            variables.update(_seen_variables(seen))
        for group in groups:
            if group not in known:
                known.add(group)
                self.inventory.add_group(group)
            self.inventory.add_child(group, device.name)
        for name, value in variables.items():
            self.inventory.set_variable(device.name, name, value)

    def _construct(self, devices: list[Member]) -> None:
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed):
            return
        strict = self.get_option("strict")
        facts = self._cached_facts([device.name for device in devices])
        for device in devices:
            variables = combine_vars(self.inventory.get_host(device.name).get_vars(), facts.get(device.name, {}))
            self._set_composite_vars(compose, variables, device.name, strict=strict)
            variables = combine_vars(variables, self.inventory.get_host(device.name).get_vars())
            self._add_host_to_composed_groups(groups, variables, device.name, strict=strict, fetch_hostvars=False)
            self._add_host_to_keyed_groups(keyed, variables, device.name, strict=strict, fetch_hostvars=False)

    def _cached_facts(self, hosts: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What Ansible's cache has of them. As for Ansible itself, a cache that cannot be had is no reason to end."""
        found: dict[str, Mapping[str, Any]] = {}
        try:
            cache = cache_loader.get(constants.CACHE_PLUGIN)
        except AnsibleError as error:
            self.display.warning(f"Nobody is in groups by cached facts: {error}")
            return found
        for host in hosts:
            try:
                if cache.contains(host):
                    found[host] = cache.get(host)
            except (AnsibleError, KeyError) as error:  # KeyError: it expired, or the file cannot be read
                self.display.warning(f"{host} is not in groups by cached facts: {error}")
        return found


def _seen_variables(seen: Seen) -> Mapping[str, Any]:
    variables: dict[str, Any] = {"bootc_seen": dict(seen.status)}
    if seen.seen_at is not None:
        variables["bootc_seen_at"] = format_time(seen.seen_at)
    if seen.unreachable_since is not None:
        variables["bootc_unreachable_since"] = format_time(seen.unreachable_since)
    return variables
