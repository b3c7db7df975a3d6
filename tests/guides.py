# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides as data: what they have their readers type, and the files they have them write."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
STEPS = {
    "README.md": ("bootc_rollout_spec=release.yml",),
    "audit.md": ("bootc_rollout_ledger=rollouts$", "bootc_audit_devices=deck-03", "bootc_audit_witness=", "jq "),
    "channels.md": (
        "bootc.publish ",
        "bootc_channel=testing",
        "--check --diff",
        "three quiet days",
        "bootc_verify_keys=keys/2026.pub",
        "bootc.demote ",
        "bootc.channel_undo$",
        "bootc_channel_operation=",
    ),
    "ci.md": ("bootc_rollout_spec=v1.2.0.yml --check",),
    "fleet.md": (
        "--graph",
        "bootc_rollout_ledger=rollouts$",
        "bootc_status_format=csv",
        "bootc_status_page=fleet.html",
        "bootc_unreachable",
    ),
    "held.md": (
        "rollout_explain",
        "-m skorionos.bootc.bootc_status",
        "-m skorionos.bootc.device_health",
        "no desktop after the update",
        "disk was full",
        "deck-03 is mended",
        "on holiday",
    ),
    "image-report.md": ("-e @report.yml", "bootc_report_archive=", "buildah push "),
    "images-and-fleet.md": (
        "bootc.build -e @variants.yml -e bootc_version=1.0.0",
        "podman login ",
        "bootc.publish -e @variants.yml -e bootc_version=1.0.0$",
        "-e bootc_only=base ",
        "bootc.status$",
        "bootc_rollout_spec=v1.0.0.yml --check",
        "bootc_rollout_spec=v1.0.0.yml$",
        "bootc.build -e @variants.yml -e bootc_version=1.1.0",
        "bootc.publish -e @variants.yml -e bootc_version=1.1.0",
        "bootc_rollout_spec=v1.1.0.yml",
        "bootc.rollback --limit deck-03",
        "bootc.rollback$",
    ),
    "offline-sites.md": (
        "bootc.image_export ",
        "-e bootc_archive_target='registry.site.example.com/{repository}'$",
        "bootc.sign ",
        "bootc.trust ",
        "bootc.promote ",
        "-e bootc_archive_source=",
    ),
    "operating.md": (
        "the registry is being moved",
        "games stutter",
        "rollout_plan ",
        "rollout -e bootc_rollout_spec=skorion-1.1.0-revert.yml",
        "seen, go",
        "bootc_rollout_supersedes=skorion-1.1.0",
        "canaries fine since Monday",
        "bootc_rollout_patience=8h",
        "rollout_explain",
        "export ANSIBLE_STDOUT_CALLBACK",
        "bootc_rollout_spec=release.yml$",
    ),
    "recovery.md": ("state=absent", "bootc_rollback", "bootc_apply", "bootc_switch"),
    "registry-retention.md": ("bootc.image_retention ",),
    "rehearsal.md": ("inventory/example-release/rollout.yml", "looks well"),
    "retention.md": (
        "bootc.retention --check",
        "bootc.retention$",
        "bootc_retention_pin",
        "bootc_retention_delete",
        "bootc_deployments",
    ),
    "rollout-plan.md": ("rollout_plan ", "jq "),
    "signing.md": (
        "mkdir keys",
        "--output-key-prefix keys/2026$",
        "ls keys",
        "bootc.publish ",
        "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2026.key",
        "--output-key-prefix keys/2027$",
        "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2027.key",
        "skopeo inspect ",
    ),
    "upgrading.md": ("rollout_audit", "collection list", "bootc.status", "--check"),
    "variants.md": ("bootc.build ",),
}
"""What tests/integration/docs types of which page: of each command words that no other of the page has; those
before ``$`` are its end."""
_BLOCK = re.compile(r"((?:^ *<!-- [^\n]* -->\n+)*)^( *)```([a-zA-Z]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- (.*?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the marks before it (comments that are not shown), its text, and its place."""

    language: str
    marks: tuple[str, ...]
    text: str
    place: str

    @property
    def file(self) -> str | None:
        """Name of the file that the reader is to write, if this is one."""
        names = [mark.removeprefix("file: ") for mark in self.marks if mark.startswith("file: ")]
        return names[0] if names else None

    @property
    def is_for_elsewhere(self) -> bool:
        """Whether what is typed cannot be run by a test of the page."""
        return "not run here" in self.marks

    @property
    def commands(self) -> list[str]:
        """What is typed at each prompt, continued lines included, without the answers of the machine."""
        typed: list[str] = []
        is_open = False
        for line in self.text.splitlines():
            if is_open and line.startswith(("> ", "    ")):
                typed[-1] += "\n" + line.removeprefix("> ")
            elif line.startswith(("$ ", "# ")) or line.startswith("make "):
                typed.append(re.sub(r"^[$#] ", "", line))
            else:
                is_open = False
                continue
            is_open = line.endswith(("\\", " do")) or (is_open and line.startswith("> ") and not line.endswith("done"))
        return [command.replace("\\\n", " ") for command in typed]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(4))
        marks = tuple(_MARK.findall(found[1]))
        yield Block(found[3], marks, textwrap.dedent(found[4]), f"{page.name}:{line}")


def typed(page: Path) -> list[tuple[str, str]]:
    """Every command of a page with its place."""
    return [
        (block.place, command) for block in blocks(page) if block.language == "console" for command in block.commands
    ]


def installation(page: Path) -> list[str]:
    """The commands of the first block of a page that installs the collection."""
    (first, *_others) = [
        block.commands for block in blocks(page) if block.language == "console" and " collection install " in block.text
    ]
    return list(first)


def path_of(page: str) -> Path:
    """Path of a page by its name; ``README.md`` is the one of the repository."""
    return next(path for path in PAGES if path.name == page)


def step(page: str, words: str) -> str:
    """The command of a page that has these words; ``$`` after them is its end."""
    (found,) = {command for _place, command in typed(path_of(page)) if _is(command, words)}
    return found


def is_step(page: str, command: str) -> bool:
    """Whether a command is a step of the story of its page."""
    return any(_is(command, words) for words in STEPS.get(page, ()))


def _is(command: str, words: str) -> bool:
    return command.endswith(words[:-1]) if words.endswith("$") else words in command
