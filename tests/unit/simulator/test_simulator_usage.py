# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments: what clap refuses, and which version knows which flag."""

from __future__ import annotations

import pytest

from simulator.programs.usage import HelpAsked, UsageError, parse


@pytest.mark.parametrize(
    "arguments",
    [
        "upgrade --check --apply",
        "upgrade --check --soft-reboot=auto",
        "upgrade --download-only --check",
        "upgrade --download-only --apply",
        "upgrade --from-downloaded --check",
        "update --from-downloaded --download-only",
    ],
)
def test_exclusions(arguments):
    with pytest.raises(UsageError, match="cannot be used with"):
        parse(arguments.split(), "1.16.9")


@pytest.mark.parametrize(
    "arguments",
    [
        "upgrade --from-downloaded --apply",
        "upgrade --from-downloaded --tag x",
        "upgrade --tag x --check",
        "upgrade --quiet",
    ],
)
def test_combinations_that_are_fine(arguments):
    assert parse(arguments.split(), "1.16.9").verb == "upgrade"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("upgrade --frobnicate", "unexpected argument '--frobnicate' found"),
        ("upgrade extra", "unexpected argument 'extra' found"),
        ("upgrade --tag", "a value is required for '--tag <TAG>'"),
        ("upgrade --check=yes", "unexpected value 'yes'"),
        ("upgrade --quiet --quiet", "the argument '--quiet' cannot be used multiple times"),
        ("upgrade --tag a --tag=a", "the argument '--tag <TAG>' cannot be used multiple times"),
        ("status -v --verbose", "the argument '--verbose' cannot be used multiple times"),
        ("switch", "required arguments were not provided"),
        ("status --format xml", "invalid value 'xml' for '--format <FORMAT>'"),
        ("status --format-version one", "invalid value 'one' for '--format-version <FORMAT_VERSION>': invalid digit"),
        ("status --format-version=", "cannot parse integer from empty string"),
        ("--frobnicate", "unexpected argument '--frobnicate' found"),
        ("", "Usage: bootc"),
    ],
)
def test_bad_usage(arguments, text):
    with pytest.raises(UsageError) as wrong:
        parse(arguments.split(), "1.16.9")
    assert text in str(wrong.value)


@pytest.mark.parametrize(
    ("before", "first", "arguments"),
    [
        ("1.11.0", "1.12.0", "upgrade --download-only"),
        ("1.11.0", "1.12.0", "upgrade --from-downloaded"),
        ("1.14.1", "1.15.0", "upgrade --tag x"),
        ("1.6.0", "1.7.0", "rollback --soft-reboot=auto"),
        ("1.1.6", "1.1.7", "rollback --apply"),
        ("1.4.0", "1.5.0", "status -v"),
        ("1.10.0", "1.11.0", "delete-deployment x"),
        ("1.14.0", "1.15.0", "usr-overlay --read-only"),
        ("0.1.16", "1.1.0", "status --format humanreadable"),
    ],
)
def test_flags_and_verbs_by_version(before, first, arguments):
    parse(arguments.split(), first)
    with pytest.raises(UsageError):
        parse(arguments.split(), before)


def test_switch_takes_no_check_and_no_download_only():
    for flag in ("--check", "--download-only"):
        with pytest.raises(UsageError):
            parse(["switch", flag, "x"], "1.16.9")


def test_values_and_positionals():
    parsed = parse(["switch", "--transport=oci", "--retain", "--", "-odd-name"], "1.16.9")
    assert parsed.positional == "-odd-name"
    assert parsed.flags == {"transport": "oci", "retain": ""}


def test_version_and_help_succeed():
    with pytest.raises(HelpAsked, match=r"^bootc 1\.16\.9\n$"):
        parse(["--version"], "1.16.9")
    with pytest.raises(HelpAsked, match="Usage: bootc switch"):
        parse(["switch", "--help"], "1.16.9")
