# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promote, demote and undo: from the options to the moves, and the moves carried out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...module_utils._oci.client import RegistryClient
from ...module_utils._oci.errors import InvalidReference
from ...module_utils._oci.module import registry_client
from ...module_utils._oci.reference import is_digest, is_tag, parse_reference
from ...module_utils._oci.tagging import ABSENT
from .._controller import CLOCK
from .._operator import find_rollout, speaker
from .._rollout.events import format_time
from .._rollout.summary import summarize
from .guards import evidence_of, insist, objections
from .journal import Journal, open_journal, read_journal
from .model import Channel, ChannelError, Entry, Evidence, Held, Wish
from .moves import Operation, Step, carry_out, digest_at, insist_on, operation_id, read_channel, read_digest, undoing
from .plan import came_from, channels_of, stage_before, to_undo


@dataclass(frozen=True)
class Outcome:
    """What was, or would be, moved."""

    operation: str | None
    steps: Sequence[Step]
    left: Sequence[Channel]
    """Channels that stay as they are though they should not."""


def move_channels(options: Mapping[str, Any], *, dry_run: bool) -> Outcome:
    """Do what the options of the module image_channel ask for.

    Raises ChannelError, RegistryError, RolloutError and InvalidReference; a journal tells how far it came.
    """
    _check(options)
    path = Path(str(options["journal"]))
    with nullcontext() if dry_run else open_journal(path) as journal:
        entries = read_journal(path)
        client = registry_client(options, for_push=not dry_run)
        plan = {"promote": _promoted, "demote": _demoted, "undo": _undone}[options["verb"]]
        steps, left, undoes = plan(client, options, entries)
        if not steps:
            return Outcome(None, steps, left)
        at = format_time(CLOCK.now())
        name = operation_id(options["verb"], steps[0].channel.name, at, entries)
        if isinstance(journal, Journal):
            operation = Operation(name, options["verb"], speaker(), options["why"], undoes)
            carry_out(client, journal, operation, steps, lambda: format_time(CLOCK.now()))
        return Outcome(name, steps, left)


_Plan = tuple[list[Step], list[Channel], str | None]
"""Steps to take, channels that stay as they are though they should not, and the operation that is undone."""


def _check(options: Mapping[str, Any]) -> None:
    """Raise ChannelError for options that cannot be meant."""
    for option in ("digests", "expected"):
        for variant, digest in options[option].items():
            if not is_digest(str(digest)) and not (option == "expected" and digest == ABSENT):
                raise ChannelError(
                    f"'{digest}' in {option} of {variant} is not a digest.", "Give the whole digest.", "invalid"
                )
    unmeant = [str(variant) for variant in options["expected"] if variant not in options["variants"]]
    if options["verb"] != "undo" and unmeant:
        raise ChannelError(
            f"Something is expected of {', '.join(unmeant)}, and what is meant is {', '.join(options['variants'])}.",
            "Correct the names in bootc_channel_expected, or leave out those that are not meant.",
            "invalid",
        )
    if options["wave"] and options["rollout"] is None:
        raise ChannelError(
            f"A wave is named, {options['wave']}, and not the rollout that it is of, so nothing is proven by it.",
            "Give bootc_promote_rollout too, or leave bootc_promote_wave out.",
            "invalid",
        )
    if options["verb"] == "demote" and not options["why"].strip():
        raise ChannelError("A release is taken back without a reason.", "Give bootc_channel_why=...", "invalid")


def _promoted(client: RegistryClient, options: Mapping[str, Any], entries: Sequence[Entry]) -> _Plan:
    evidence = _evidence(options)
    before = stage_before(options["channel"], options["channels"])
    pairs = []
    for channel in _channels(options, options["channel"]):
        stage = None
        if before is not None:
            stage = (before, digest_at(client, _sibling(options, channel, before)))
        current = read_channel(client, channel)
        wanted = _wanted(client, options, channel, before)
        insist_on(options["expected"], channel, current, wanted.digest)
        wish = Wish(channel, current, wanted, stage)
        pairs.append((wish, objections(wish, evidence, entries)))
    insist([one for _wish, against in pairs for one in against], force=options["force"], why=options["why"])
    steps = [
        Step(wish.channel, wish.current, wish.wanted, tuple(f"{one.guard}: {one.why}" for one in against))
        for wish, against in pairs
        if wish.current is None or wish.current.digest != wish.wanted.digest
    ]
    return steps, [], None


def _wanted(client: RegistryClient, options: Mapping[str, Any], channel: Channel, before: str | None) -> Held:
    """What the channel shall have: digests, a release file or another channel say so, in this order."""
    digests = _digests(options)
    if digests is not None:
        return read_digest(client, channel, _named(digests, channel))
    source = options["source"] or before
    if source is None:
        raise ChannelError(
            f"Nothing comes before the channel {channel.name}, so what it shall have is not said.",
            "Give bootc_channel_from, or bootc_channel_release with a release file.",
            "invalid",
        )
    stage_before(source, options["channels"])
    other = _sibling(options, channel, source)
    digest = digest_at(client, other)
    if digest is None:
        raise ChannelError(f"There is nothing at {other}.", "Publish the release there first.", "not_found")
    return read_digest(client, other, digest)


