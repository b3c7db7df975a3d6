# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks.images [ROUNDS]``: what it takes to find out that five variants need no build.

Builds five small images with podman in a storage of its own, pushes them to a registry on loopback, and then compares
the answer of image_build_tree with asking podman to build each again, which finds every layer in its cache. Needs root,
podman and docker-registry; says so and ends well without them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.tree_run import TreeRun

VARIANTS = {"minimal": None, "base": "minimal", "kde": "base", "gnome": "base", "hyprland": "base"}
VERSION = "1.0.0"


def nodes(folder: Path) -> list[dict[str, Any]]:
    """Write the five variants below ``folder``, with as many files as a configuration of a desktop has."""
    described = []
    for name, parent in VARIANTS.items():
        rootfs = folder / name / "rootfs" / "usr" / "share" / name
        rootfs.mkdir(parents=True)
        for number in range(20):
            (rootfs / f"file-{number}").write_text(f"{name} {number}\n" * 100)
        start = "ARG PARENT\nFROM ${PARENT}\n" if parent else "FROM scratch\n"
        (folder / name / "Containerfile").write_text(f"{start}COPY rootfs/ /\nENV A=1\nLABEL variant={name}\n")
        described.append({"name": name, **({"parent": parent} if parent else {})})
    return described


def options(folder: Path, repository: str) -> dict[str, Any]:
    """The options of image_build_tree, as a task gives them."""
    return {
        "nodes": nodes(folder),
        "only": list(VARIANTS),
        "namespace": "localhost/skorionos",
        "version": VERSION,
        "directory": str(folder),
        "build_args": {},
        "labels": {},
        "repository": repository,
        "tags": ["{variant}-v{version}"],
        "parallel": 2,
        "lint": {"all": "off"},
        "container_lint": "off",
        "platform": None,
        "timestamp": 0,
        "network": None,
        "secrets": [],
        "engine": "podman",
        "tls_verify": False,
        "auth_file": None,
        "force": False,
        "timeout": 600,
    }


def answer(given: dict[str, Any]) -> TreeRun:
    """Run over the tree once; raises RuntimeError when it is not what it should be."""
    run = TreeRun(given, check_mode=False, warn=lambda text: sys.exit(f"warned: {text}"))
    run.perform()
    if run.failure is not None:
        raise RuntimeError(run.failure.text)
    return run


def as_a_module(given: dict[str, Any], environment: dict[str, str]) -> None:
    """Run it in a process of its own, as Ansible does on the build host."""
    arguments = Path(given["directory"]).with_name("arguments.json")
    arguments.write_text(
        json.dumps({"ANSIBLE_MODULE_ARGS": {key: value for key, value in given.items() if value is not None}})
    )
    module = "ansible_collections.skorionos.bootc.plugins.modules.image_build_tree"
    argv = [sys.executable, "-m", module, str(arguments)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0 or json.loads(done.stdout)["changed"]:
        raise RuntimeError(f"{done.stdout}{done.stderr}")


def seconds(rounds: int, action: Callable[[], object]) -> float:
    """The median of what ``action`` takes."""
    taken = []
    for _round in range(rounds):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return median(taken)


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A registry on loopback, as ``host:port``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    configuration = folder / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: {address}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _try in range(200):
            try:
                requests.get(f"http://{address}/v2/", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def main(rounds: int = 5) -> None:
    """Measure and print lines ``name: ratio (raw figures)``."""
    missing = [name for name in ("podman", "docker-registry") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"unchanged variants: not measured, needs {' and '.join(missing) or 'root'}")
        return
    with tempfile.TemporaryDirectory(prefix="bootc-bench-images-") as place:
        folder = Path(place)
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n'
        )
        os.environ.update(CONTAINERS_STORAGE_CONF=str(storage), XDG_CACHE_HOME=str(folder / "cache"))
        try:
            with registry(folder) as address:
                report(folder, f"{address}/os", rounds)
        finally:
            subprocess.run(["podman", "system", "reset", "--force"], capture_output=True, check=False)


def report(folder: Path, repository: str, rounds: int) -> None:
    """Build and publish the variants, then print what asking for them again takes."""
    given = options(folder / "images", repository)
    built = answer(given).result(diff=False)
    for image in built["images"]:
        target = f"docker://{repository}:{image['name']}-v{VERSION}"
        subprocess.run(["podman", "push", "--quiet", "--tls-verify=false", image["image"], target], check=True)

    def ask_engine() -> None:
        for command in built["commands"]:
            argv = list(command)
            argv[argv.index("--iidfile") + 1] = str(folder / "id")  # the one it was built with is gone
            subprocess.run(argv, capture_output=True, check=True)

    def ask_us() -> None:
        result = answer(given).result(diff=False)
        if result["changed"] or result["commands"]:
            raise RuntimeError(f"built again: {result}")

    ask_us()  # reads the manifests; from then on it remembers them
    engine, ours = seconds(min(rounds, 3), ask_engine), seconds(rounds, ask_us)
    module = seconds(min(rounds, 3), lambda: as_a_module(given, dict(os.environ)))
    stored = seconds(rounds, lambda: answer({**given, "repository": None}))
    raw = f"podman build {engine:.2f} s, answer {1000 * ours:.0f} ms, {1000 * ours / len(VARIANTS):.1f} ms for each"
    print(f"five unchanged variants, podman / registry: {engine / ours:.0f}  ({raw})")
    print(f"five unchanged variants, podman / whole module: {engine / module:.1f}  (module process {module:.2f} s)")
    print(f"five unchanged variants, podman / local storage: {engine / stored:.1f}  (podman inspect {stored:.2f} s)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
