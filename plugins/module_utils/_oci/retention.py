# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manifests of a repository stay, which may go, and why. PRIVATE to the collection.

A rule can only keep. What no rule keeps goes, unless something that stays leads to it.
"""

from __future__ import annotations

import heapq
import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Collection, Iterable, Mapping, Sequence

from .graph import Graph, Node, subject_of_tag
from .reference import Reference, is_digest, parse_reference
from .versions import version_key

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

CHANNEL = "channel"
RELEASE = "release"
UNKNOWN_VERSION = "unknown_version"
FLEET = "fleet"
FOLLOWED = "followed"
NAMED = "named"
YOUNG = "young"
UNKNOWN_AGE = "unknown_age"
LISTED = "listed"
ATTACHED = "attached"
SUBJECT = "subject"
LISTS = "lists"
NO_RULE = "no_rule"

_DAY = 86400.0
OF_RULES = (CHANNEL, RELEASE, UNKNOWN_VERSION, NAMED, YOUNG, UNKNOWN_AGE)
"""What keeps because of :class:`Rules`, and not of a device or of what belongs together."""
# No tag is long enough for the whole digest.
_SHORTENED_TAG = re.compile(r"sha512-[0-9a-f]{32,}(?:\..+)?")
_DIGEST_IN_TEXT = re.compile(r"sha256:[0-9a-f]{64}(?![0-9a-f])")
_ANY_VARIANT = r"[A-Za-z0-9_][A-Za-z0-9._-]*?"
_ORDERABLE = r"[0-9][A-Za-z0-9._-]*?"
_ANY_VERSION = r"[A-Za-z0-9_][A-Za-z0-9._-]*?"
# The images of a release for one architecture each are not releases of their own.
_ARCHITECTURE = r"(?:-(?:amd64|arm64|arm|386|ppc64le|riscv64|s390x|loong64)(?:-?v[0-9])?)?"
_NO_MANIFESTS = ("layers", "config_digest", "input_hash")
_SLOTS = ("booted", "staged", "rollback")


@dataclass(frozen=True)
class Rules:
    """What is to be kept. ``release_tag`` has the placeholder ``{version}``, and ``{variant}`` if tags have one."""

    tags: tuple[str, ...] = ()
    last: int = 0
    release_tag: str = "{variant}-v{version}"
    younger: float | None = None
    """Seconds. What is younger is kept, and also what does not tell its age."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Digests, each with who named it."""
    variants: tuple[str, ...] = ()
    """Names of variants, so that one which looks like a version of another is not taken for that."""


@dataclass(frozen=True)
class Fleet:
    """What devices have: who has each digest in which slot, who follows each tag, and who did not tell."""

    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    """Who did not tell now, or runs another system now, and counts with what it told before."""
    devices: int = 0
    """How many there are, without those that say that they run no bootc."""


@dataclass(frozen=True)
class Reason:
    """Why something stays or goes: the rule for programs, a sentence for people."""

    rule: str
    detail: str


@dataclass(frozen=True)
class Decision:
    """What becomes of a manifest."""

    node: Node
    kept: bool
    reasons: tuple[Reason, ...]


def release_pattern(
    template: str, variants: Sequence[str] = (), *, version: str = _ORDERABLE, architecture: str = _ARCHITECTURE
) -> re.Pattern[str]:
    """Return what finds variant and version in a tag; with ``variants``, of these only, the longest name first.

    Raises ValueError for a template that cannot.
    """
    if template.count("{version}") != 1 or template.count("{variant}") > 1:
        raise ValueError(
            f"'{template}' is no template of release tags. Write {{version}} once, and {{variant}} where its name is, "
            "such as '{variant}-v{version}'."
        )
    longest_first = sorted(variants, key=lambda name: (-len(name), name))
    placeholders = {
        "variant": f"(?P<variant>{'|'.join(map(re.escape, longest_first)) or _ANY_VARIANT})",
        "version": f"(?P<version>{version}){architecture}",
    }
    parts = re.split(r"\{(variant|version)\}", template)
    texts = [placeholders[part] if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(texts))


