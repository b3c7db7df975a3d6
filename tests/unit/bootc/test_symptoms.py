# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc, skopeo and registries write when they fail, and the kinds of failures that is."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.symptoms import classify, failure
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import Completed
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import KINDS


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("error: Status: Preparing for write: This command must be executed as the root user", "unexpected"),
        ("error: Initializing storage: System not booted via bootc", "not_bootc"),
        ("error: …: /sysroot is on a read-only block device (e.g. a live ISO)", "read_only"),
        ("error: Upgrading: Deployment contains local rpm-ostree modifications; cannot upgrade", "incompatible"),
        ("error: Target image does not have ostree.bootable label", "incompatible"),
        ("error: Image has architecture arm64; expected amd64", "incompatible"),
        ("error: Merge conflicts found in etc", "incompatible"),
        ("error: the same fs-verity digest as the existing Some(Booted) deployment.", "already_deployed"),
        ("error: Rollback: Rollback (ostree): No rollback available", "no_rollback"),
        ("error: Insufficient free space for quay.io/a (available: 1 required: 2)", "no_space"),
        ("error: writing blob: No space left on device", "no_space"),
        ("error: Source image rejected: A signature was required, but no signature exists", "signature"),
        ("error: containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage", "signature"),
        ("error: reading manifest x in quay.io/a: unauthorized: access to the requested resource", "auth"),
        ("error: reading manifest x in quay.io/a: manifest unknown", "not_found"),
        ("error: pinging container registry quay.io: dial tcp: lookup quay.io: no such host", "network"),
        ("error: dial tcp 127.0.0.1:5000: connect: connection refused", "network"),
        ("error: something never seen before", "unexpected"),
        ("", "unexpected"),
        ("error: Running image docker://quay.io/a is rejected by policy.", "signature"),
        ("error: Signature for identity quay.io/a:1 is not accepted", "signature"),
        ("error: reading manifest x in docker.io/a: toomanyrequests: You have reached your pull rate limit", "network"),
        ("error: denied: too many requests", "network"),
        ("error: Requesting bearer token: invalid status code from registry 502 (Bad Gateway)", "network"),
        ("error: pinging container registry quay.io: StatusCode: 504, <html>", "network"),
        ("error: received unexpected HTTP status: 500 Internal Server Error", "network"),
        ("error: received unexpected HTTP status: 429", "network"),
        ("error: reading manifest x in ghcr.io/a: denied: denied", "auth"),
        ("error: Requesting bearer token: invalid status code from registry 403 (Forbidden)", "auth"),
        ("error: pinging container registry quay.io: invalid status code from registry 404 (Not Found)", "not_found"),
        ('error: no image found in image index for architecture "arm64", variant "", OS "linux"', "incompatible"),
        ("error: Upgrading: No image source specified", "incompatible"),
        ("error: Staging: No boot entries!", "incompatible"),
        ("error: The UKI has the wrong composefs= parameter (is 'a', should be 'b')", "incompatible"),
        ("error: Initializing storage: opendir(boot): Operation not permitted", "unexpected"),
        ('error: exec: "skopeo": executable file not found in $PATH', "unexpected"),
        ('time="t" level=fatal msg="Error parsing image name: manifest unknown"', "not_found"),
        ("\x1b[31mERROR\x1b[0m Upgrading: connection refused", "network"),
        # what the host lacks, as every verb says it
        (
            "error: Initializing storage: Preparing for write: Querying root privilege: This command must be executed "
            "as the root user",
            "unexpected",
        ),
        ("error: Preparing for write: This command requires full root privileges (CAP_SYS_ADMIN)", "unexpected"),
        (
            "error: Initializing storage: Preparing for write: Detected container; this command requires a booted host "
            "system.",
            "not_bootc",
        ),
        (
            "error: Initializing storage: Cannot perform this operation: /sysroot is on a read-only block device "
            "(e.g. a live ISO)",
            "read_only",
        ),
        ("error: Upgrading: Staging: opening /boot/loader: Read-only file system (os error 30)", "read_only"),
        ("error: Status: Unsupported format version: 2", "unsupported_version"),
        ("error: Upgrading: --download-only is not yet supported for composefs backend", "unsupported_version"),
        ("error: Edit is not yet supported for composefs backend", "unsupported_version"),
        ("error: OSTree storage not initialized", "incompatible"),
        ("error: composefs-gc only works for composefs backend", "incompatible"),
        ("error: ComposefsFinalizeStaged is only supported for composefs backend", "incompatible"),
        ("error: Transaction in progress: upgrade", "busy"),
        ("error: acquiring lock on repository: Resource temporarily unavailable (os error 11)", "busy"),
        ("error: Status: Listing bootloader entries: No composefs= param", "unexpected"),
        ("error: Status: Multiple extra entries in /boot, could not determine rollback entry", "unexpected"),
        ("error: Upgrading composefs: Opening vmlinuz: No such file or directory", "unexpected"),
        ("error: Upgrading composefs: file has no fs-verity digest", "incompatible"),
        # what is, or is not, deployed
        ("error: Upgrading: No staged deployment found", "not_found"),
        ("error: Deleting composefs deployment 12: Deployment 12 not found", "not_found"),
        ("error: Deleting composefs deployment 12: Cannot delete currently booted deployment", "invalid"),
        ("error: Rollback: Rollback is not container image based", "no_rollback"),
        ("error: Soft reboot was required but staged deployment is not soft-reboot capable", "incompatible"),
        ("error: Invalid state transition: rollback and image change", "invalid"),
        # what the registry, or another source of images, says
        ("error: Switching: Parsing image: invalid reference format", "invalid"),
        ("error: opening layout /srv/x: open /srv/x/index.json: no such file or directory", "not_found"),
        ('error: reference "localhost/x" does not resolve to an image ID', "not_found"),
        ("error: reading manifest x in quay.io/a: access to the requested resource is not authorized", "auth"),
        ("error: Get https://quay.io/v2/: http: server gave HTTP response to HTTPS client", "network"),
        ("error: dial tcp: lookup quay.io on 10.0.0.1:53: server misbehaving", "network"),
        (
            "error: Upgrading: writing content object: min-free-space-percent '3%' would be exceeded, at least 1 GB "
            "requested",
            "no_space",
        ),
        ("error: writing object: Disk quota exceeded (os error 122)", "no_space"),
    ],
)
def test_reasons(stderr, kind):
    found, remedy = classify(stderr, 1)
    assert (found, bool(remedy)) == (kind, True)
    assert kind in KINDS


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (
            "Getting image source signatures\nCopying blob sha256:429\nerror: something never seen before\n",
            "unexpected",
        ),
        ("warning: access denied for a mirror\nerror: writing: No space left on device\n", "no_space"),
        ('time="t" level=warning msg="manifest unknown"\ntime="t" level=fatal msg="no such host"\n', "network"),
        ("Trying to pull quay.io/a\nError: unauthorized\nerror: Pulling: Subprocess failed\n", "auth"),
        ("Deploying...done (3 seconds)\nerror: Upgrading: Insufficient free space for x\n", "no_space"),
        ("Deploying: pruning old images...done (1 seconds)\nerror: manifest unknown\n", "not_found"),
        ("Pulling a...error: Upgrading: connection refused\n", "network"),
        ("Waiting for lock: manifest unknown...\nerror: Switching: no such host\n", "network"),
        ("manifest unknown\nthread 'main' panicked at src/lib.rs:1\n", "unexpected"),
    ],
)
def test_what_is_not_the_error_does_not_name_the_reason(stderr, kind):
    assert classify(stderr, 1)[0] == kind


@pytest.mark.parametrize("cause", ["unexpected argument '--x' found", "invalid value 'x' for '--transport'"])
def test_usage_errors_mean_an_old_bootc(cause):
    assert classify(f"error: {cause}", 2)[0] == "unsupported_version"
    assert classify(f"error: {cause}\n\nUsage: bootc upgrade", 2)[0] == "unsupported_version"


def test_an_image_that_is_not_there_is_no_usage_error():
    assert classify('time="t" level=fatal msg="manifest unknown"', 2)[0] == "not_found"


def test_the_message_leaves_out_what_was_being_done_when_it_failed():
    """A spinner that had not ended its line used to be taken for the cause."""
    error = failure(["bootc", "upgrade"], Completed(1, b"", b"Deploying...error: Upgrading: no such host\n"))
    assert error.message == "bootc failed with exit code 1: error: Upgrading: no such host"
    assert error.kind == "network"
