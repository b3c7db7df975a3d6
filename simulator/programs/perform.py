# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a parsed command line of bootc to its verb. Pure as far as the world given to it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.journal import operations
from simulator.programs.usage import Parsed
from simulator.state import Overlay, State
from simulator.verbs import admin, composefs, internals, ostree
from simulator.verbs.common import Aborted, BootcError, Outcome, SwitchOptions, UpgradeOptions, World
from simulator.verbs.soft_reboot import REQUIRED, prepare_composefs, reset_composefs
from simulator.versions import has

STORAGE = "Initializing storage"
# Verbs that open no storage, and so need neither root nor a host booted by bootc.
WITHOUT_STORAGE = ("usr-overlay", "internals print-json-schema", "internals reboot", "status")
TRANSPORTS = ("registry", "docker://", "oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage",
              "dir")  # fmt: skip


@dataclass(frozen=True)
class Given:
    """What a command takes from outside of its command line: the file to edit, and what differs in /etc."""

    document: str = ""
    etc_changes: tuple[tuple[str, str], ...] = ()


def check_rights(state: State, parsed: Parsed, rights: str) -> None:
    """Raise BootcError for who may not do it: ``rights`` is root, user, no-sys-admin or container."""
    if parsed.verb == "status":
        # On any other host it prints that nothing is booted, to everybody.
        if rights != "container" and state.booted is not None:
            _check_root(rights, "Status", "Preparing for write")
    elif parsed.verb == "internals reboot":
        if rights == "user":
            raise BootcError("Initiating reboot", "Subprocess failed: ExitStatus(unix_wait_status(256))")
    elif parsed.verb == "usr-overlay":
        _check_overlay_rights(state, rights)
    elif parsed.verb not in WITHOUT_STORAGE and not parsed.on("mutate-in-place"):
        contexts = (*_outer(parsed), STORAGE, "Preparing for write")
        if rights == "container":
            raise BootcError(*contexts, "Detected container; this command requires a booted host system.")
        _check_root(rights, *contexts)


def _check_root(rights: str, *context: str) -> None:
    if rights == "user":
        raise BootcError(*context, "Querying root privilege", "This command must be executed as the root user")
    if rights == "no-sys-admin":
        cause = "This command requires full root privileges (CAP_SYS_ADMIN)"
        raise BootcError(*context, "Querying root privilege", cause)


def _check_overlay_rights(state: State, rights: str) -> None:
    if rights == "container" or state.booted is None:
        raise BootcError("usroverlay only applies on booted hosts")
    if rights != "root":
        raise BootcError(
            "Operation not permitted (os error 1)" if state.composefs else "You must be root to perform this command"
        )


def _outer(parsed: Parsed) -> tuple[str, ...]:
    """The context around opening the storage: some verbs open it within themselves."""
    return {
        "switch": ("Switching",),
        "rollback": ("Rollback",),
        "edit": ("Editing spec",),
        "image list": ("Listing images",),
    }.get(parsed.verb, ())


def perform(state: State, parsed: Parsed, world: World, given: Given | None = None) -> Outcome:
    """Run a parsed command other than status on ``state``; raises BootcError and Aborted."""
    return perform_into(Outcome(state), parsed, world, given or Given())


def perform_into(outcome: Outcome, parsed: Parsed, world: World, given: Given) -> Outcome:
    """As perform, for an outcome that listens to the progress."""
    if parsed.raw:
        raise BootcError(f"not simulated: bootc {parsed.verb}")
    before = outcome.state
    try:
        if parsed.verb in WITHOUT_STORAGE:
            _without_storage(outcome, parsed)
        else:
            _with_storage(outcome, parsed, world, given)
    except (BootcError, Aborted) as failed:
        failed.so_far = outcome
        raise
    finally:
        outcome.state = operations(before, outcome.state, parsed.verb)
    return outcome


def _without_storage(outcome: Outcome, parsed: Parsed) -> None:
    if parsed.verb == "usr-overlay":
        if outcome.state.booted is None:
            raise BootcError("usroverlay only applies on booted hosts")
        _usr_overlay(outcome, read_only=parsed.on("read-only"))
    elif parsed.verb == "internals reboot":
        outcome.reboot = True
    else:
        from simulator.verbs import schema

        outcome.document = schema.text(parsed.flags.get("of", "host"), outcome.state.bootc_version)


def _with_storage(outcome: Outcome, parsed: Parsed, world: World, given: Given) -> None:
    state = outcome.state
    if parsed.verb == "switch" and parsed.on("mutate-in-place"):
        ostree.switch_in_place(outcome, _switch_options(parsed))
        return
    if state.booted is None:
        raise BootcError(*_outer(parsed), STORAGE, "System not booted via bootc")
    if state.read_only:
        raise BootcError(*_outer(parsed), STORAGE, *_read_only(state))
    if parsed.verb in ("upgrade", "switch", "rollback", "edit"):
        _deploy(outcome, parsed, world, given)
    else:
        _look_after(outcome, parsed, given)