def read_releases(
    tags: Iterable[str], template: str, variants: Sequence[str] = ()
) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Return variant and version of each release tag, and why others are releases that cannot be ordered.

    These have a version that does not begin with a digit, or can be read as two different variants.
    """
    names_given: list[Sequence[str]] = [variants, ()] if variants else [()]
    strict = [(release_pattern(template, names), _between(template, bool(names))) for names in names_given]
    loose = [release_pattern(template, names, version=_ANY_VERSION) for names in names_given]
    found: dict[str, tuple[str, str]] = {}
    unordered: dict[str, str] = {}
    for tag in tags:
        if subject_of_tag(tag) is not None:
            continue
        match, between = next(
            ((match, between) for pattern, between in strict if (match := pattern.fullmatch(tag))), (None, None)
        )
        if match is None:
            if any(pattern.fullmatch(tag) for pattern in loose):
                unordered[tag] = f"{tag} looks like a release, and its version does not begin with a digit."
            continue
        variant, version = match.groupdict().get("variant") or "", match.group("version")
        if between and re.search(between, version[1:]):
            unordered[tag] = (
                f"{tag} may be {version} of {variant}, or of a variant with a longer name. Name it in variants."
            )
        else:
            found[tag] = (variant, version)
    return found, unordered


def _between(template: str, is_named: bool) -> str | None:
    """Return what a version must not have in it, because another version may begin there.

    Of a variant that somebody named, a version may have a mark in it that also stands before versions, but no word.
    """
    match = re.search(r"\{variant\}(.*)\{version\}", template)
    if match is None or (is_named and not re.search("[A-Za-z]", match.group(1))):
        return None
    return f"{re.escape(match.group(1))}[0-9]"


def ranks(tags: Iterable[str], template: str, variants: Sequence[str] = ()) -> dict[str, tuple[str, str, int]]:
    """Return variant, version and place of each release tag; the newest version of a variant has place 1."""
    found, _unordered = read_releases(tags, template, variants)
    versions: dict[str, list[tuple[tuple[int, int, str], ...]]] = {}
    for variant, version in sorted(set(found.values())):
        key = version_key(version)
        if key not in versions.setdefault(variant, []):
            versions[variant].append(key)
    for keys in versions.values():
        keys.sort(reverse=True)
    return {
        tag: (variant, version, versions[variant].index(version_key(version)) + 1)
        for tag, (variant, version) in found.items()
    }


def moving_tags(tags: Iterable[str], rules: Rules, fleet: Fleet, channels: Iterable[str]) -> set[str]:
    """Return the tags that people may move: all but those of releases, and those that are channels by name anyway."""
    plain = {tag for tag in tags if subject_of_tag(tag) is None}
    named = {*rules.tags, *fleet.follows, *channels}
    return {*(plain - ranks(plain, rules.release_tag, rules.variants).keys()), *(plain & named)}


def fits_nothing(tags: Collection[str], rules: Rules) -> tuple[list[str], bool]:
    """Return the names and patterns that no tag fits, and whether releases are to be kept where no tag is one."""
    patterns = [pattern for pattern in rules.tags if not any(fnmatchcase(tag, pattern) for tag in tags)]
    return patterns, rules.last > 0 and not any(read_releases(tags, rules.release_tag, rules.variants))


def is_given(rules: Rules) -> bool:
    """Tell whether something is to be kept for its own sake, and not for that of a device."""
    return bool(rules.tags or rules.last or rules.younger is not None or rules.digests)


def digests_in(text: str) -> list[str]:
    """Return every digest a text names, in whatever format it is, each once. Of a release file, those of its images.

    What else a release file tells of an image are digests of layers, configurations and inputs, which are no manifests.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("variants"), list):
        # Plans and summaries have variants too, and digests elsewhere that count, such as where devices go back to.
        variants = [
            {key: value for key, value in one.items() if key not in _NO_MANIFESTS} if isinstance(one, dict) else one
            for one in document["variants"]
        ]
        text = json.dumps({**document, "variants": variants})
    return sorted(set(_DIGEST_IN_TEXT.findall(text)))


