# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` on a copy of the checkout.

ansible-test refuses to run from a symbolic link and takes its list of files from git, so it gets a real directory
``.../ansible_collections/skorionos/bootc`` with a repository of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SKIPPED = 77
SUPPORTED_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def copy_checkout(into: Path) -> None:
    """Copy what git knows and what it would add, as it is on disk."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode()
    for name in sorted(set(filter(None, files.split("\0")))):
        source = REPOSITORY / name
        if source.is_symlink() or source.is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, into / name, follow_symlinks=False)
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *arguments], cwd=into, check=True)


def home() -> Path:
    """Where ansible-test keeps its virtual environments: the user's home, or the checkout if that cannot be written."""
    user = Path(os.environ.get("HOME") or "/nonexistent")
    return user if os.access(user, os.W_OK) else REPOSITORY / ".ansible" / "home"


def pip_version() -> str:
    """The pip ansible-test puts into its virtual environments, or empty if this one does it in another way."""
    from ansible_test._internal import python_requirements  # noqa: PLC0415 - a missing ansible-test is news too

    versions = re.findall(r"pip='([0-9.]+)'", Path(str(python_requirements.__file__)).read_text(encoding="utf-8"))
    return versions[0] if len(versions) == 1 else ""


def bootstrap_missing(at: Path) -> str:
    """Why the script that installs this pip can be had neither locally nor remotely; an empty string if it can."""
    from ansible_test._util.target.setup import requirements  # noqa: PLC0415

    source = Path(str(requirements.__file__)).read_text(encoding="utf-8")
    version, url = pip_version(), re.search(r"url = '(https://[^']+)' % pip_version", source)
    if not version or not url or (at / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py").exists():
        return ""
    address = url.group(1) % version
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=10):
            return ""
    except OSError as error:
        return f"ansible-test cannot fetch {address}: {error}"


def choose_python() -> list[str]:
    """Test with every Python of the machine, unless some are launchers with nothing behind, which break it."""
    for version in SUPPORTED_PYTHONS:
        name = f"python{version}"
        if shutil.which(name) and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode:
            own = f"{sys.version_info[0]}.{sys.version_info[1]}"
            print(f"{name} is on the PATH but does not run: only Python {own} is tested", flush=True)
            return ["--python", own]
    return []


def main(arguments: list[str]) -> int:
    at = home()
    if arguments == ["--pip-version"]:
        print(pip_version())
        return 0
    reason = bootstrap_missing(at)
    if reason:
        print(reason)
        return SKIPPED
    if arguments == ["--can-run"]:
        return 0
    with tempfile.TemporaryDirectory(prefix="bootc-sanity-") as directory:
        collection = Path(directory).resolve() / "ansible_collections" / "skorionos" / "bootc"
        collection.mkdir(parents=True)
        copy_checkout(collection)
        ignored = sorted(path.name for path in (collection / "tests" / "sanity").glob("ignore*"))
        if ignored:
            print(f"tests/sanity holds {', '.join(ignored)}: this collection passes without ignore entries")
            return 1
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment["HOME"] = str(at)
        return subprocess.run(
            ["ansible-test", "sanity", "--color", "no", *choose_python()], cwd=collection, env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
