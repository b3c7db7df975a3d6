# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake device for module tests: programs on PATH that keep a status document in a JSON file."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible.module_utils.testing import patch_module_args

DATA = Path(__file__).parent / "data"

FAKE_BOOTC = """#!{python} -IS
import hashlib, json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
path = os.path.join(here, "state.json")
state = json.load(open(path))
tool, args = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(json.dumps([tool] + args) + chr(10))
document, registry = state["document"], state["registry"]
slots = document["status"]

def save():
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.replace(path + ".new", path)

def fail(text):
    sys.stderr.write("error: " + text + chr(10))
    sys.exit(1)

def manifest(name):
    if state.get("registry_down"):
        fail("pinging container registry quay.io: no such host")
    if name not in registry:
        fail("reading manifest: manifest unknown")
    return registry[name]

def digest(name):
    return "sha256:" + hashlib.sha256(manifest(name).encode()).hexdigest()

def stage(name, parked):
    entry = json.loads(json.dumps(slots["booted"]))
    entry["image"]["image"] = {{"image": name, "transport": "registry"}}
    entry["image"]["imageDigest"] = state.get("stages") or digest(name)
    entry["downloadOnly"] = parked
    slots["staged"] = entry
    document["spec"]["image"] = entry["image"]["image"]

def drop():
    slots["staged"] = None
    document["spec"]["image"] = slots["booted"]["image"]["image"]

if state.get("not_root") and args != ["--version"] and tool == "bootc":
    fail("Status: Preparing for write: Querying root privilege: This command must be executed as the root user")
elif tool == "skopeo" and "--config" in args:
    sys.stdout.write(json.dumps({{"config": {{"Labels": state.get("labels", {{}})}}}}))
elif tool == "skopeo":
    sys.stdout.write(manifest(args[-1][len("docker://"):]))
elif tool == "ostree" and args == ["admin", "undeploy", "0"]:
    drop()
elif tool == "systemctl" and args[:1] == ["list-units"]:
    sys.stdout.write(state.get("failed_units", ""))
elif tool == "systemctl" and args[:1] == ["is-system-running"]:
    sys.stdout.write(state.get("system", "running") + chr(10))
elif tool == "systemctl" and args[:1] == ["show"]:
    sys.stdout.write("0" + chr(10))
elif tool == "systemctl" and args == ["reboot"]:
    state["rebooted"] = True
    if slots["staged"] and not slots["staged"]["downloadOnly"] and not state.get("comes_back"):
        slots["rollback"], slots["booted"] = slots["booted"], slots["staged"]
    slots["staged"] = None
    save()  # before the boot id, by which others know that this is over
    with open(os.path.join(here, "../root/proc/sys/kernel/random/boot_id"), "w") as boot_id:
        boot_id.write("boot-2" + chr(10))
elif args == ["--version"]:
    sys.stdout.write("bootc " + state["version"] + chr(10))
elif args[0] == "status":
    if state.get("status_hangs"):
        time.sleep(60)
    sys.stdout.write(json.dumps(document))
elif args[0] == "switch":
    stage(args[-1], False)
    save()
    if state.get("switch_hangs"):
        time.sleep(60)
elif args[0] == "rollback":
    drop()
    slots["rollbackQueued"] = not slots["rollbackQueued"]
elif args[0] == "upgrade" and "--from-downloaded" in args:
    slots["staged"]["downloadOnly"] = False
elif args[0] == "upgrade":
    name = document["spec"]["image"]["image"]
    if "--tag" in args:
        name = name.rpartition(":")[0] + ":" + args[args.index("--tag") + 1]
    if digest(name) != slots["booted"]["image"]["imageDigest"]:
        stage(name, "--download-only" in args)
elif args[0] == "delete-deployment":
    assert args[1] == slots["staged"]["composefs"]["verity"]
    drop()
else:
    fail("unknown command: " + " ".join([tool] + args))
save()
"""


class FakeDevice:
    """One device in a directory."""

    def __init__(self, directory: Path, example: str) -> None:
        self.root = directory / "root"
        self.programs = directory / "bin"
        for folder in (self.root / "run", self.root / "proc/sys/kernel/random", self.programs):
            folder.mkdir(parents=True)
        (self.root / "proc/sys/kernel/random/boot_id").write_text("boot-1\n")
        script = FAKE_BOOTC.format(python=sys.executable)
        for tool in ("bootc", "skopeo", "ostree", "systemctl"):
            program = self.programs / tool
            program.write_text(script)
            program.chmod(0o755)
        self.save({"document": json.loads((DATA / f"{example}.json").read_text()), "registry": {}, "version": "1.16.9"})

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.programs / "state.json").read_text()))

    def save(self, state: dict[str, Any]) -> None:
        (self.programs / "state.json").write_text(json.dumps(state))

    def change(self, **values: Any) -> None:
        self.save({**self.state, **values})

    def publish(self, name: str, content: str) -> str:
        """Put an image into the registry; return its digest."""
        text = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + "0" * 64}, "content": content})
        state = self.state
        state["registry"][name] = text
        self.save(state)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def publish_pinned(self, repository: str, content: str) -> str:
        """Put an image into the registry that is named by its digest; return its name."""
        digest = self.publish(f"{repository}@x", content)
        state = self.state
        state["registry"][f"{repository}@{digest}"] = state["registry"].pop(f"{repository}@x")
        self.save(state)
        return f"{repository}@{digest}"

    def all_calls(self) -> list[list[str]]:
        """The commands that were run."""
        log = self.programs / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def calls(self) -> list[list[str]]:
        """The commands that were run, those that only look left out."""
        lines = self.all_calls()
        looking = (["bootc", "--version"], ["bootc", "status"], ["ostree", "admin", "status"])
        doing = [line for line in lines if not any(line[: len(words)] == words for words in looking)]
        return [line for line in doing if line[0] not in ("skopeo", "systemctl")]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FakeDevice:
    """A device in the state of the example document named by the parameter, by default just booted."""
    fake = FakeDevice(tmp_path / "device", getattr(request, "param", "ostree-booted-only"))
    monkeypatch.setenv("PATH", f"{fake.programs}:/usr/bin:/bin")
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(fake.root))
    return fake


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the main function of a module and return its result."""

    def run(main: Callable[[], None], check: bool = False, diff: bool = True, **options: Any) -> dict[str, Any]:
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            main()
        return dict(json.loads(capsys.readouterr().out))

    return run
