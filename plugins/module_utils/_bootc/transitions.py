# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to run to get from one state of a host to a wanted one, and what the host will look like then. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence, Tuple, Union

from .._errors import BootcError
from .reference import parse_reference, pinned
from .status import COMPOSEFS, OSTREE, ImageSpec, Slot, Status

Command = Tuple[str, ...]

UPGRADE: Command = ("bootc", "upgrade", "--quiet")
ARM: Command = ("bootc", "upgrade", "--quiet", "--from-downloaded")
PARK: Command = ("bootc", "upgrade", "--quiet", "--download-only")
ROLLBACK: Command = ("bootc", "rollback")
# ostree always lists a staged deployment first; the index is looked up again right before it is used.
UNDEPLOY_STAGED: Command = ("ostree", "admin", "undeploy", "0")

CONTAINER_POLICY = "containerPolicy"

_PARKED_IN_THE_WAY = "What is parked is dropped first: bootc would not arm it, should it be the newest content"

# Older releases on composefs leave a stale boot entry behind when they roll back with something staged.
_ROLLBACK_DROPS_STAGED_SINCE = (1, 16, 0)

# The rollbacks a host remembers, newest last, as pairs (digest left, digest returned to).
History = Tuple[Tuple[str, str], ...]


@dataclass(frozen=True)
class Switch:
    """This image boots next.

    ``image`` is what bootc is told. Without ``enforce_signature`` a demand for a signature stays as it is for the image
    that is tracked already. ``accept`` holds every digest that counts as the wanted content; empty means that
    the content is not known and the name decides. ``digest`` is what the host will report, where that is known.
    ``by_name`` says that the content was only looked up for a tag, so that on ostree the name to track counts too.
    """

    image: str
    transport: str = "registry"
    enforce_signature: bool = False
    retain: bool = False
    accept: frozenset[str] = frozenset()
    digest: str | None = None
    by_name: bool = False


@dataclass(frozen=True)
class Update:
    """The newest content of the tracked image is staged, or with ``park`` at least downloaded.

    ``accept`` and ``digest`` as for Switch: what the tracked reference resolves to now. Content the host was taken back
    from is not staged again, unless ``repeat`` is set.
    """

    park: bool = False
    accept: frozenset[str] = frozenset()
    digest: str | None = None
    repeat: bool = False
    history: History = ()


@dataclass(frozen=True)
class Rollback:
    """The rollback deployment boots next, unless the host already came back from it.

    ``forward`` says that the rollback deployment is the newer one: the host is not being taken back.
    """

    discard_staged: bool = False
    repeat: bool = False
    forward: bool = False
    history: History = ()


Desired = Union[Switch, Update, Rollback]


@dataclass(frozen=True)
class Transition:
    """How to get there.

    ``accept`` are the digests the staged slot may have afterwards, empty when any will do. ``uncertain`` says that the
    content could not be known beforehand, so that even "nothing new" would be a valid outcome. ``queued_elsewhere``
    says that the rollback deployment boots next for a reason that is not known here.
    """

    commands: tuple[Command, ...]
    predicted: Status
    note: str = ""
    discards: tuple[str, ...] = ()
    accept: frozenset[str] = frozenset()
    uncertain: bool = False
    already_rolled_back: bool = False
    queued_elsewhere: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.commands)

    @property
    def reboot_required(self) -> bool:
        return self.predicted.reboot_required


def plan(status: Status, desired: Desired) -> Transition:
    """The way from this state to the wanted one; BootcError when there is none."""
    if not status.is_bootc:
        raise not_bootc()
    if isinstance(desired, Switch):
        transition = _plan_switch(status, desired)
    elif isinstance(desired, Update):
        transition = _plan_update(status, desired)
    else:
        transition = _plan_rollback(status, desired)
    if transition.commands and status.read_only:
        raise BootcError(
            "read_only",
            "The system runs from a read-only medium, such as a live image, and cannot be changed",
            "Install it to a disk first",
        )
    return transition


def not_bootc() -> BootcError:
    """The failure of every verb on a host that bootc did not deploy."""
    return BootcError(
        "not_bootc",
        "This host was not booted by bootc",
        "Run this only on image-based hosts; skorionos.bootc.bootc_status tells which these are",
    )