def _read_only(state: State) -> tuple[str, ...]:
    """What a device on a medium that cannot be written says to whatever would."""
    if has(state.bootc_version, "readOnly"):
        medium = "/sysroot is on a read-only block device (e.g. a live ISO)"
        return (f"Cannot perform this operation: {medium}",)
    return "Preparing for write", "Read-only file system (os error 30)"


def _deploy(outcome: Outcome, parsed: Parsed, world: World, given: Given) -> None:
    backend = composefs if outcome.state.composefs else ostree
    if parsed.verb == "upgrade":
        backend.upgrade(outcome, _upgrade_options(parsed), world)
    elif parsed.verb == "switch":
        backend.switch(outcome, _switch_options(parsed), world)
    elif parsed.verb == "edit":
        from simulator.verbs.edit import edit

        edit(outcome, given.document, world)
    elif outcome.state.composefs:
        # Which takes --soft-reboot and does nothing about it.
        composefs.rollback(outcome, apply=parsed.on("apply"))
    else:
        ostree.rollback(outcome, apply=parsed.on("apply"), soft_reboot=parsed.flags.get("soft-reboot"))


def _look_after(outcome: Outcome, parsed: Parsed, given: Given) -> None:
    state = outcome.state
    if parsed.verb == "delete-deployment":
        if not state.composefs:
            raise BootcError("DeleteDeployment is only supported for composefs backend")
        composefs.delete_deployment(outcome, parsed.positional or "")
    elif parsed.verb == "internals prep-soft-reboot":
        _prepare_soft_reboot(outcome, parsed)
    elif parsed.verb == "internals cleanup":
        internals.clean_up(outcome)
    elif parsed.verb == "internals fsck":
        internals.check_consistency(outcome)
    elif parsed.verb == "internals composefs-gc":
        internals.collect_garbage(
            outcome,
            dry_run=parsed.on("dry-run"),
            assert_no_op=parsed.on("assert-no-op"),
            # Before it could be asked for, everything was always collected.
            prune_repo=parsed.on("prune-repo") or not has(state.bootc_version, "composefs-gc --prune-repo"),
        )
    elif parsed.verb == "image list":
        internals.list_images(outcome, parsed.flags.get("type", "all"), parsed.flags.get("format", "table"))
    elif parsed.verb == "config-diff":
        internals.differences(outcome, given.etc_changes)
    elif parsed.verb == "composefs-finalize-staged":
        internals.finalize_staged(state)
    elif state.composefs:
        raise BootcError(internals.NO_OSTREE)
    else:
        raise BootcError(f"not simulated: bootc {parsed.verb}")


def _prepare_soft_reboot(outcome: Outcome, parsed: Parsed) -> None:
    if not outcome.state.composefs:
        raise BootcError("soft-reboot only implemented for composefs")
    if parsed.on("reset"):
        reset_composefs(outcome)
    else:
        prepare_composefs(outcome, REQUIRED, parsed.positional or "", apply=parsed.on("reboot"))


def _upgrade_options(parsed: Parsed) -> UpgradeOptions:
    return UpgradeOptions(
        check=parsed.on("check"),
        apply=parsed.on("apply"),
        download_only=parsed.on("download-only"),
        from_downloaded=parsed.on("from-downloaded"),
        tag=parsed.flags.get("tag"),
        soft_reboot=parsed.flags.get("soft-reboot"),
    )


def _switch_options(parsed: Parsed) -> SwitchOptions:
    assert parsed.positional is not None
    transport = parsed.flags.get("transport", "registry")
    if transport not in TRANSPORTS:
        raise BootcError("Switching", f"Invalid transport: {transport}")
    return SwitchOptions(
        target=parsed.positional,
        transport="registry" if transport == "docker://" else transport,
        enforce_sigpolicy=parsed.on("enforce-container-sigpolicy"),
        retain=parsed.on("retain"),
        apply=parsed.on("apply"),
        soft_reboot=parsed.flags.get("soft-reboot"),
    )


def _usr_overlay(outcome: Outcome, *, read_only: bool) -> None:
    state = outcome.state
    if not state.composefs:
        admin.unlock(outcome, hotfix=False, transient=read_only)
        return
    any_kind = has(state.bootc_version, "usr-overlay --read-only")
    if state.usr_overlay is not None:
        outcome.out.append(f"{'An' if any_kind else 'A writeable'} overlayfs is already mounted on /usr")
        return
    outcome.state = replace(state, usr_overlay=Overlay("readOnly" if read_only else "readWrite"))
    kind = "read-only" if read_only else "read/write" if any_kind else "writeable"
    outcome.out += [f"A {kind} overlayfs is now mounted on /usr", "All changes there will be discarded on reboot."]
