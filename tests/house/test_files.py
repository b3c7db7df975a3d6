# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the repository promises about itself: no traces of machines, and files that carry their licence."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# In two halves, or this file would be the first to break the rule.
PACKAGE_REGISTRIES = tuple(
    "".join(halves)
    for halves in (
        ("pypi", ".org"),
        ("files.python", "hosted.org"),
        ("proxy.golang", ".org"),
        ("registry.npm", "js.org"),
        ("crates", ".io"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("rubygems", ".org"),
    )
)
LICENCE_LINE = "SPDX-License-" + "Identifier: GPL-3.0-or-later"
# Not meant: DIR/root/etc and its like, the root of a simulated device, at whose slash texts may be wrapped.
PRIVATE_DIRECTORIES = re.compile(r"(?<![\w.$}/-])/(?:root|work)/(?!(?:etc|proc|run|usr|var)/)[\w.]")


def committed_texts(repository: Path) -> list[tuple[str, str]]:
    """Name and text of each file git would commit; binary files are left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=repository, capture_output=True, check=True).stdout.decode()
    texts = []
    for name in sorted(set(filter(None, listing.split("\0")))):
        path = repository / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            texts.append((name, content.decode("utf-8")))
    return texts


@pytest.fixture(scope="module")
def texts(repository: Path) -> list[tuple[str, str]]:
    return committed_texts(repository)


@pytest.mark.parametrize("host", PACKAGE_REGISTRIES)
def test_no_file_names_a_package_registry(texts: list[tuple[str, str]], host: str) -> None:
    # Where packages come from is the machine's configuration, never ours.
    assert [name for name, text in texts if host in text] == []


def test_no_file_names_a_private_directory_of_the_machine_it_was_written_on(texts: list[tuple[str, str]]) -> None:
    found = [f"{name}: {match.group()}" for name, text in texts for match in PRIVATE_DIRECTORIES.finditer(text)]
    assert found == []


@pytest.mark.parametrize("line", ["cd {}x", "HOME={}.config", '"{}a"', "see {}notes"])
@pytest.mark.parametrize("directory", ["root", "work"])
def test_the_search_for_private_directories_finds_them(line: str, directory: str) -> None:
    assert PRIVATE_DIRECTORIES.search(line.format(f"/{directory}/"))


@pytest.mark.parametrize(
    "line", ["DIR/root/etc", "{{ dir }}/work/x", "a/root/b", "/rootfs/x", "${d}/root/x", "/workers/"]
)
def test_the_search_for_private_directories_leaves_other_paths_alone(line: str) -> None:
    assert not PRIVATE_DIRECTORIES.search(line)


def test_every_source_file_names_copyright_and_licence_in_its_first_lines(texts: list[tuple[str, str]]) -> None:
    sources = {".py", ".yml", ".yaml", ".sh", ".toml", ".cfg"}
    generated = {"changelogs/changelog.yaml"}
    bare = [
        name
        for name, text in texts
        if Path(name).suffix in sources
        and name not in generated
        and text.strip()  # ansible-test wants some __init__.py empty
        and LICENCE_LINE not in "\n".join(text.splitlines()[:6])
    ]
    assert bare == []