def mismatch(transition: Transition, before: Status, after: Status) -> str | None:
    """Why what is there now is not what was predicted, or None when it is."""
    predicted = transition.predicted
    if _rollback_is_gone(predicted, after):
        return "the rollback deployment is gone"
    if transition.uncertain and found_nothing_new(transition, before, after):
        return None
    if after.next_boot != predicted.next_boot:
        return f"{after.next_boot} boots next instead of {predicted.next_boot}"
    if after.staged is None or predicted.staged is None:
        if after.staged is predicted.staged:
            return None
        return "nothing is staged" if after.staged is None else "something is staged that should not be"
    return _staged_mismatch(transition, after.staged, predicted.staged)


def _rollback_is_gone(expected: Status, after: Status) -> bool:
    rollback = expected.rollback
    if rollback is None:
        return False
    if rollback.deployment is None:
        return after.rollback is None
    return all(slot.deployment != rollback.deployment for slot in after.slots())


def _staged_mismatch(transition: Transition, staged: Slot, predicted: Slot) -> str | None:
    if staged.download_only != predicted.download_only:
        return "what is staged is parked" if staged.download_only else "what is staged is not parked"
    if transition.accept and staged.digest not in transition.accept and not _pins(staged, predicted):
        return f"{staged.digest} is staged, which is not the wanted content"
    if not transition.accept and staged.image != predicted.image:
        return f"{staged.image} is staged instead of {predicted.image}"
    return None


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def undeploy_staged(deployments: Sequence[Mapping[str, Any]], staged: Slot | None) -> Command | None:
    """How to drop what is staged by what ostree lists now, or None when that is not staged any more."""
    for position, entry in enumerate(deployments):
        identity = f"{entry.get('checksum')}.{entry.get('serial')}"
        if entry.get("staged") is True and staged is not None and staged.deployment in (identity, None):
            index = entry.get("index")
            return (*UNDEPLOY_STAGED[:-1], str(index if _is_index(index) else position))
    return None


def fetches(command: Command) -> bool:
    """Whether the command gets what the registry has."""
    return command in (UPGRADE, PARK) or command[:2] == ("bootc", "switch")


def found_nothing_new(transition: Transition, before: Status, after: Status) -> bool:
    """Whether an upgrade left the host as it found it: bootc takes content under another digest for what it has."""
    if transition.commands[-1] not in (UPGRADE, PARK):
        return False
    idle = _before_upgrade(transition, before)
    return (after.staged, after.next_boot) == (idle.staged, idle.next_boot) and not _rollback_is_gone(idle, after)


def _before_upgrade(transition: Transition, before: Status) -> Status:
    """The state in which the upgrade, which is the last command, finds the host."""
    return before if len(transition.commands) == 1 else before.without_staged()


def found_in(status: Status) -> str | None:
    """The slot that must have the content of which an upgrade found nothing new, where only one comes into question."""
    only_booted = status.backend == OSTREE or (status.rollback is None and not status.others)
    return "booted" if status.staged is None and only_booted else None


def same_content_note(slot: str) -> str:
    """What to say when the host has the wanted content under another digest, and boots it next."""
    return f"bootc finds this content the same as that of the {slot} deployment, which keeps its name and digest"


def how_to_boot(slot: str | None, status: Status) -> str:
    """How to have content boot next that bootc will not deploy because this slot has it."""
    holder = {"booted": status.booted, "staged": status.staged, "rollback": status.rollback}.get(slot or "")
    if holder is None:
        return "Look at 'bootc status' on the device, and name the deployment that has it by its own digest"
    if slot == status.next_boot:
        return "It boots next already: reboot with skorionos.bootc.bootc_apply"
    if slot == "rollback":
        return "Use skorionos.bootc.bootc_rollback to go there"
    verb = "stay on it" if slot == "booted" else "arm it"
    return f"Use skorionos.bootc.bootc_switch with image={_pinned(holder)} to {verb}"


def _pinned(slot: Slot) -> str:
    """A name by which exactly this deployment is meant."""
    if slot.image is None or slot.digest is None or slot.transport != "registry":
        return slot.image or "its name"
    try:
        return pinned(parse_reference(slot.image).repository, slot.digest)
    except BootcError:
        return slot.image


def after_reboot(status: Status) -> Status:
    """The state after an orderly reboot."""
    slot = status.next_slot
    booted = status.booted
    if slot is None or booted is None or status.next_boot == "booted":
        return replace(status, staged=None, spec_image=booted.spec if booted else None, usr_overlay=None)
    others = status.others
    if status.next_boot == "staged" and status.rollback is not None and status.rollback.pinned:
        others = (status.rollback, *others)
    return replace(
        status,
        booted=slot,
        rollback=replace(booted, download_only=False),
        staged=None,
        others=others,
        spec_image=slot.spec,
        rollback_queued=False,
        usr_overlay=None,
    )


