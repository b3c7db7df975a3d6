# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides show is what the collection takes: specs validate, links lead somewhere, every key is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.words import HOLD_RULES, WAIT_RULES
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.schema import SPEC
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec, timing_warnings
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState

from simulator import catalogue
from simulator.faults import TABLE

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SPEC_BLOCK = re.compile(r"<!-- rollout-spec -->\n+```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
RELEASE = {"version": "1", "variants": [{"name": "kde", "image": "r.example/os", "digest": "sha256:" + "0" * 64}]}


def spec_blocks(text: str) -> list[str]:
    return SPEC_BLOCK.findall(text)


def relative_links(text: str) -> list[str]:
    """Targets of links to files of this repository, without their anchors."""
    targets = [target.partition("#")[0] for target in LINK.findall(FENCED.sub("", text))]
    return [target for target in targets if target and "://" not in target]


BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(spec_blocks(page.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_spec_in_the_guides_is_valid(block: str) -> None:
    document = yaml.safe_load(block)
    parse_spec(document, "the example", RELEASE if "release" in document else None)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_windows_of_every_spec_in_the_guides_leave_its_waves_enough_time(block: str) -> None:
    document = yaml.safe_load(block)
    assert timing_warnings(parse_spec(document, "the example", RELEASE if "release" in document else None)) == []


def test_the_guides_show_specs_and_a_wrong_one_would_be_found() -> None:
    assert len(BLOCKS) >= 5
    (block,) = spec_blocks("<!-- rollout-spec -->\n```yaml\nschema: 1\nid: x\nwave: []\n```\n")
    with pytest.raises(RolloutError, match="Did you mean 'waves'"):
        parse_spec(yaml.safe_load(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    broken = [
        target
        for target in relative_links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists() or not (page.parent / target).resolve().is_relative_to(REPOSITORY)
    ]
    assert broken == []


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target.partition("#") for target in LINK.findall(FENCED.sub("", text)) if "://" not in target]
    pointed = {(name, anchor) for name, _sign, anchor in targets if anchor and (not name or name.endswith(".md"))}
    broken = [
        f"{name}#{anchor}"
        for name, anchor in pointed
        if anchor not in anchors((page.parent / name).read_text(encoding="utf-8") if name else text)
    ]
    assert broken == []


def test_headings_become_anchors_as_they_do_where_pages_are_read() -> None:
    assert anchors("## 7. Back\n### Why is this `x_y` waiting?\n") == {"7-back", "why-is-this-x_y-waiting"}


def test_the_list_of_guides_has_every_guide() -> None:
    listed = relative_links((REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8"))
    guides = {path.name for path in (REPOSITORY / "docs").glob("*.md")} - {"README.md"}
    assert guides - set(listed) == set()
    assert len(listed) == len(set(listed))


def test_the_guide_for_a_hold_begins_with_every_line_that_a_summary_may_show() -> None:
    text = (REPOSITORY / "docs" / "held.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| `([a-z_]+)` \|", text, re.MULTILINE))
    shown = {words.partition(" (`Aborted")[0]: rule for words, rule in rows.items()}
    assert shown == {words: rule for rule, words in HOLD_RULES.items()}


def test_links_are_found_outside_of_code_only() -> None:
    text = "[a](docs/a.md#part) ![b](b.svg) [c](https://c.example/) [d](#here)\n```\n[e](f)\n```\n"
    assert relative_links(text) == ["docs/a.md", "b.svg"]


def _keys(section: dict[str, Any], path: str = "") -> list[str]:
    names = []
    for name, rule in section.get("properties", {}).items():
        below = _keys(rule, f"{path}{name}.") + _keys(rule.get("items", {}), f"{path}{name}[].")
        names += [f"{path}{name}", *below]
    return names


def test_every_key_of_a_spec_is_explained_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "rollout-spec.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", text, re.MULTILINE))
    rules = set(SPEC["properties"]["wave_defaults"]["properties"])
    known = {key for key in _keys(SPEC) if key.rpartition(".")[2] not in rules}
    # Windows of both kinds have the same keys, and so do the analyses of all waves.
    same = re.compile(r"^(windows\.[a-z]+|(waves\[\]|wave_defaults)\.analysis)\[\]\.")
    known = {same.sub("", key) for key in known}
    sections = {
        "selection",
        "selection.order",
        "pace",
        "abort",
        "budget",
        "stage",
        "apply",
        "verify",
        "registry",
        "windows",
        "inhibit",
    }
    assert (known - sections) | rules <= explained


def test_every_rule_and_state_a_report_may_name_is_explained() -> None:
    text = (REPOSITORY / "docs" / "rollout-spec.md").read_text(encoding="utf-8")
    words = {*HOLD_RULES, *WAIT_RULES, *(state.value for state in DeviceState)}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_the_first_rollout_uses_digests_that_the_simulated_registry_has() -> None:
    text = (REPOSITORY / "docs" / "first-rollout.md").read_text(encoding="utf-8")
    digests = {digest for block in spec_blocks(text) for digest in DIGEST.findall(block)}
    assert digests
    assert digests <= {catalogue.build(image).top for image in catalogue.read(catalogue.DEFAULT)}


def test_every_fault_of_the_simulator_is_listed() -> None:
    text = (REPOSITORY / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert {name for name in TABLE if f"`{name}" not in text} == set()


GATES = [REPOSITORY / "docs/image-report.md", REPOSITORY / "plugins/modules/image_layers.py"]


def _passes(page: Path, updates: list[tuple[str, str, int]]) -> bool:
    """Evaluate the task of a page that refuses an update which is too large."""
    text = page.read_text(encoding="utf-8")
    block = re.search(r"- name: Refuse an update.*?(?=\n```|\n\"\"\")", text, re.DOTALL)
    assert block is not None
    (task,) = yaml.safe_load(block[0])
    told = [{"from": old, "to": new, "layer_level": {"download": size}} for old, new, size in updates]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)

    def value(expression: str, **known: Any) -> Any:
        return environment.compile_expression(expression, undefined_to_none=False)(layers={"updates": told}, **known)

    known = {name: list(value(text.strip("{} "))) for name, text in task["vars"].items()}
    return bool(value(task["ansible.builtin.assert"]["that"], **known))


@pytest.mark.parametrize("page", GATES, ids=lambda page: page.name)
def test_the_gate_for_large_updates_looks_at_the_newest_release_only(page: Path) -> None:
    large, small = 2_000_000_000, 5
    assert _passes(page, [])
    assert _passes(page, [("1.0", "1.1", large), ("1.0", "1.2", small), ("1.1", "1.2", small)])
    assert not _passes(page, [("1.0", "1.1", small), ("1.0", "1.2", large), ("1.1", "1.2", small)])


def test_no_more_than_nothing_may_be_read_when_a_report_is_told_so() -> None:
    (play,) = yaml.safe_load((REPOSITORY / "playbooks/image_report.yml").read_text(encoding="utf-8"))
    (task,) = (task for task in play["tasks"] if "skorionos.bootc.image_layers" in task)
    expression = task["skorionos.bootc.image_layers"]["contents_limit"].strip("{} ")
    value = jinja2.Environment(autoescape=True).compile_expression(expression)
    assert value(bootc_report_contents_limit=0, omit="omitted") == 0
    assert value(bootc_report_contents_limit="", omit="omitted") == "omitted"
    assert value(omit="omitted") == "omitted"
