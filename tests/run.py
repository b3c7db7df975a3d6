# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the checks of this repository and say in one table what was found.

A check is a command. It passes with exit code 0, fails with any other, and counts as skipped with 77, the last line of
its output being the reason. Checks whose needs this machine does not meet are skipped before they start. With
``BOOTC_TEST_NO_SKIP=1`` in the environment a skipped check counts as a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.prefix) / "bin"
PYTHON = str(BIN / "python")
OUTPUT = REPOSITORY / "tests" / "output"
SKIPPED = 77
BROWSER_TESTS = ("tests/unit/report/test_browser.py", "tests/unit/report/test_fleet_browser.py")
STRICT_PACKAGES = (
    "plugins/module_utils/_bootc",
    "plugins/module_utils/_device",
    "plugins/module_utils/_engine",
    "plugins/module_utils/_oci",
    "plugins/module_utils/_trust",
    "plugins/plugin_utils",
)


@dataclass(frozen=True)
class Need:
    """Something a check asks of the machine: ``missing`` returns why it is not there, or an empty string."""

    missing: Callable[[], str]
    debian_package: str = ""


@dataclass(frozen=True)
class Check:
    name: str
    group: str
    command: Sequence[str]
    needs: tuple[Need, ...] = ()
    timeout_seconds: int = 600


@dataclass(frozen=True)
class Result:
    name: str
    outcome: str
    seconds: float
    reason: str = ""


def command(name: str, debian_package: str) -> Need:
    """The command must be on the PATH (or among the administrator's, which are not on everybody's)."""

    def missing() -> str:
        return "" if shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") else f"{name} is not installed"

    return Need(missing, debian_package)


def _not_root() -> str:
    return "" if os.geteuid() == 0 else "needs root"


def _not_debian() -> str:
    return "" if Path("/etc/debian_version").exists() else "builds its test devices from Debian's archive"