# -- switch ------------------------------------------------------------------------------------------------------------


def _plan_switch(status: Status, desired: Switch) -> Transition:
    wanted = _wanted_spec(status, desired)
    tag_only = "@" not in desired.image and (desired.by_name or not desired.accept)
    if tag_only and _current_spec(status) == wanted:
        return _keep_tracking(status, wanted)
    if status.staged is not None and _has_content(status, status.staged, desired, wanted):
        return _arm_wanted(status, status.staged, desired.accept, _name_note(status.staged, wanted))
    if status.booted is not None and _has_content(status, status.booted, desired, wanted):
        return _stay_on_booted(status, _name_note(status.booted, wanted))
    if status.next_boot == "rollback" and status.rollback is not None and status.rollback.digest in desired.accept:
        return Transition((), status, note="The rollback deployment has this content and is queued")
    if status.backend == COMPOSEFS:
        _refuse_redeployment(status, desired.accept)
    return _stage(status, desired, wanted)


def _wanted_spec(status: Status, desired: Switch) -> ImageSpec:
    wanted = ImageSpec(desired.image, desired.transport)
    if status.backend == COMPOSEFS:  # such hosts do not keep the demand for a signature
        return wanted
    if desired.enforce_signature:
        return replace(wanted, signature=CONTAINER_POLICY)
    spec = status.spec_image
    tracked = spec is not None and (spec.image, spec.transport) == (wanted.image, wanted.transport)
    return spec if spec is not None and tracked else wanted


def _current_spec(status: Status) -> ImageSpec | None:
    spec = status.spec_image
    return replace(spec, signature=None) if spec is not None and status.backend == COMPOSEFS else spec


def _keep_tracking(status: Status, wanted: ImageSpec) -> Transition:
    """The host tracks this name already; moving on to newer content of it is an update, not a switch."""
    rollback = status.rollback
    if status.next_boot == "rollback" and rollback is not None and rollback.spec == status.spec_image:
        return Transition((), status, note="The rollback that is queued tracks the same image")
    if status.staged is None:
        return _stay_on_booted(status, "")
    if status.download_only:
        return Transition((), status, note=f"What is staged for {wanted.image} stays parked")
    return Transition((), status)


def _has_content(status: Status, slot: Slot, desired: Switch, wanted: ImageSpec) -> bool:
    if status.backend == OSTREE and desired.enforce_signature and slot.signature != wanted.signature:
        return False
    if "@" in wanted.image and (slot.image, slot.transport) == (wanted.image, wanted.transport):
        return True
    if slot.digest is None or slot.digest not in desired.accept:
        return False
    if status.backend == OSTREE and desired.by_name:
        return (slot.image, slot.transport) == (wanted.image, wanted.transport)
    return True


def _name_note(slot: Slot, wanted: ImageSpec) -> str:
    if slot.image == wanted.image:
        return ""
    return f"This content is already there under the name {slot.image}, which stays the tracked one"


def _arm_wanted(status: Status, staged: Slot, accept: frozenset[str], note: str) -> Transition:
    if not staged.download_only:
        return Transition((), status, note=note)
    return _arm(status, staged, accept, note)


def _stay_on_booted(status: Status, note: str) -> Transition:
    """Make the booted deployment the one that boots next."""
    commands: tuple[Command, ...] = ()
    notes = [note] if note else []
    predicted = status
    if status.staged is not None and not status.download_only:
        commands += (_drop_staged(status),)
        predicted = status.without_staged()
        notes.append(_dropped_note(status, status.staged))
    if predicted.next_boot == "rollback":
        _require_two_entries(status)
        notes.append("The queued rollback is taken back")
        if predicted.staged is not None:
            if status.backend == COMPOSEFS and not status.at_least(*_ROLLBACK_DROPS_STAGED_SINCE):
                commands += (_drop_staged(status),)
            notes.append(_dropped_note(status, predicted.staged))
            predicted = predicted.without_staged()
        # A second rollback reverts a queued one; nothing else does on both backends.
        commands += (ROLLBACK,)
        predicted = replace(predicted, rollback_queued=False)
    elif predicted.staged is not None:
        notes.append("What is parked stays parked: it does not boot unless somebody arms it")
    discards = ("staged",) if predicted.staged is None and status.staged is not None else ()
    return Transition(commands, predicted, note="; ".join(notes), discards=discards)


