# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed command wrote, sorted into kinds. The one place where the words of bootc and its helpers matter."""

from __future__ import annotations

import re
from typing import Sequence

from .._device.command import Completed
from .._errors import AlreadyDeployed, BootcError

ROOT_REMEDY = "Run the task as root: become=true"
NETWORK_REMEDY = "Check that the device reaches the registry, then run again"
_SPACE_REMEDY = "Free space on the device; 'bootc status' shows what it keeps"

_SAME_CONTENT = r"same fs-verity digest(?: as the existing some\((?P<slot>booted|staged|rollback)\))?"

# Kind, remedy and the words of a lower-case message, in the order in which they are tried. They only name the reason of
# a failure that its exit code has established already. What one device itself lacks comes first, then what the registry
# has no time for: it says "denied" to too many requests as well.
_SYMPTOMS: tuple[tuple[str, str, str], ...] = (
    ("unexpected", ROOT_REMEDY, r"executed as the root user|requires full root privileges"),
    ("not_bootc", "Run this on a booted bootc host only", r"not booted via bootc|detected container;"),
    ("read_only", "Install the system to a disk first", r"read-only block device"),
    (
        "read_only",
        "Find out why the file system is not writable, with 'findmnt' on the device",
        r"read-only file system",
    ),
    (
        "busy",
        "Wait for the other command to end and run again",
        r"transaction in progress|lock\b.*resource temporarily unavailable",
    ),
    ("unsupported_version", "Update the device first", r"unsupported format version"),
    (
        "unsupported_version",
        "Update the device first, with an image that contains a newer bootc",
        r"is not (?:yet )?supported for composefs backend",
    ),
    (
        "incompatible",
        "This command exists on the other storage backend only; see 'backend' in skorionos.bootc.bootc_status",
        r"only (?:works|supported) for composefs backend|ostree storage not initialized",
    ),
    (
        "unexpected",
        "Keep /boot mounted: an automount that unmounts it when idle makes every bootc command fail",
        r"opendir\(boot\): operation not permitted",
    ),
    (
        "unexpected",
        "Remove from the EFI system partition the boot entries that bootc did not write; releases before 1.16 cannot "
        "deal with more than two of their own either",
        r"multiple extra entries in /boot|no composefs= param|efi does not start with custom prefix",
    ),
    (
        "unexpected",
        "Clean up what an interrupted staging left on the EFI system partition: bootc internals composefs-gc",
        r"opening vmlinuz: no such file",
    ),
    (
        "incompatible",
        "Choose an image whose kernel can read the verity of its files; Linux 7.0 could not at first",
        r"has no fs-verity digest",
    ),
    (
        "unexpected",
        "Install the program it names on the device",
        r"executable file not found|failed to (?:spawn|execute)\b.*no such file",
    ),
    ("incompatible", "Undo the modifications with 'rpm-ostree reset'", r"local rpm-ostree modifications"),
    ("incompatible", "Name an image with skorionos.bootc.bootc_switch first", r"no image source specified"),
    ("incompatible", "Build the image from a bootc base image", r"does not have ostree\.bootable label"),
    (
        "incompatible",
        "Choose the image for the architecture of the device",
        r"image has architecture|no image found in (?:image index|manifest list) for architecture",
    ),
    ("incompatible", "Build the image with a kernel in /usr/lib/modules", r"no boot entries!"),
    (
        "incompatible",
        "Seal the image again with the bootc it contains: its kernel image names another file system",
        r"wrong composefs= parameter",
    ),
    ("incompatible", "Resolve the conflicting entries below /etc, then run again", r"merge conflicts found in etc"),
    ("already_deployed", "Use skorionos.bootc.bootc_rollback if it is the previous image", _SAME_CONTENT),
    (
        "incompatible",
        "Reboot the device in full: the new image differs in what a soft reboot keeps",
        r"not soft-reboot capable",
    ),
    (
        "no_rollback",
        "Name the image to go to with skorionos.bootc.bootc_switch",
        r"no rollback available|rollback is not container image based",
    ),
    (
        "not_found",
        "Something else dropped it meanwhile: look for an update timer, and run again",
        r"no staged deployment found|deployment \S+ not found",
    ),
    ("invalid", "Boot another deployment first", r"cannot delete currently booted deployment"),
    (
        "invalid",
        "Write the image as its transport expects it; a registry is no part of the name of any other transport",
        r"invalid reference format|invalid image (?:name|transport|reference)|unknown transport"
        r"|invalid state transition",
    ),
    (
        "no_space",
        _SPACE_REMEDY,
        r"insufficient free space|no space left on device|disk quota exceeded"
        r"|min-free-space-(?:size|percent) .*would be exceeded",
    ),
    (
        "network",
        "The registry is overloaded or refuses more requests for now: run again later",
        r"toomanyrequests|too many requests|internal server error|bad gateway|service unavailable|gateway time-?out"
        r"|status(?: ?code)?(?: from registry)?:? (?:429|50[0234])\b",
    ),
    (
        "network",
        "The registry speaks plain HTTP: mark it 'insecure = true' in /etc/containers/registries.conf.d on the device",
        r"server gave http response to https client",
    ),
    (
        "signature",
        "Check the signature of the image and /etc/containers/policy.json on the device",
        r"source image rejected|signature was required, but no|none of the signatures were accepted"
        r"|signature for (?:identity|digest) .* (?:is not accepted|does not match)|signature verification failed"
        r"|invalid (?:gpg )?signature|is rejected by policy|insecureacceptanything.*refusing usage",
    ),
    (
        "auth",
        "Put credentials for the registry into /etc/ostree/auth.json on the device",
        r"\bunauthorized\b|authentication required|invalid username/password|access denied"
        r"|access to the resource is denied|\bnot authorized\b|no basic auth credentials"
        r"|denied: (?:denied|permission_denied)|\b403 \(?forbidden",
    ),
    (
        "not_found",
        "Check the name and the tag or digest of the image",
        r"manifest unknown|name unknown|repository name not known|\b404 \(?not found|statuscode: 404\b"
        r"|does not resolve to an image|(?:index\.json|oci-layout|manifest\.json): no such file",
    ),
    (
        "network",
        NETWORK_REMEDY,
        r"connection refused|connection reset|no such host|no route to host|network is unreachable|i/o timeout"
        r"|timed out|deadline exceeded|temporary failure|tls handshake|x509:"
        r"|server misbehaving|network is down|proxyconnect|pinging container registry|\beof\b",
    ),
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# bootc and podman put "error:" in front, old releases of bootc a log level, and skopeo writes log lines.
# Where a task of bootc fails, what it was doing is on the same line, as in "Deploying...error: …".
_PROGRESS = re.compile(r"^[^:]*?\.\.\.(?:done \([^)]*\)|failed)?\s*(?=error:)", re.IGNORECASE)
_ERROR_LINE = re.compile(r"\s*error(?::|\s)|.*\blevel=(?:fatal|error)\b|fata\[", re.IGNORECASE)
_USAGE = re.compile(r"^usage:|\b(?:unexpected argument|invalid value|unrecognized subcommand)\b", re.MULTILINE)


def classify(stderr: str, rc: int) -> tuple[str, str]:
    """Kind of a failure and what to do about it, as far as its message tells."""
    text = _ANSI.sub("", stderr).lower()
    if rc == 2 and _USAGE.search(text):
        return "unsupported_version", "Update the device first: its bootc does not know one of the options"
    # Progress and warnings of the helpers of bootc are full of words such as "signatures" and "not found".
    said = "\n".join(_error_lines(text))
    for kind, remedy, symptoms in _SYMPTOMS:
        if re.search(symptoms, said):
            return kind, remedy
    return "unexpected", "Run the command on the device and look into its journal"


def _error_lines(text: str) -> list[str]:
    """The lines in which a program says why it failed, or its last words."""
    lines = [_PROGRESS.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    return [line for line in lines if _ERROR_LINE.match(line)] or lines[-1:]


def failure(argv: Sequence[str], done: Completed) -> BootcError:
    kind, remedy = classify(done.err, done.rc)
    lines = _error_lines(_ANSI.sub("", done.err))
    cause = lines[-1] if lines else ""
    how = f"{argv[0]} was ended by signal {-done.rc}" if done.rc < 0 else f"{argv[0]} failed with exit code {done.rc}"
    message = f"{how}: {cause}" if cause else how
    same_content = re.search(_SAME_CONTENT, "\n".join(lines).lower())
    if same_content is not None:
        return AlreadyDeployed(same_content.group("slot"), message, remedy, command=argv, detail=done.err)
    return BootcError(kind, message, remedy, command=argv, detail=done.err)