def _no_containers() -> str:
    """Start a container from the machine's own files: the cheapest proof that podman works here at all."""
    try:
        run = subprocess.run(
            ["podman", "run", "--rm", "--network=none", "--rootfs", "/:O", "true"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"podman cannot run containers: {error}"
    return "" if run.returncode == 0 else f"podman cannot run containers: {_last_line(run.stderr)}"


CONTAINERS = (
    Need(_not_root),
    Need(_not_debian),
    command("podman", "podman"),
    command("crun", "crun"),
    command("skopeo", "skopeo"),
    command("docker-registry", "docker-registry"),
    command("mmdebstrap", "mmdebstrap"),
    command("ssh", "openssh-client"),
    command("ssh-keygen", "openssh-client"),
    Need(_no_containers),
)


def _no_signing() -> str:
    folder = os.environ.get("BOOTC_SIGNING_PROGRAMS")
    # Where they could not be fetched, the scenario says so by failing.
    if folder or shutil.which("cosign"):
        return ""
    return "BOOTC_SIGNING_PROGRAMS names no folder with cosign, and a skopeo that was built with sigstore"


# Beside containers, by scenario.
FURTHER_NEEDS = {"images": (command("openssl", "openssl"), Need(_no_signing))}


def _pytest(*arguments: str) -> list[str]:
    return [PYTHON, "-m", "pytest", "-q", *arguments]


def _existing(*paths: str) -> list[str]:
    return [path for path in paths if (REPOSITORY / path).is_dir()]


def checks() -> list[Check]:
    """Every check, quick ones first."""
    git = command("git", "git")
    programs = ("ruff", "yamllint", "reuse", "ansible-lint", "antsibull-changelog", "antsibull-docs")
    tool = {name: str(BIN / name) for name in programs}
    # What rstcheck would look at is written by antsibull-docs itself; without it this takes half as long.
    plugin_docs = [tool["antsibull-docs"], "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "."]
    collections = f"PYTHONPATH={REPOSITORY / '.venv' / 'collections'}"
    small = ("--devices", "8", "--failing", "25", "--asleep", "25", "--seed", "5")
    rehearsal = ["env", collections, PYTHON, "-m", "tests.rehearsal", *small]
    all_checks = [
        Check("ruff", "lint", [tool["ruff"], "check", "."]),
        Check("ruff format", "lint", [tool["ruff"], "format", "--check", "."]),
        Check("mypy", "lint", [PYTHON, "tests/checks/strict_types.py", *_existing(*STRICT_PACKAGES)]),
        Check("mypy simulator", "lint", [PYTHON, "-m", "mypy", "-p", "simulator"]),
        Check("yamllint", "lint", [tool["yamllint"], "--strict", "."]),
        Check("shell syntax", "lint", [PYTHON, "tests/checks/shell.py"]),
        Check("licences", "lint", [tool["reuse"], "lint", "--lines"], (git,)),
        Check("changelog", "lint", [tool["antsibull-changelog"], "lint"]),
        Check("plugin docs", "lint", plugin_docs),
        Check("house rules", "lint", _pytest("tests/house", "-n", "2"), (git,), timeout_seconds=900),
        Check("ansible-lint", "lint", [tool["ansible-lint"], "--offline", "--profile", "production"], (git,), 900),
        Check(
            "units",
            "unit",
            _pytest(
                *("-n", "2", "--durations=40"),
                *(f"--ignore={path}" for path in BROWSER_TESTS),
                *_existing("tests/unit", "tests/property"),
            ),
            timeout_seconds=1200,
        ),
        Check("report in a browser", "unit", _pytest(*BROWSER_TESTS), (command("chromium", "chromium"),)),
        Check("oldest Python of devices", "unit", [PYTHON, "tests/checks/oldest_python.py"]),
        Check("tarball", "integration", [PYTHON, "-m", "tests.checks.tarball"]),
        Check(
            "integration",
            "integration",
            _pytest("tests/integration", "-n", "3", "--dist", "worksteal", "--durations=60"),
            (),
            2400,
        ),
        Check(
            "device matrix, a part", "integration", [PYTHON, "-m", "tests.matrix", "--only", "composefs 1.16.9 staged"]
        ),
        Check("rehearsal, a part", "integration", rehearsal, (), 1200),
        Check("ansible-test sanity", "sanity", [PYTHON, "tests/checks/sanity.py"], (git,), 1500),
    ]
    for scenario in sorted((REPOSITORY / "molecule").glob("*/molecule.yml")):
        name = scenario.parent.name
        all_checks.append(
            Check(
                f"molecule {name}",
                "molecule",
                [PYTHON, "tests/checks/scenario.py", name],
                (*CONTAINERS, *FURTHER_NEEDS.get(name, ())),
                1500,
            )
        )
    return all_checks


def environment() -> dict[str, str]:
    """The environment of every check: our tools first, nothing read from or left in the user's home."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
        "VIRTUAL_ENV": sys.prefix,
        "ANSIBLE_HOME": str(REPOSITORY / ".ansible"),
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".venv" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "MYPYPATH": str(REPOSITORY / ".venv" / "collections"),
    }


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def install_packages(selected: Sequence[Check]) -> None:
    """On Debian, as root, install what the selected checks miss; elsewhere they will be skipped by name."""
    if _not_root() or _not_debian() or not shutil.which("apt-get"):
        return
    needs = {need for check in selected for need in check.needs if need.debian_package}
    packages = sorted({need.debian_package for need in needs if need.missing()})
    if not packages:
        return
    print(f"installing Debian packages: {' '.join(packages)}", flush=True)
    apt_get = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        if subprocess.run([*apt_get, *arguments], env=quiet, stdout=subprocess.DEVNULL, check=False).returncode:
            print("apt-get failed; checks that need these packages will say so", flush=True)
            return


def run(check: Check, *, stream: bool) -> Result:
    """Run one check; its output goes to tests/output, and to the terminal too when asked for or when it failed."""
    started = time.monotonic()
    reason = next(filter(None, (need.missing() for need in check.needs)), "")
    if reason:
        return Result(check.name, "skipped", 0.0, reason)
    log = OUTPUT / f"{check.name.replace(' ', '-')}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            check.command,
            cwd=REPOSITORY,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if stream else file,
            stderr=None if stream else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=check.timeout_seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # Also after Ctrl-C or a termination from outside: what the check left running goes with it.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - started
    text = "" if stream else log.read_text(encoding="utf-8", errors="replace")
    if code == 0:
        return Result(check.name, "ok", seconds)
    if code == SKIPPED:
        return Result(check.name, "skipped", seconds, "see above" if stream else _last_line(text))
    print(text, flush=True)
    if code is None:
        return Result(check.name, "failed", seconds, f"not done after {check.timeout_seconds} s")
    return Result(check.name, "failed", seconds, f"exit code {code}, output in {log.relative_to(REPOSITORY)}")


def table(results: Sequence[Result]) -> str:
    width = max(len(result.name) for result in results)
    rows = [
        f"{result.name:{width}}  {result.outcome:7}  {result.seconds:7.1f} s  {result.reason}" for result in results
    ]
    return "\n".join(row.rstrip() for row in rows)


def main() -> int:
    # Termination unwinds like any exit, so that the running check is ended and not left behind.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    available = checks()
    parser = argparse.ArgumentParser(description="Run the checks of this repository.")
    parser.add_argument("names", nargs="*", metavar="CHECK", help="only these (default: all); --list names them")
    parser.add_argument("--group", choices=sorted({check.group for check in available} | {"molecule"}))
    parser.add_argument("--install-packages", action="store_true", help="as root on Debian, install missing packages")
    parser.add_argument("--list", action="store_true", help="list the checks and stop")
    parser.add_argument("--stream", action="store_true", help="show the output while a check runs")
    options = parser.parse_args()
    unknown = set(options.names) - {check.name for check in available}
    if unknown:
        parser.error(f"no such check: {', '.join(sorted(unknown))} (--list names them)")
    selected = [
        check
        for check in available
        if (not options.group or check.group == options.group) and (not options.names or check.name in options.names)
    ]
    if options.list:
        print("\n".join(f"{check.group:12} {check.name}" for check in selected))
        return 0
    if not selected:
        parser.error("nothing to run")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if options.install_packages:
        install_packages(selected)
    results = []
    for check in selected:
        print(f"{check.name} ...", flush=True)
        results.append(run(check, stream=options.stream or len(selected) == 1))
    bad = {"failed", "skipped"} if os.environ.get("BOOTC_TEST_NO_SKIP") == "1" else {"failed"}
    print(f"\n{table(results)}")
    failures = [result.name for result in results if result.outcome in bad]
    print(f"\nFAILED: {', '.join(failures)}" if failures else "\nno check failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