def _dropped_note(status: Status, staged: Slot) -> str:
    """What goes, and what the host tracks from then on: the name of a staged deployment goes with it."""
    note = f"The {'parked' if staged.download_only else 'staged'} {_describe(staged)} is dropped"
    booted = status.booted
    if booted is None or booted.image is None or booted.spec == status.spec_image:
        return note
    return f"{note}, and {booted.image} is tracked again"


def _stage(status: Status, desired: Switch, wanted: ImageSpec) -> Transition:
    notes = []
    # bootc answers "unchanged" to a switch to the tracked name without looking at the registry.
    if _current_spec(status) == wanted:
        _require_compatible(status)
        command = UPGRADE
    else:
        command = ("bootc", "switch", "--quiet")
        if desired.transport != "registry":
            command += ("--transport", desired.transport)
        if desired.enforce_signature:
            command += ("--enforce-container-sigpolicy",)
        if desired.retain:
            command += ("--retain",)
        command += (desired.image,)
    booted = status.booted
    if booted is not None and booted.incompatible:
        notes.append("The local rpm-ostree modifications of the booted deployment are not carried over")
    if desired.digest is None:
        notes.append(
            "Which of the accepted digests the device will report is known once it is staged"
            if desired.accept
            else "The digest is not known before it is staged"
        )
    commands: tuple[Command, ...] = (command,)
    if command == UPGRADE and _may_be_parked(status, desired.digest):
        commands = (_drop_staged(status), command)
        notes.append(_PARKED_IN_THE_WAY)
    return Transition(
        commands,
        _with_staged(status, wanted, desired.digest, download_only=False),
        note="; ".join(notes),
        discards=("staged",) if status.staged is not None else (),
        accept=desired.accept,
    )


# -- update ------------------------------------------------------------------------------------------------------------


def _plan_update(status: Status, desired: Update) -> Transition:
    _require_compatible(status)
    spec = status.spec_image
    if spec is None:
        raise BootcError(
            "incompatible",
            "This host tracks no image, so there is nothing to update from",
            "Name one with skorionos.bootc.bootc_switch first",
        )
    staged = status.staged
    if "@" in spec.image:
        return _update_of_a_digest(status, spec, desired)
    if _taken_back(status, desired):
        return Transition((), status, note=_taken_back_note(status, spec, desired))
    if staged is not None and staged.digest is not None and staged.digest in desired.accept:
        return _update_staged(status, staged, desired)
    if status.booted is not None and status.booted.digest is not None and status.booted.digest in desired.accept:
        return _update_is_booted(status, desired)
    if status.next_boot == "rollback" and status.rollback is not None and status.rollback.digest in desired.accept:
        return Transition((), status, note="The rollback deployment has the newest content and is queued")
    if status.backend == COMPOSEFS:
        _refuse_redeployment(status, desired.accept)
    return _fetch_update(status, spec, desired)