def _named(digests: Mapping[str, Any], channel: Channel) -> str:
    """The digest that is named for the variant of a channel."""
    if channel.variant not in digests:
        raise ChannelError(
            f"Which release of {channel.variant} is meant is not said: it is not among {', '.join(digests)}.",
            "Give the digest of each variant, or leave the variant out with bootc_only.",
            "invalid",
        )
    return str(digests[channel.variant])


def _demoted(client: RegistryClient, options: Mapping[str, Any], entries: Sequence[Entry]) -> _Plan:
    """Channels that have the version go back to what they had before, or to what is named."""
    stage_before(options["channel"], options["channels"])
    if options["version"] is None:
        raise ChannelError(
            f"Which release is taken out of {options['channel']} is not said.",
            "Give bootc_channel_version with the version that shall leave it; then a second run changes nothing.",
            "invalid",
        )
    digests = _digests(options)
    steps = []
    for channel in _channels(options, options["channel"]):
        current = read_channel(client, channel)
        if current is None:
            raise ChannelError(
                f"There is nothing at {channel}.",
                "Correct the variant, bootc_repository or bootc_channel_tag, or leave the variant out with bootc_only.",
                "not_found",
            )
        if not _is(current, options["version"]):
            continue
        target = came_from(channel, current.digest, entries) if digests is None else _named(digests, channel)
        if target is None:
            raise ChannelError(
                f"What {channel} had before {current} is not in the journal {options['journal']}.",
                "Say where it goes back to: bootc_channel_release with a release file.",
                "not_found",
            )
        insist_on(options["expected"], channel, current, target)
        if target != current.digest:
            steps.append(Step(channel, current, read_digest(client, channel, target)))
    return steps, [], None


def _is(held: Held, named: str) -> bool:
    """Whether this is the version or digest that was named, a version with or without its ``v``."""
    if not held.whole and not is_digest(named):
        raise ChannelError(
            f"Which version {held} is cannot be told: the registry misses a part of it.",
            f"Give bootc_channel_version={held.digest} to take it out.",
            "not_found",
        )
    return named == held.digest or (held.version is not None and _bare(named) == _bare(held.version))


def _bare(version: str) -> str:
    return version.removeprefix("v")


def _undone(client: RegistryClient, options: Mapping[str, Any], entries: Sequence[Entry]) -> _Plan:
    undone = to_undo(entries, options["operation"])
    steps, left = undoing(client, undone)
    if left and not steps and all(entry.before is None for entry in undone):
        raise ChannelError(
            f"{', '.join(map(str, left))} did not exist before, and registries cannot take a single tag away again.",
            "Leave it, or promote something else into it.",
            "unsupported",
        )
    return steps, left, undone[0].operation if undone else None


def _channels(options: Mapping[str, Any], name: str) -> list[Channel]:
    found = channels_of(options["variants"], name, options["repository"], options["tag"])
    for channel in found:
        if not is_tag(channel.tag):
            raise ChannelError(f"'{channel.tag}' is not a tag.", "Correct bootc_channel_tag.", "invalid")
    return found


def _sibling(options: Mapping[str, Any], channel: Channel, name: str) -> Channel:
    return channels_of([channel.variant], name, options["repository"], options["tag"])[0]


def _digests(options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The digest of each variant as the options or a release file name them, if one of the two does."""
    if options["digests"]:
        named: Mapping[str, Any] = options["digests"]
        return named
    if options["release"] is None:
        return None
    return _release(Path(str(options["release"])), _channels(options, options["channel"]))


def _release(path: Path, channels: Sequence[Channel]) -> dict[str, str]:
    """The digest of each variant in a release file, which has to be one of where the channels are."""
    document = _read(path, "release file")
    try:
        digests = {str(entry["name"]): str(entry["digest"]) for entry in document["variants"]}
        images = {
            str(entry["name"]): parse_reference(entry["image"]) for entry in document["variants"] if entry.get("image")
        }
    except (AttributeError, KeyError, TypeError, InvalidReference) as error:
        raise ChannelError(
            f"{path} is not a release file.", "Name one that the publish playbook wrote.", "invalid"
        ) from error
    if not digests:
        raise ChannelError(f"{path} has no variants.", "Name the file of a release that has some.", "invalid")
    for channel in channels:
        image = images.get(channel.variant)
        if image is not None and image.place != parse_reference(channel.image).place:
            raise ChannelError(
                f"{path} is of a release in {image.name}, and the channel {channel.name} of {channel.variant} is in "
                f"{channel.image}.",
                "Give the bootc_repository of that release, or the release file that was written for this one.",
                "invalid",
            )
    return digests


def _evidence(options: Mapping[str, Any]) -> Evidence | None:
    """What the rollout proved: the file is its summary, or the spec whose ledger is looked up."""
    if options["rollout"] is None:
        return None
    path = Path(str(options["rollout"]))
    document = _read(path, "rollout")
    if isinstance(document, Mapping) and "phase" in document:
        return evidence_of(document, options["wave"])
    _ledger, rollout = find_rollout({"spec": path, "id": None, "ledger": options["ledger"]})
    return evidence_of(summarize(rollout), options["wave"])


def _read(path: Path, what: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ChannelError(
            f"Cannot read the {what} {path}: {error.strerror}.", "Name a readable file.", "invalid"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ChannelError(f"The {what} {path} cannot be understood: {error}.", "Mend the file.", "invalid") from error