def read_fleet(
    hosts: Sequence[Mapping[str, Any]], repository: Reference, memory: Mapping[str, Mapping[str, Any]] | None = None
) -> Fleet:
    """Read the facts ``bootc`` of devices: ``{"host": ..., "bootc": ...}`` each. Raises ValueError for other things.

    ``memory`` has what :func:`remember` returned after an earlier reading, for those who do not tell now.
    """
    digests: dict[str, dict[str, None]] = {}
    follows: dict[str, dict[str, None]] = {}
    unknown: list[str] = []
    remembered: list[str] = []
    devices = 0
    for entry in hosts:
        host = entry.get("host")
        if not isinstance(host, str) or not host:
            raise ValueError("An entry of the fleet has no host. Give each as {host: NAME, bootc: ITS FACTS}.")
        status = entry.get("bootc")
        before = (memory or {}).get(host)
        accounts: list[tuple[Mapping[str, Any], str]] = []
        if _tells(status) and not _runs_something_else(status, before):
            accounts = [(status, "")]
        else:
            if _has_deployments(before):
                accounts = [(before, f", seen {str(before.get('seen'))[:10]}")]
            if _tells_a_part(status):
                # It has answered, so it was on, and what was remembered of it need not be all any more.
                accounts.append((status, ""))
                unknown.append(host)
            else:
                (remembered if accounts and _tells(before) else unknown).append(host)
        devices += not accounts or any(account["is_bootc"] for account, _when in accounts)
        for account, when in accounts:
            for digest, slot in _deployments(account):
                digests.setdefault(digest, {})[f"{host} ({slot}{when})"] = None
            tag, pinned = _followed(account, repository)
            if pinned:
                digests.setdefault(pinned, {})[f"{host} (followed)"] = None
            if tag:
                follows.setdefault(tag, {})[host] = None
    return Fleet(
        {digest: tuple(who) for digest, who in sorted(digests.items())},
        {tag: tuple(who) for tag, who in sorted(follows.items())},
        tuple(sorted(unknown)),
        tuple(sorted(remembered)),
        devices,
    )


def _tells(status: Any) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether these are the facts of a device; one that runs bootc says what it has booted, and has besides.

    What runs from a live medium, which cannot be written to, says nothing of the disk. What is remembered has
    ``partial`` where the device did not tell all of it.
    """
    if not isinstance(status, Mapping) or "is_bootc" not in status or status.get("read_only") or status.get("partial"):
        return False
    if not status["is_bootc"]:
        return True
    # Beside it may be a plain ostree system without an image, from before the first switch.
    silent = [slot for slot, _name in _slots(status) if _digest(slot.get("digest")) is None]
    booted = status.get("booted")
    if not isinstance(booted, Mapping) or _digest(booted.get("digest")) is None:
        return False
    return not any(slot.get("incompatible") or slot.get("image") for slot in silent)


def _tells_a_part(status: Any) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a device answered from its disk without saying all that it has, as after ``rpm-ostree install``."""
    return (
        isinstance(status, Mapping)
        and bool(status.get("is_bootc"))
        and not status.get("read_only")
        and not _tells(status)
    )