def _update_of_a_digest(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    note = f"The host tracks {spec.image}, a digest, which has no newer content"
    if status.staged is not None and status.download_only and not desired.park:
        return _arm(status, status.staged, frozenset(), note)
    return Transition((), status, note=note)


def _taken_back(status: Status, desired: Update) -> bool:
    """Whether the newest content is, or may be, what the host was taken back from. ostree would stage it again."""
    here = status.booted.digest if status.booted else None
    if desired.repeat or here is None or here in desired.accept:
        return False
    candidates = desired.accept or {left for left, _returned_to in desired.history}
    return any(_came_back(digest, here, desired.history) for digest in candidates)


def _taken_back_note(status: Status, spec: ImageSpec, desired: Update) -> str:
    if not desired.accept:
        return (
            f"This host was taken back from other content, which {spec.image} may still hold, as it could not be "
            "looked up: nothing is fetched without repeat=true"
        )
    note = f"This host was taken back from the newest content of {spec.image}"
    if status.next_boot == "staged" and status.staged is not None and status.staged.digest in desired.accept:
        return f"{note}, but somebody has staged that again"
    return f"{note}, which is not staged again without repeat=true"


def _update_staged(status: Status, staged: Slot, desired: Update) -> Transition:
    if staged.download_only and not desired.park:
        return _arm(status, staged, desired.accept, "")
    # Arming was somebody's consent to the next reboot. "At least downloaded" is no reason to take it back.
    note = (
        "The newest content is already armed, not only downloaded" if desired.park and not staged.download_only else ""
    )
    return Transition((), status, note=note)


def _update_is_booted(status: Status, desired: Update) -> Transition:
    note = "The booted deployment has the newest content"
    staged = status.staged
    if staged is None:
        return Transition((), status, note=note)
    if desired.park or staged.download_only:
        return Transition((), status, note=f"{note}; the staged {_describe(staged)} is left as it is")
    return Transition(
        (_drop_staged(status),),
        status.without_staged(),
        note=f"{note}; {_dropped_note(status, staged)}",
        discards=("staged",),
    )


def _arm(status: Status, staged: Slot, accept: frozenset[str], note: str) -> Transition:
    predicted = replace(status, staged=replace(staged, download_only=False))
    return Transition((ARM,), predicted, note=note, accept=_accept_with(accept, staged))


def _fetch_update(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    notes = []
    staged, uncertain = status.staged, not desired.accept
    if desired.park:
        if uncertain and staged is not None and not staged.download_only:
            note = f"What {spec.image} holds now is not known: the armed {_describe(staged)} is left as it is"
            return Transition((), status, note=note)
        _require_version(status, "downloading without arming", ostree=(1, 12, 0), composefs=(1, 13, 0))
    if uncertain:
        notes.append("What the tracked image holds now could not be determined beforehand")
    commands: tuple[Command, ...] = (PARK if desired.park else UPGRADE,)
    if not desired.park and _may_be_parked(status, desired.digest):
        commands = (_drop_staged(status), *commands)
        notes.append(_PARKED_IN_THE_WAY)
    elif staged is not None and not staged.download_only and desired.park:
        notes.append(f"The armed {_describe(staged)} is replaced by newer content that is only parked")
    return Transition(
        commands,
        _with_staged(status, spec, desired.digest, download_only=desired.park),
        note="; ".join(notes),
        discards=("staged",) if staged is not None else (),
        accept=desired.accept,
        uncertain=uncertain,
    )


# -- rollback ----------------------------------------------------------------------------------------------------------


def _plan_rollback(status: Status, desired: Rollback) -> Transition:
    staged, rollback, booted = status.staged, status.rollback, status.booted
    if rollback is None or rollback.image is None or booted is None:
        raise BootcError(
            "no_rollback",
            "There is no deployment to roll back to" if rollback is None else "The rollback deployment is no image",
            "Name the image to go to with skorionos.bootc.bootc_switch",
        )
    elsewhere = status.rollback_queued and not queued_here(status, desired.history)
    queued_note = _queued_elsewhere_note(booted) if elsewhere else "The rollback is already queued"
    if status.next_boot == "rollback":
        return Transition((), status, note=queued_note, queued_elsewhere=elsewhere)
    if staged is not None and not desired.discard_staged:
        raise BootcError(
            "no_rollback",
            f"Rolling back would throw away the staged {_describe(staged)}",
            "Set discard_staged=true if that is meant, or reboot into it first",
        )
    came_back = not (desired.repeat or desired.forward) and _came_back(rollback.digest, booted.digest, desired.history)
    if came_back or status.rollback_queued:
        # The boot order is already right. Another rollback would turn it round.
        commands: tuple[Command, ...] = (_drop_staged(status),) if staged is not None else ()
        came_back = came_back and not status.rollback_queued
        note = f"This host already came back from {_describe(rollback)}" if came_back else queued_note
        return Transition(
            commands,
            status.without_staged() if staged is not None else status,
            note=note if staged is None else f"{note}; {_dropped_note(status, staged)}",
            discards=("staged",) if staged is not None else (),
            already_rolled_back=came_back,
            queued_elsewhere=elsewhere,
        )
    _require_two_entries(status)
    commands = (ROLLBACK,)
    if staged is not None and status.backend == COMPOSEFS:
        # Releases before 1.16 leave a stale staged entry behind when they roll back.
        commands = (_drop_staged(status), ROLLBACK)
    return Transition(
        commands,
        replace(status.without_staged() if staged is not None else status, rollback_queued=True),
        note=f"From {_describe(booted)} to {_describe(rollback)}",
        discards=("staged",) if staged is not None else (),
    )


def _came_back(left: str | None, here: str | None, history: History) -> bool:
    """Whether the last rollback between these two went from the one to the other."""
    for mark in reversed(history):
        if mark in ((left, here), (here, left)):
            return mark == (left, here)
    return False


def queued_here(status: Status, history: History) -> bool:
    """Whether this host remembers that the rollback that is queued was asked for; without digests it cannot know."""
    booted, rollback = status.booted, status.rollback
    if booted is None or rollback is None or booted.digest is None or rollback.digest is None:
        return True
    return _came_back(booted.digest, rollback.digest, history)


def _queued_elsewhere_note(booted: Slot) -> str:
    return (
        "The rollback deployment boots next, but nobody asked for that here: either somebody queued it by hand, or the "
        "boot loader fell back from it and the next boot goes forward again. To stay on what runs, use "
        f"skorionos.bootc.bootc_switch with image={_pinned(booted)}"
    )


# -- shared ------------------------------------------------------------------------------------------------------------


def _with_staged(status: Status, spec: ImageSpec, digest: str | None, download_only: bool) -> Status:
    architecture = status.booted.architecture if status.booted else None
    staged = Slot(
        image=spec.image,
        transport=spec.transport,
        signature=spec.signature,
        digest=digest,
        architecture=architecture,
        download_only=download_only,
    )
    return replace(status, staged=staged, spec_image=spec)


def _may_be_parked(status: Status, digest: str | None) -> bool:
    """Whether an upgrade may find what is parked, which on composefs it does not arm; other content replaces it."""
    staged = status.staged
    if status.backend != COMPOSEFS or staged is None or not staged.download_only:
        return False
    return digest is None or staged.digest is None


def _accept_with(accept: frozenset[str], slot: Slot) -> frozenset[str]:
    return accept | {slot.digest} if slot.digest else accept


def _pins(slot: Slot, predicted: Slot) -> bool:
    """Whether the slot holds exactly the digest its own name asks for, which may be that of an index."""
    return slot.image is not None and "@" in slot.image and slot.image == predicted.image


def _drop_staged(status: Status) -> Command:
    staged = status.staged
    if status.backend != COMPOSEFS:
        return UNDEPLOY_STAGED
    if staged is None or staged.deployment is None:
        raise BootcError(
            "unexpected",
            "The staged deployment has no identity in the status of bootc",
            "Look at 'bootc status' on the device; a reboot drops or applies what is staged",
        )
    _require_version(status, "dropping what is staged", composefs=(1, 11, 0))
    return ("bootc", "delete-deployment", staged.deployment)


def _refuse_redeployment(status: Status, accept: frozenset[str]) -> None:
    """composefs hosts keep one deployment per content and refuse, or silently ignore, to make another."""
    rollback = status.rollback
    if rollback is not None and rollback.digest is not None and rollback.digest in accept:
        raise BootcError(
            "already_deployed",
            f"The rollback deployment has this content ({rollback.digest}), and this host cannot stage it twice",
            "Use skorionos.bootc.bootc_rollback to go there",
            data={"deployment": rollback.deployment},
        )
    for other in status.others:
        if other.digest is not None and other.digest in accept:
            raise BootcError(
                "already_deployed",
                f"Another deployment has this content ({other.digest}), and this host cannot stage it twice",
                f"Remove it first: bootc delete-deployment {other.deployment}",
                data={"deployment": other.deployment},
            )


def _require_two_entries(status: Status) -> None:
    if status.backend == COMPOSEFS and status.others:
        raise BootcError(
            "no_rollback",
            "This host has more boot entries than the booted and the rollback one, and bootc would crash on them",
            "Remove the others first with 'bootc delete-deployment'",
            data={"deployments": [other.deployment for other in status.others]},
        )


def _require_compatible(status: Status) -> None:
    for slot in (status.booted, status.staged):
        if slot is not None and slot.incompatible:
            raise BootcError(
                "incompatible",
                "A deployment has local rpm-ostree modifications, which bootc cannot update",
                "Undo them with 'rpm-ostree reset', or leave them behind with skorionos.bootc.bootc_switch",
            )


def _require_version(
    status: Status, what: str, ostree: tuple[int, int, int] | None = None, composefs: tuple[int, int, int] | None = None
) -> None:
    needed = composefs if status.backend == COMPOSEFS else ostree
    if needed is not None and not status.at_least(*needed):
        raise BootcError(
            "unsupported_version",
            f"bootc {status.bootc_version} does not support {what} on a {status.backend} host, "
            f"{'.'.join(map(str, needed))} does",
            "Update the device with an option that needs no such support first",
        )


def _describe(slot: Slot) -> str:
    return f"{slot.image or 'deployment'} ({slot.version or slot.digest or 'content unknown'})"
