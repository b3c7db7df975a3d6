# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example to copy: a tree that can be built, without what goes wrong in systems."""

from __future__ import annotations

import shutil

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.jobs import Settings, make_jobs
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.lint import level_problems, lint


@pytest.fixture(scope="module")
def variables(repository):
    """What the example sets for everybody, with templates of one another filled in."""
    file = repository / "inventory" / "example" / "group_vars" / "all" / "variants.yml"
    text = file.read_text(encoding="utf-8")
    day = yaml.safe_load(text)["bootc_package_day"]
    return yaml.safe_load(text.replace("{{ bootc_package_day }}", day))


def make(repository, tmp_path, variables, version="1.0.0"):
    settings = Settings(
        namespace=variables["bootc_namespace"],
        version=version,
        directory=repository / "inventory" / "example-release" / "images",
        repository=variables["bootc_repository"],
        tags=["{variant}-v{version}"],
    )

    def identify(base):
        return base.partition("@")[2]

    jobs = make_jobs(variables["bootc_variants"], None, settings, tmp_path, identify)
    return {job.node: job for job in jobs}


@pytest.fixture
def jobs(repository, tmp_path, variables):
    return make(repository, tmp_path, variables)


def test_it_is_the_tree_of_five(jobs):
    assert {name: job.parent and job.parent.split("/")[-1] for name, job in jobs.items()} == {
        "minimal": None,
        "base": "minimal:1.0.0",
        "kde": "base:1.0.0",
        "gnome": "base:1.0.0",
        "hyprland": "base:1.0.0",
    }
    assert [name for name, job in jobs.items() if job.wanted] == ["kde", "gnome", "hyprland"]


def test_the_rules_find_nothing_in_it(jobs, variables):
    assert variables["bootc_lint"] == {"all": "error"}
    assert level_problems(variables["bootc_lint"]) == []
    assert [finding for job in jobs.values() for finding in lint(job.text)] == []


def test_everything_it_downloads_is_of_a_fixed_day(jobs):
    assert "@sha256:" in jobs["minimal"].base
    assert "archive.archlinux.org/repos/2026/11/01/" in jobs["minimal"].text
    assert "SigLevel = Required" in jobs["minimal"].text
    for job in jobs.values():
        assert "TrustAll" not in job.text
        assert "curl" not in job.text


def test_each_desktop_says_which_one_it_is_and_of_which_release(jobs):
    for name in ("kde", "gnome", "hyprland"):
        assert f'VARIANT_ID="{name}"' in jobs[name].text
        assert 'VERSION_ID="%s"' in jobs[name].text


def test_the_initramfs_is_made_once(jobs):
    assert [name for name, job in jobs.items() if "dracut --force" in job.text] == ["base"]


def test_another_release_changes_the_desktops_only(repository, tmp_path, variables, jobs):
    later = make(repository, tmp_path / "later", variables, "1.1.0")
    same = [name for name in jobs if jobs[name].hashed == later[name].hashed]
    assert same == ["minimal", "base"]


def test_a_changed_file_changes_its_variant_only(repository, tmp_path, variables, jobs):
    release = repository / "inventory" / "example-release"
    shutil.copytree(release, tmp_path / "copy" / "inventory" / "example-release")
    place = tmp_path / "copy"
    (place / "inventory/example-release/images/kde/rootfs/new").touch()
    changed = make(place, tmp_path / "changed", variables)
    assert [name for name in jobs if jobs[name].hashed != changed[name].hashed] == ["kde"]


def test_its_folder_is_an_inventory_and_nothing_else(repository, monkeypatch):
    monkeypatch.setattr("ansible.constants.INVENTORY_ANY_UNPARSED_IS_FAILED", True)
    inventory = InventoryManager(DataLoader(), [str(repository / "inventory" / "example")])
    assert {host.name for host in inventory.get_hosts()} == {"deck-01", "deck-02", "pad-01", "desk-01"}
    assert set(inventory.groups) == {"all", "ungrouped", "fleet", "kde", "gnome", "hyprland"}


def test_every_device_runs_a_variant_that_is_published(repository, jobs):
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(repository / "inventory" / "example")])
    variable_manager = VariableManager(loader, inventory)
    variants = {variable_manager.get_vars(host=host)["bootc_variant"] for host in inventory.get_hosts("fleet")}
    assert variants == {name for name, job in jobs.items() if job.wanted}