def _has_deployments(before: Any) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a device is remembered with deployments, if not with all of them.

    That it once ran no bootc says nothing of what it runs now: it may have got that since, or had it on another disk.
    """
    return isinstance(before, Mapping) and bool(before.get("is_bootc")) and bool(_deployments(before))


def _runs_something_else(status: Mapping[str, Any], before: Any) -> bool:
    """Tell whether a device that had deployments has booted another system now, beside which they are still there."""
    return not status["is_bootc"] and _has_deployments(before)


def remember(
    hosts: Sequence[Mapping[str, Any]], memory: Mapping[str, Mapping[str, Any]], seen: str
) -> dict[str, Mapping[str, Any]]:
    """Return what to remember of devices: what they tell now, and of others what was remembered before.

    That a device runs no bootc now takes nothing away that it had: it may have booted another system of its own.
    An answer that names only a part is added to what it had.
    """
    news: dict[str, Mapping[str, Any]] = {}
    for entry in hosts:
        host, status = entry["host"], entry.get("bootc")
        if _tells_a_part(status):
            known = _added(memory.get(host), _essence(status, seen))
            if _has_deployments(known):
                news[host] = known
        elif _tells(status) and not _runs_something_else(status, memory.get(host)):
            news[host] = _essence(status, seen)
    return dict(sorted({**memory, **news}.items()))


def _added(before: Any, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a device named of what it has, and what it is known to have had, which it may have kept."""
    named = {digest for digest, _name in _deployments(part)}
    had = dict.fromkeys(digest for digest, _name in _deployments(before)) if _has_deployments(before) else {}
    kept = [{"digest": digest} for digest in had if digest not in named]
    return {**part, "others": [*part["others"], *kept], "partial": True}


def _essence(status: Mapping[str, Any], seen: str) -> dict[str, Any]:
    slots = {name: {"digest": slot.get("digest")} for name in _SLOTS if isinstance(slot := status.get(name), Mapping)}
    others = [{"digest": slot.get("digest")} for slot in status.get("others") or [] if isinstance(slot, Mapping)]
    image = (status.get("spec_image") or {}).get("image")
    return {
        "is_bootc": bool(status["is_bootc"]),
        **slots,
        "others": others,
        "pinned": list(status.get("pinned") or []),
        "spec_image": {"image": image},
        "seen": seen,
    }


