# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tags that the variants of a release are published with, from templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .._oci.reference import is_tag
from .variants import InvalidVariants, build_order, platforms_of

OF_ONE_RELEASE = ("version", "date", "revision")
"""What stands for something else in every release: nobody follows a tag with one of these in it."""

_PLACEHOLDER = re.compile(r"{([a-z]*)}")
_FULL_REVISION = re.compile(r"^[0-9a-f]{40}\Z")
_REVISION_LETTERS = 7


class InvalidTags(ValueError):
    """Templates that make no tags, or the same ones for several variants."""


@dataclass(frozen=True)
class PlatformPush:
    """What of a variant is pushed, and under which tags.

    ``suffix`` is what the local name of the image has at its end; it and ``platform`` are empty for a variant of one
    platform. Of several, each has a tag of its own, so that no registry cleans it away; the others are for their index.
    """

    suffix: str
    platform: str
    tags: Sequence[str]


@dataclass(frozen=True)
class VariantTags:
    """The tags of one variant: those of this release alone, and those that move from release to release.

    Where all of them move, none is left to move later, because an image needs a tag to be pushed to; ``lasting`` is
    False then, and otherwise the tags in ``first`` mean one image for ever.
    ``repository`` has no tag.
    """

    name: str
    repository: str
    first: Sequence[str]
    moving: Sequence[str]
    pushes: Sequence[PlatformPush]
    lasting: bool


def is_of_one_release(template: str) -> bool:
    """Whether a template stands for another tag in every release."""
    return any(f"{{{name}}}" in template for name in OF_ONE_RELEASE)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put the values in; raises InvalidTags for one that is not there or makes no tag."""
    for name in _PLACEHOLDER.findall(template):
        if not values.get(name):
            known = ", ".join(f"{{{known}}}" for known in ("variant", *OF_ONE_RELEASE))
            if name in OF_ONE_RELEASE:
                raise InvalidTags(f"The tag '{template}' has {{{name}}} in it, and there is none. Give bootc_{name}.")
            raise InvalidTags(f"The tag '{template}' has {{{name}}} in it, which stands for nothing. Use {known}.")
    tag = _PLACEHOLDER.sub(lambda found: values[found[1]], template)
    if not is_tag(tag):
        raise InvalidTags(
            f"'{tag}' is not a tag. Use letters, digits, dots, dashes and underscores, 128 at most, the first no dot "
            "or dash."
        )
    return tag


def release_tags(
    names: Sequence[str],
    tree: Sequence[Mapping[str, Any]],
    repository: str,
    templates: Sequence[str],
    values: Mapping[str, str],
) -> list[VariantTags]:
    """The tags of the named variants, in order. ``values`` has version, date and revision.

    The tree says which of them have tags or platforms of their own; they need not be in it. Raises InvalidTags, for
    several variants in one place too.
    """
    try:
        nodes = {str(node["name"]): node for node in (build_order(tree) if tree else [])}
    except InvalidVariants as error:
        raise InvalidTags(str(error)) from error
    revision = values.get("revision", "")
    short = revision[:_REVISION_LETTERS] if _FULL_REVISION.match(revision) else revision
    found = []
    for name in names:
        node = nodes.get(name, {})
        own = [str(template) for template in node.get("tags") or templates]
        words = {**values, "revision": short, "variant": name}
        lasting = any(map(is_of_one_release, own))
        of_release = [template for template in own if is_of_one_release(template)] or own
        moving = [template for template in own if template not in of_release]
        first = _filled(of_release, words)
        pushes = _pushes(first, platforms_of(node, nodes))
        found.append(
            VariantTags(name, repository.replace("{variant}", name), first, _filled(moving, words), pushes, lasting)
        )
    _insist_on_places_of_their_own(found)
    return found


def suffix_of(platform: str) -> str:
    """``-arm64`` of ``linux/arm64``: what the names of images for one of several platforms end with."""
    return f"-{platform.partition('/')[2].replace('/', '-')}"


def _pushes(first: Sequence[str], platforms: Sequence[str]) -> list[PlatformPush]:
    if len(platforms) < 2:
        return [PlatformPush("", "", first)]
    return [PlatformPush(suffix_of(name), name, [first[0] + suffix_of(name)]) for name in platforms]


def _filled(templates: Sequence[str], words: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(fill(template, words) for template in templates))


def _insist_on_places_of_their_own(variants: Sequence[VariantTags]) -> None:
    taken: dict[str, str] = {}
    clashes: list[str] = []
    for variant in variants:
        own = [tag for push in variant.pushes for tag in push.tags]
        for tag in dict.fromkeys((*variant.first, *own, *variant.moving)):
            if not is_tag(tag):
                raise InvalidTags(f"'{tag}' is not a tag: it is longer than 128 characters. Shorten the template.")
            place = f"{variant.repository}:{tag}"
            if taken.setdefault(place, variant.name) != variant.name:
                clashes.append(place)
    if clashes:
        raise InvalidTags(
            f"More than one variant would be published as {', '.join(dict.fromkeys(clashes))}, and the last would win. "
            "Put {variant} into bootc_repository, or into each of bootc_tags."
        )
