# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of bootc with their flags and exclusions, gated by the version of bootc. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """An option of a verb. ``takes`` names its value, a ``number`` or not; ``since`` is a feature of ``versions``.

    One that is ``hidden`` works and is not listed by ``--help``.
    """

    name: str
    takes: str | None = None
    values: tuple[str, ...] = ()
    since: str | None = None
    short: str | None = None
    number: bool = False
    hidden: bool = False
    required: bool = False


@dataclass(frozen=True)
class Verb:
    """A verb with its options, positional arguments and exclusions.

    ``name`` has two words for a verb in one of GROUPS. The positional argument may be left out when a flag
    ``instead`` of it is given. A ``raw`` verb exists and takes anything: what it does is not simulated.
    """

    name: str
    about: str
    flags: tuple[Flag, ...] = ()
    positional: str | None = None
    instead: str | None = None
    conflicts: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    since: str | None = None
    hidden: bool = False
    raw: bool = False


# Words that come before the verb, with what they are about; those in HIDDEN_GROUPS are not listed.
GROUPS: dict[str, str] = {
    "install": "Install the running container to a target",
    "container": "Operations which can be executed as part of a container build",
    "image": "Operations on container images",
    "loader-entries": "Operations on Boot Loader Specification entries",
    "state": "Modify the state of the system",
    "internals": "Diagnostic internal commands",
}
HIDDEN_GROUPS = ("image", "state", "internals")
GROUPS_SINCE = {"loader-entries": "loader-entries"}

SOFT_REBOOT = Flag("soft-reboot", takes="SOFT_REBOOT", values=("required", "auto"), since="soft-reboot")
# Hides progress bars, which are drawn on terminals only and never here: what else is printed does not change.
QUIET = Flag("quiet")
PROGRESS = Flag("progress-fd", takes="PROGRESS_FD", since="--progress-fd", number=True, hidden=True)

VERBS: tuple[Verb, ...] = (
    Verb(
        "upgrade",
        "Download and queue an updated container image to apply",
        (
            QUIET,
            Flag("check", since="upgrade --check"),
            Flag("apply", since="upgrade --apply"),
            SOFT_REBOOT,
            Flag("download-only", since="upgrade --download-only"),
            Flag("from-downloaded", since="upgrade --from-downloaded"),
            Flag("tag", takes="TAG", since="upgrade --tag"),
            PROGRESS,
        ),
        conflicts=(
            ("check", "apply"),
            ("check", "soft-reboot"),
            ("download-only", "check"),
            ("download-only", "apply"),
            ("from-downloaded", "check"),
            ("from-downloaded", "download-only"),
        ),
        aliases=("update",),
    ),
    Verb(
        "switch",
        "Target a new container image reference to boot",
        (
            QUIET,
            Flag("apply", since="switch --apply"),
            SOFT_REBOOT,
            Flag("transport", takes="TRANSPORT"),
            Flag("enforce-container-sigpolicy", since="switch --enforce-container-sigpolicy"),
            Flag("retain"),
            Flag("no-signature-verification", hidden=True),
            Flag("mutate-in-place", hidden=True),
            Flag("experimental-unified-storage", since="switch --experimental-unified-storage", hidden=True),
            PROGRESS,
        ),
        positional="TARGET",
    ),
    Verb(
        "rollback",
        "Change the bootloader entry ordering; the deployment under `rollback` will be queued for the next boot",
        (Flag("apply", since="rollback --apply"), SOFT_REBOOT),
        since="rollback",
    ),
    Verb(
        "status",
        "Display status",
        (
            Flag("format", takes="FORMAT", values=("humanreadable", "yaml", "json"), since="status --format"),
            Flag("format-version", takes="FORMAT_VERSION", since="status --format-version", number=True),
            Flag("booted"),
            Flag("json", hidden=True),
            Flag("verbose", short="v", since="status --verbose"),
        ),
    ),
    Verb(
        "usr-overlay",
        "Add a transient writable overlayfs on `/usr`",
        (Flag("read-only", since="usr-overlay --read-only"),),
        aliases=("usroverlay",),
    ),
    Verb(
        "delete-deployment",
        "Delete a deployment",
        positional="DEPL_ID",
        since="delete-deployment",
        hidden=True,
    ),
    Verb(
        "edit",
        "Apply full changes to the host specification",
        (Flag("filename", takes="FILENAME", short="f"), QUIET),
    ),
    Verb("composefs-finalize-staged", "Finalize what is staged", since="composefs"),
    Verb("config-diff", "Diff current /etc configuration versus default", since="composefs", hidden=True),
    Verb("completion", "Generate shell completion script", since="completion", hidden=True, raw=True),
    Verb(
        "exec-in-host-mount-namespace", "Execute the given command in the host mount namespace", hidden=True, raw=True
    ),
    Verb(
        "image list",
        "List fetched images stored in the bootc storage",
        (
            Flag("type", takes="LIST_TYPE", values=("all", "logical", "host"), since="image list --type"),
            Flag("format", takes="LIST_FORMAT", values=("table", "json"), since="image list --type"),
        ),
    ),
    Verb("image copy-to-storage", "Copy a container image to the container storage", raw=True),
    Verb("image set-unified", "Use one storage for containers and host", raw=True, since="downloadOnly"),
    Verb("image pull-from-default-storage", "Copy an image from the default storage", raw=True),
    Verb("image cmd", "Wrapper for selected container tool subcommands", raw=True),
    Verb("install to-disk", "Install to the target block device", raw=True),
    Verb("install to-filesystem", "Install to an externally created filesystem structure", raw=True),
    Verb("install to-existing-root", "Install to the host root filesystem", raw=True),
    Verb("install finalize", "Execute this as the penultimate step of an installation", raw=True),
    Verb("install ensure-completion", "Complete an installation of another kind", raw=True),
    Verb(
        "install print-configuration",
        "Output JSON to stdout that contains the merged installation configuration",
        raw=True,
    ),
    Verb("install reset", "Create a fresh installation state", raw=True, since="delete-deployment"),
    Verb("container lint", "Perform relatively inexpensive static analysis checks", raw=True),
    Verb("container inspect", "Output information about the container image", raw=True),
    Verb("state wipe-ostree", "Remove all ostree deployments from this system", raw=True),
    Verb(
        "loader-entries set-options-for-source",
        "Set or update the kernel arguments owned by a specific source",
        (Flag("source", takes="SOURCE", required=True), Flag("options", takes="OPTIONS")),
    ),
    Verb("internals cleanup", "Perform cleanup actions"),
    Verb("internals fsck", "Perform consistency checking", since="internals fsck"),
    Verb("internals reboot", "Initiate a reboot the same way we would after --apply", since="internals reboot"),
    Verb(
        "internals print-json-schema",
        "Dump JSON schema",
        (Flag("of", takes="OF", values=("host", "progress"), since="print-json-schema --of", required=True),),
    ),
    Verb(
        "internals prep-soft-reboot",
        "Prepare a soft reboot",
        (Flag("reboot"), Flag("reset", since="prep-soft-reboot --reset")),
        positional="DEPLOYMENT",
        instead="reset",
        conflicts=(("reboot", "reset"),),
        since="prep-soft-reboot",
    ),
    Verb(
        "internals composefs-gc",
        "Collect garbage of the composefs repository",
        (
            Flag("dry-run"),
            Flag("assert-no-op", since="composefs-gc --prune-repo"),
            Flag("prune-repo", since="composefs-gc --prune-repo"),
        ),
        since="composefs-gc",
    ),
    *(
        Verb(f"internals {name}", "Not for people", raw=True)
        for name in (
            "systemd-generator",
            "fixup-etc-fstab",
            "sysusers-sync",
            "fsverity",
            "relabel",
            "ostree-ext",
            "cfs",
            "ostree-container",
            "dir-diff",
            "blockdev",
            "uki",
        )
    ),
)