def _slots(status: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    named = [(status.get(name), name) for name in _SLOTS] + [(slot, "kept") for slot in status.get("others") or []]
    return [(slot, name) for slot, name in named if isinstance(slot, Mapping)]


def _digest(given: object) -> str | None:
    return given if isinstance(given, str) and is_digest(given) else None


def _deployments(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(_digest(slot.get("digest")), name) for slot, name in _slots(status)]
    found += [(_digest(given), "pinned") for given in status.get("pinned") or []]
    return [(digest, name) for digest, name in found if digest is not None]


def _followed(status: Mapping[str, Any], repository: Reference) -> tuple[str | None, str | None]:
    """Return the tag or the digest that an update of the device would ask this repository for."""
    image = (status.get("spec_image") or {}).get("image")
    try:
        wanted = parse_reference(image) if isinstance(image, str) else None
    except ValueError:  # a name without a registry, or of another transport
        return None, None
    if wanted is None or wanted.place != repository.place:
        return None, None
    return (None, wanted.digest) if wanted.digest else (wanted.tag or "latest", None)


def decide(graph: Graph, rules: Rules, fleet: Fleet, now: float) -> list[Decision]:
    """Say of every manifest whether it stays, and why. ``now`` is in seconds since 1970."""
    direct = _direct(graph, rules, fleet, now)
    reasons: dict[str, list[Reason]] = {digest: list(why) for digest, why in direct.items()}
    attached = graph.attached()
    waiting = sorted(direct)
    done: set[str] = set()
    while waiting:
        digest = waiting.pop(0)
        if digest in done:
            continue
        done.add(digest)
        node = graph.nodes[digest]
        needs = [(child, Reason(LISTED, f"The index {digest} lists it.")) for child in node.children]
        needs += [(other, Reason(ATTACHED, f"It is about {digest}.")) for other in attached.get(digest, ())]
        needs += [(subject, Reason(SUBJECT, f"{digest} is about it.")) for subject in node.subjects]
        for needed, why in needs:
            if needed not in graph.nodes:
                continue
            if needed not in direct and why not in reasons.setdefault(needed, []):
                reasons[needed].append(why)
            waiting.append(needed)
    places = ranks(graph.tags(), rules.release_tag, rules.variants)
    return [
        Decision(node, digest in done, tuple(reasons[digest]) if digest in done else (_gone(node, graph, places),))
        for digest, node in sorted(graph.nodes.items())
    ]


def _direct(graph: Graph, rules: Rules, fleet: Fleet, now: float) -> dict[str, list[Reason]]:
    """Return what rules keep by themselves, before looking at what that leads to."""
    found: dict[str, list[Reason]] = {}
    places = ranks(graph.tags(), rules.release_tag, rules.variants)
    unordered = read_releases(graph.tags(), rules.release_tag, rules.variants)[1] if rules.last else {}
    parents = graph.parents()
    for digest, node in graph.nodes.items():
        why = [reason for tag in node.tags for reason in _by_tag(tag, rules, fleet, places)]
        why += [Reason(UNKNOWN_VERSION, unordered[tag]) for tag in node.tags if tag in unordered]
        for known in [digest, *([node.config] if node.config else [])]:
            if known in fleet.digests:
                why.append(Reason(FLEET, f"Devices have it: {_some(fleet.digests[known])}."))
            if known in rules.digests:
                why.append(Reason(NAMED, f"It is named by {rules.digests[known]}."))
        if why and any(reason.rule in (FLEET, NAMED) for reason in why):
            # Its signature and the tag to go back to may be on the index only.
            for parent in parents.get(digest, ()):
                found.setdefault(parent, []).append(Reason(LISTS, f"It lists {digest}, which is in use."))
        is_top = digest not in parents and not any(subject in graph.nodes for subject in node.subjects)
        if rules.younger is not None and is_top:
            why += _by_age(age(graph, node, now), rules.younger)
        if why:
            found.setdefault(digest, []).extend(why)
    return found


def _by_tag(tag: str, rules: Rules, fleet: Fleet, places: Mapping[str, tuple[str, str, int]]) -> Iterable[Reason]:
    pattern = next((pattern for pattern in rules.tags if fnmatchcase(tag, pattern)), None)
    if pattern is not None:
        yield Reason(CHANNEL, f"Its tag {tag} is kept." if tag == pattern else f"Its tag {tag} is one of {pattern}.")
    if _SHORTENED_TAG.fullmatch(tag):
        yield Reason(ATTACHED, f"Its tag {tag} tells too little of a digest to see whether what it is about stays.")
    if tag in fleet.follows:
        yield Reason(FOLLOWED, f"Devices follow its tag {tag}: {_some(fleet.follows[tag])}.")
    if tag in places:
        variant, version, place = places[tag]
        if place <= rules.last:
            of_what = f" of {variant}" if variant else ""
            yield Reason(RELEASE, f"{version} is among the last {rules.last} releases{of_what}.")


def _by_age(seconds: float | None, younger: float) -> list[Reason]:
    if seconds is None:
        return [Reason(UNKNOWN_AGE, "It does not tell how old it is.")]
    if seconds < younger:
        return [Reason(YOUNG, f"It is {seconds / _DAY:.1f} days old.")]
    return []


def age(graph: Graph, node: Node, now: float) -> float | None:
    """Return the seconds since a manifest was made; an index that does not tell is as old as its youngest child."""
    if node.created is not None:
        return now - node.created
    children = [graph.nodes[child].created for child in node.children if child in graph.nodes]
    known = [created for created in children if created is not None]
    return now - max(known) if known else None


def _gone(node: Node, graph: Graph, places: Mapping[str, tuple[str, str, int]]) -> Reason:
    if node.subjects and not any(subject in graph.nodes for subject in node.subjects):
        return Reason(NO_RULE, f"What it is about, {node.subjects[0]}, is not here any more.")
    notes = [
        f"{tag} is number {places[tag][2]} of the releases{' of ' + places[tag][0] if places[tag][0] else ''}, "
        "counted from the newest"
        for tag in node.tags
        if tag in places
    ]
    return Reason(NO_RULE, f"No rule keeps it{': ' + '; '.join(notes) if notes else ''}.")


def _some(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def deletion_order(decisions: Sequence[Decision]) -> list[Decision]:
    """Return what goes, in an order that leaves no broken image behind wherever it stops.

    Indexes go before what they list, and as far as that allows, images before what is about them.
    """
    going = {decision.node.digest: decision for decision in decisions if not decision.kept}
    left = dict.fromkeys(going, 0)
    for decision in going.values():
        for child in set(decision.node.children) & set(going):
            left[child] += 1
    # No index can list itself, not even through others, as its digest is made of theirs: all get their turn.
    ready = [(bool(going[digest].node.subjects), digest) for digest, count in left.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _about, digest = heapq.heappop(ready)
        order.append(going[digest])
        for child in sorted(set(going[digest].node.children) & set(going)):
            left[child] -= 1
            if not left[child]:
                heapq.heappush(ready, (bool(going[child].node.subjects), child))
    return order


def freed_bytes(decisions: Sequence[Decision]) -> int:
    """Return the bytes of blobs that only what goes refers to. The registry frees them when it collects garbage."""
    kept = {blob for decision in decisions if decision.kept for blob in decision.node.blobs}
    going = {b: size for decision in decisions if not decision.kept for b, size in decision.node.blobs.items()}
    return sum(size for blob, size in going.items() if blob not in kept)


@dataclass(frozen=True)
class Refusal:
    """Why nothing may be deleted: its kind, and cause and remedy in words."""

    reason: str
    why: str


def refusal(
    rules: Rules, fleet: Fleet, decisions: Sequence[Decision], *, told: bool, no_devices: bool, refuse_unknown: bool
) -> Refusal | None:
    """Tell what speaks against deleting at all; none when enough is known for that.

    ``told`` is whether somebody said what the devices run, ``no_devices`` that there are none on purpose, and
    ``refuse_unknown`` whether one that tells nothing of itself is a reason.
    """
    found = _unknown_devices(fleet, told=told, no_devices=no_devices, refuse_unknown=refuse_unknown)
    found = found or _rules_without_effect(rules, decisions)
    return None if found is None else Refusal(found.reason, f"{found.why} Nothing was deleted.")


def _unknown_devices(fleet: Fleet, *, told: bool, no_devices: bool, refuse_unknown: bool) -> Refusal | None:
    if not told:
        why = "Nobody said what the devices run, and what they run must stay. Give it with the option fleet."
        return Refusal("no_fleet", why)
    if not fleet.devices and not no_devices:
        return Refusal(
            "no_fleet",
            "There is no device in fleet, and what devices run must stay. Look at the inventory and at the pattern of "
            "hosts, or set no_devices: true if there are none.",
        )
    if fleet.unknown and refuse_unknown:
        count = len(fleet.unknown)
        who = ", ".join(fleet.unknown[:10]) + (f" and {count - 10} more" if count > 10 else "")
        return Refusal(
            "unknown_devices",
            f"{count} devices did not tell what they have and may run anything: {who}. Ask again when they are awake, "
            "undo packages that were put on top of an image, with 'rpm-ostree reset', take those that are gone out of "
            "the inventory, or set unknown_devices: accept.",
        )
    return None


def _rules_without_effect(rules: Rules, decisions: Sequence[Decision]) -> Refusal | None:
    # What only belongs to something else is kept by none of the rules that were given.
    keeping = {reason.rule for decision in decisions if decision.kept for reason in decision.reasons}
    if decisions and keeping <= {ATTACHED}:
        why = "No rule keeps anything, so the whole repository would go. Give keep_tags or keep_last that fit its tags."
        return Refusal("no_rules", why)
    if all(decision.kept for decision in decisions):
        return None
    if is_given(rules) and keeping.isdisjoint(OF_RULES):
        return Refusal(
            "no_rules",
            "The rules fit nothing, so all would go but what devices have. Give keep_tags or keep_last that fit the "
            "tags of the repository.",
        )
    if fits_nothing([tag for decision in decisions for tag in decision.node.tags], rules)[1]:
        return Refusal(
            "no_rules",
            f"keep_last is {rules.last}, and no tag fits release_tag '{rules.release_tag}', so every release would go. "
            "Correct release_tag, or set keep_last to 0 for a repository without releases.",
        )
    return None
