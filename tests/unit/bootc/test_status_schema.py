# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of what the collection relies on is true of the examples, and nothing in it is there for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import parse_status
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from jsonschema import Draft202012Validator

from .status_schema import STATUS_DOCUMENT

EXAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "data").glob("*.json"))}
VALIDATOR = Draft202012Validator(STATUS_DOCUMENT)


def fields(rule, path=()):
    """Paths of all fields a schema speaks of that hold no others; "*" stands for any element of a list."""
    below = [((*path, name), part) for name, part in rule.get("properties", {}).items()]
    if "items" in rule:
        below.append(((*path, "*"), rule["items"]))
    below += [(path, choice) for choice in rule.get("anyOf", ()) if {"properties", "items"} & set(choice)]
    if not below:
        yield path
    for where, part in below:
        yield from fields(part, where)


def with_value(document, path, value):
    """A copy of the document that says this there; what is missing on the way is made."""
    copy = json.loads(json.dumps(document))
    nodes = [copy]
    for name, following in zip(path, path[1:]):
        below = []
        for node in nodes:
            if name == "*":
                below += node
                continue
            if not isinstance(node.get(name), (dict, list)):
                node[name] = [] if following == "*" else {}
            below.append(node[name])
        nodes = below
    for node in nodes:
        node[path[-1]] = value
    return copy


def understood(document, version):
    """The state a document tells of; None where it is refused."""
    try:
        return parse_status(json.dumps(document), version)
    except BootcError:
        return None


def test_the_schema_is_one():
    Draft202012Validator.check_schema(STATUS_DOCUMENT)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_what_is_relied_on(name):
    assert [error.message for error in VALIDATOR.iter_errors(EXAMPLES[name])] == []


@pytest.mark.parametrize("name", ["ostree-staged", "composefs-uki"])
def test_new_fields_and_new_values_elsewhere_are_none_of_its_business(name):
    document = json.loads(json.dumps(EXAMPLES[name]))
    document["status"]["type"] = document["metadata"] = {"new": 1}
    document["status"]["booted"]["store"] = "somethingElse"
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize("path", sorted(set(fields(STATUS_DOCUMENT))), ids=".".join)
def test_every_field_of_the_schema_matters(path):
    """Some example is understood in different ways when this field says different things."""
    values = ("x", "uki", "systemd", "BootcHost", "sha256:" + "e" * 64, True, False, 7, None, {"image": "y"}, [])
    for document in EXAMPLES.values():
        if len({understood(with_value(document, path, value), "1.16.9") for value in values}) > 1:
            return
    pytest.fail(f"{'.'.join(path)} makes no difference to any example")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "Pod"),
        ("status.booted.image.imageDigest", "latest"),
        ("status.booted.image.image.image", ""),
        ("status.booted.ostree", None),
        ("status.booted.ostree.deploySerial", "0"),
        ("status.staged.downloadOnly", "no"),
        ("status.rollbackQueued", None),
        ("status.usrOverlay", {"accessMode": "sometimes", "persistence": "transient"}),
    ],
)
def test_what_could_not_be_relied_on_is_told(path, value):
    document = json.loads(json.dumps(EXAMPLES["ostree-staged"]))
    *above, last = path.split(".")
    node = document
    for name in above:
        node = node[name]
    node[last] = value
    assert not VALIDATOR.is_valid(document)
