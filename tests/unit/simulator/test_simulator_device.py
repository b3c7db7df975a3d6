# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device through its command line: reaching it, rebooting it, breaking it."""

from __future__ import annotations

import ast
import json
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from simulator import faults
from simulator.catalogue import CatalogueImage
from simulator.store import Device
from tests.unit.simulator.conftest import SIMULATOR, SIMULATOR_COMMAND, LiveDevice, simulator


@pytest.fixture
def kde(registry, make_device):
    return make_device(f"{registry.host}/skorionos/kde:v1.0.0")


def image(registry, tag):
    return f"{registry.host}/skorionos/kde:{tag}"


def test_exec_passes_streams_and_exit_code_and_shows_the_devices_world(kde):
    done = kde.run(
        "exec", "--", "/bin/sh", "-c", "cat; echo err >&2; echo $BOOTC_DEVICE_ROOT; command -v bootc; exit 7"
    )
    assert done.returncode == 7
    assert done.stdout.splitlines() == [str(kde.directory / "root"), str(kde.directory / "bin/bootc")]
    assert done.stderr == "err\n"
    assert 'VARIANT_ID="kde"' in kde.file("etc/os-release").read_text()
    assert kde.file("proc/sys/kernel/random/boot_id").read_text().strip() == kde.show()["boot"]["id"]
    assert kde.file("run/ostree-booted").exists()


def test_create_refuses_to_overwrite(kde, registry):
    again = kde.run("create", "--image", image(registry, "v1.1.0"))
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert kde.run("create", "--image", image(registry, "v1.1.0"), "--force").returncode == 0
    assert kde.status()["booted"]["image"]["version"] == "1.1.0"


def test_create_refuses_composefs_of_a_bootc_without_it(registry, tmp_path):
    device = LiveDevice(tmp_path / "d")
    create = ("create", "--image", image(registry, "v1.0.0"), "--backend", "composefs", "--bootc-version")
    done = device.run(*create, "1.8.0")
    assert (done.returncode, device.directory.exists()) == (1, False)
    assert "composefs came with bootc 1.9.0" in done.stderr
    assert device.run(*create, "1.9.0").returncode == 0


def test_unified_kernel_images(registry, make_device):
    device = make_device(image(registry, "v1.0.0"), "--backend", "composefs", "--boot-type", "uki")
    assert device.status()["booted"]["composefs"]["bootType"] == "Uki"
    shown = device.show()
    assert (shown["rollback_queued"], shown["rollback_queued_as_told"]) == (False, True)
    refused = device.run("create", "--force", "--image", image(registry, "v1.0.0"), "--boot-type", "uki")
    assert refused.returncode == 1
    assert "add --backend composefs" in refused.stderr


@pytest.mark.parametrize("version", ["1.16", "latest", "1.16.x", "1.16.-9"])
def test_what_is_no_version_is_told(registry, tmp_path, version):
    done = LiveDevice(tmp_path / "d").run("create", "--image", image(registry, "v1.0.0"), f"--bootc-version={version}")
    assert done.returncode == 1
    assert f"not a bootc version: '{version}'" in done.stderr


def test_how_to_reach_registries_is_there_before_the_device(registry, tmp_path):
    device = LiveDevice(tmp_path / "d")
    conf = device.file("etc/containers/registries.conf.d/lan.conf")
    conf.parent.mkdir(parents=True)
    conf.write_text(f'[[registry]]\nprefix = "registry.lan/os"\nlocation = "{registry.host}/skorionos"\n')
    for options in ((), ("--force",)):
        done = device.run("create", "--image", "registry.lan/os/kde:v1.0.0", *options)
        assert done.returncode == 0, done.stderr
    assert device.status()["booted"]["image"]["image"]["image"] == "registry.lan/os/kde:v1.0.0"


def test_pipelines_on_the_device_end_as_pipelines_do(kde):
    done = kde.run("exec", "--", "/bin/bash", "-o", "pipefail", "-c", "yes | head -1")
    assert done.returncode == 141


def test_a_host_without_bootc(make_device):
    device = make_device(None, "--no-bootc")
    assert device.sh("test -x $BOOTC_DEVICE_ROOT/../bin/bootc").returncode == 1
    assert device.run("bootc", "status").returncode == 127
    assert not device.file("run/ostree-booted").exists()


def test_an_index_is_resolved_to_this_architecture(registry, make_device):
    registry.contents.add(
        CatalogueImage(
            "multi", ("v1",), (("l", 5),), "2026-08-01T00:00:00Z", ("amd64", "arm64"), {"containers.bootc": "1"}
        )
    )
    device = make_device(f"{registry.host}/multi:v1", "--arch", "arm64")
    shown = device.status()["booted"]["image"]
    assert shown["architecture"] == "arm64"
    assert shown["imageDigest"] != registry.contents.repositories["multi"].tags["v1"]
    assert device.run("skopeo", "inspect", "--raw", "-n", f"docker://{registry.host}/multi:v1").stdout.startswith("{")


def test_a_reboot_takes_its_time_and_changes_what_it_should(kde, registry):
    before = kde.show()["boot"]["id"]
    kde.file("run/note").write_text("lost at boot")
    kde.fault("boot-seconds", "300")
    assert kde.run("bootc", "switch", image(registry, "v1.1.0")).returncode == 0
    assert kde.file("run/reboot-required").exists()
    assert kde.sh("systemctl --no-block reboot").returncode == 0
    during = kde.sh("true")
    assert (during.returncode, during.stderr) == (255, "unreachable: the device is rebooting\n")
    assert kde.run("bootc", "status").returncode == 255
    over = Device(str(kde.directory))
    over.update(lambda state: replace(state, boot=replace(state.boot, up_at=state.boot.started)))
    kde.wait_until_up()
    status = kde.status()
    assert status["booted"]["image"]["version"] == "1.1.0"
    assert status["rollback"]["image"]["version"] == "1.0.0"
    after = kde.file("proc/sys/kernel/random/boot_id").read_text().strip()
    assert after != before
    assert not kde.file("run/note").exists()
    assert not kde.file("run/reboot-required").exists()
    assert 'IMAGE_VERSION="1.1.0"' in kde.file("etc/os-release").read_text()


def test_power_loss_finalises_nothing(kde, registry):
    kde.run("bootc", "switch", image(registry, "v1.1.0"))
    assert kde.run("reboot", "--power-loss").returncode == 0
    kde.wait_until_up()
    status = kde.status()
    assert status["booted"]["image"]["version"] == "1.0.0"
    assert status["staged"] is None


def test_apply_never_returns_normally(kde, registry):
    kde.fault("boot-seconds", "30")
    done = kde.sh(f"bootc switch --apply {image(registry, 'v1.1.0')}")
    assert done.returncode == 143
    assert kde.sh("true").returncode == 255


def test_a_process_of_an_ended_boot_does_nothing_more(kde):
    session = subprocess.Popen(
        [*SIMULATOR_COMMAND, "device", str(kde.directory), "exec", "--",
         "sh", "-c", "read go; bootc rollback; echo rc=$?"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.2)
    kde.run("reboot")
    kde.wait_until_up()
    assert session.communicate("go\n")[0] == "rc=143\n"


def test_health_comes_from_the_booted_image(kde, registry):
    check = "sh -c 'for c in $BOOTC_DEVICE_ROOT/usr/lib/greenboot/check/required.d/*; do $c || exit 1; done'"
    assert kde.sh(check).returncode == 0
    assert kde.sh("systemctl is-system-running").stdout == "running\n"
    kde.sh(f"bootc switch --apply {image(registry, 'v1.2.0')}")
    kde.wait_until_up()
    bad = kde.sh(check)
    assert (bad.returncode, bad.stdout) == (1, "the desktop session did not start\n")
    running = kde.sh("systemctl is-system-running")
    assert (running.returncode, running.stdout) == (1, "degraded\n")
    failed = kde.sh("systemctl list-units --state=failed --plain --no-legend --full").stdout
    assert failed.startswith("plasma-session.service loaded failed failed ")
    kde.sh("bootc rollback --apply")
    kde.wait_until_up()
    assert kde.sh(check).returncode == 0
    assert kde.sh("systemctl list-units --state=failed --plain --no-legend --full").stdout == ""


def test_what_systemctl_does_not_do_is_told(kde):
    done = kde.sh("systemctl restart sshd")
    assert (done.returncode, done.stderr) == (1, "systemctl: not simulated: restart sshd\n")


def test_a_soft_reboot_keeps_boot_id_and_run_and_counts_up(kde):
    before = kde.show()["boot"]["id"]
    kde.sh("touch $BOOTC_DEVICE_ROOT/run/kept")
    assert kde.sh("systemctl show -P SoftRebootsCount").stdout == "0\n"
    assert kde.sh("systemctl soft-reboot; sleep 0.2; bootc status").returncode == 143, "its processes end with it"
    kde.wait_until_up()
    assert kde.sh(
        "systemctl show -P SoftRebootsCount; cat $BOOTC_DEVICE_ROOT/proc/sys/kernel/random/boot_id"
    ).stdout == (f"1\n{before}\n")
    assert kde.file("run/kept").exists()
    kde.run("reboot")
    kde.wait_until_up()
    assert kde.show()["boot"]["soft"] == 0
    assert not kde.file("run/kept").exists()


def test_asleep_until_cleared(kde):
    kde.fault("asleep")
    assert kde.sh("true").stderr == "unreachable: the device is asleep\n"
    kde.fault("--clear", "asleep")
    assert kde.sh("true").returncode == 0


def test_silent_after_the_next_reboot_and_then_in_the_new_image(kde, registry):
    kde.fault("silent-after-reboot")
    assert kde.run("bootc", "switch", image(registry, "v1.1.0")).returncode == 0
    kde.run("systemctl", "reboot")
    time.sleep(0.15)
    assert "silent" in kde.sh("true").stderr
    kde.fault("--clear", "--all")
    assert kde.status()["booted"]["image"]["version"] == "1.1.0"


def test_bootc_missing_and_back(kde):
    kde.fault("bootc-missing")
    assert not (kde.directory / "bin/bootc").exists()
    assert kde.run("bootc", "status").returncode == 127
    kde.fault("--clear", "bootc-missing")
    assert kde.sh("bootc --version").stdout == "bootc 1.16.9\n"


def test_hang_ends_itself(kde):
    kde.fault("hang", "0.3")
    started = time.monotonic()
    assert kde.run("bootc", "status").returncode == 137
    assert time.monotonic() - started >= 0.3


def test_unhealthy_overrides_the_image_at_once(kde):
    kde.fault("unhealthy", "it's broken")
    check = "$BOOTC_DEVICE_ROOT/usr/lib/greenboot/check/required.d/50-simulated-health.sh"
    assert kde.sh(check).stdout == "it's broken\n"
    assert kde.sh("systemctl is-system-running").stdout == "degraded\n"


def test_finalize_failure(kde, registry):
    kde.fault("finalize-failure")
    kde.run("bootc", "switch", image(registry, "v1.1.0"))
    kde.run("systemctl", "reboot")
    kde.wait_until_up()
    assert kde.status()["booted"]["image"]["version"] == "1.0.0"
    assert "ostree-boot-complete.service" in kde.sh("systemctl list-units --state=failed --plain --no-legend").stdout


def test_boot_menu(kde, registry):
    alone = kde.run("boot-menu")
    assert alone.returncode == 1
    assert "one entry only" in alone.stderr
    kde.run("bootc", "switch", image(registry, "v1.1.0"))
    assert kde.run("boot-menu").returncode == 0
    kde.wait_until_up()
    status = kde.status()
    assert status["booted"]["image"]["version"] == "1.0.0"
    assert status["rollback"]["image"]["version"] == "1.1.0"
    assert status["rollbackQueued"] is True
    assert 'IMAGE_VERSION="1.0.0"' in kde.file("etc/os-release").read_text()


def test_falling_back(kde, registry):
    kde.fault("falls-back")
    kde.run("bootc", "switch", image(registry, "v1.1.0"))
    kde.run("systemctl", "reboot")
    kde.wait_until_up()
    assert kde.status()["booted"]["image"]["version"] == "1.0.0"
    assert kde.show()["faults"] == {}
    assert kde.sh("bootc rollback").stdout.endswith("Next boot: current deployment\n")
    assert kde.status()["rollbackQueued"] is False


def test_a_deadlock_lasts_until_it_is_killed_and_what_is_staged_stays(registry, make_device):
    device = make_device(image(registry, "v1.0.0"), "--backend", "composefs", "--bootc-version", "1.16.7")
    device.fault("deadlock-after-staging")
    command = [*SIMULATOR_COMMAND, "device", str(device.directory), "bootc", "switch", image(registry, "v1.1.0")]
    with subprocess.Popen(command) as stuck:
        end = time.monotonic() + 60
        while device.status()["staged"] is None and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)
        assert stuck.poll() is None
        assert device.run("bootc", "status").returncode == 0, "it holds no lock that status needs"
        stuck.terminate()
        assert stuck.wait(5) == -15
    assert device.status()["staged"] is not None
    with subprocess.Popen([*command[:-1], image(registry, "v1.2.0")]) as stuck:
        time.sleep(1)
        assert stuck.poll() is None
        device.run("reboot")
        assert stuck.wait(5) == 143, "a reboot kills it, too"


def test_faults_that_cannot_happen_on_a_device_are_refused(kde, registry, make_device):
    refused = kde.run("fault", "deadlock-after-staging").stderr
    assert "one of the composefs backend; this device has ostree" in refused
    new = make_device(image(registry, "v1.0.0"), "--backend", "composefs", "--bootc-version", "1.16.8", "--force")
    assert "was mended in bootc 1.16.8" in new.run("fault", "deadlock-after-staging").stderr
    assert "one of the ostree backend" in new.run("fault", "lock-held", "1").stderr
    assert new.show()["faults"] == {}


def test_registry_faults_reach_skopeo_too(kde, registry):
    kde.fault("registry-unreachable")
    done = kde.run("skopeo", "inspect", "--raw", f"docker://{image(registry, 'v1.1.0')}")
    assert done.returncode == 1
    assert "level=fatal" in done.stderr
    assert "no route to host" in done.stderr


def test_a_power_loss_during_a_pull_leaves_nothing_staged(kde, registry):
    kde.fault("slow-pull", "5")
    results = []
    pulling = threading.Thread(target=lambda: results.append(kde.run("bootc", "switch", image(registry, "v1.1.0"))))
    pulling.start()
    time.sleep(0.5)
    kde.run("reboot", "--power-loss")
    pulling.join(timeout=4)
    assert results[0].returncode == 143
    kde.wait_until_up()
    assert kde.status()["staged"] is None


def test_ostree_serialises_and_composefs_does_not(registry, make_device):
    ostree = make_device(image(registry, "v1.0.0"))
    ostree.fault("lock-held", "0.6")
    started = time.monotonic()
    assert ostree.run("bootc", "status").returncode == 0
    assert time.monotonic() - started > 0.4
    composefs = make_device(image(registry, "v1.0.0"), "--backend", "composefs", "--force")
    composefs.fault("slow-pull", "3")
    command = [*SIMULATOR_COMMAND, "device", str(composefs.directory), "bootc", "switch", image(registry, "v1.1.0")]
    with subprocess.Popen(command) as pulling:
        time.sleep(0.3)
        assert composefs.status()["staged"] is None
        assert pulling.poll() is None
        pulling.terminate()


def test_a_format_version_there_is_not_is_told_before_the_lock(kde):
    kde.fault("lock-held", "60")
    done = kde.run("bootc", "status", "--format-version=2", timeout=10)
    assert (done.returncode, done.stderr) == (1, "error: Status: Unsupported format version: 2\n")


def test_errors_before_1_4_are_log_messages_in_colour(registry, make_device):
    device = make_device(image(registry, "v1.0.0"), "--bootc-version", "1.3.0")
    done = device.run("bootc", "rollback")
    expected = "\x1b[31mERROR\x1b[0m Rollback: Rollback (ostree): No rollback available\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.parametrize("scope", ["{host}/skorionos/kde:v1.1.0", "{host}/skorionos/kde", "{host}", ""])
def test_a_policy_rejects_images_in_its_narrowest_scope(kde, registry, scope):
    policy = kde.file("etc/containers/policy.json")
    rejected = {"docker": {scope.format(host=registry.host): [{"type": "reject"}]}}
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}], "transports": rejected}))
    done = kde.run("bootc", "switch", image(registry, "v1.1.0"))
    assert done.returncode == 1
    assert "is rejected by policy" in done.stderr
    accepted = {"docker": {f"{registry.host}/skorionos/kde:v1.1.0": [{"type": "insecureAcceptAnything"}]}}
    policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": accepted}))
    assert kde.run("bootc", "switch", image(registry, "v1.1.0")).returncode == 0
    assert kde.run("bootc", "switch", image(registry, "v1.2.0")).returncode == 1


def test_concurrent_status(kde):
    processes = [
        subprocess.Popen([str(kde.directory / "bin/bootc"), "status", "--json"], stdout=subprocess.PIPE)
        for _unused in range(6)
    ]
    outputs = {process.communicate(timeout=20)[0] for process in processes}
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["status"]["booted"]


def test_ostree_admin(kde, registry):
    kde.run("bootc", "switch", image(registry, "v1.1.0"))
    entries = json.loads(kde.run("ostree", "admin", "status", "--json").stdout)["deployments"]
    assert [(entry["index"], entry["staged"], entry["booted"]) for entry in entries] == [
        (0, True, False),
        (1, False, True),
    ]
    assert kde.run("ostree", "admin", "pin", "0").stderr == "error: Cannot pin staged deployment\n"
    assert kde.run("ostree", "admin", "pin", "1").stdout == "Deployment 1 is now pinned\n"
    assert kde.run("ostree", "admin", "pin", "1").stdout == "Deployment 1 is already pinned\n"
    assert kde.status()["booted"]["pinned"] is True
    assert kde.run("ostree", "admin", "undeploy", "0").stdout.startswith("Deleted deployment ")
    assert kde.status()["staged"] is None
    assert kde.run("ostree", "admin", "undeploy", "0").returncode == 1
    assert kde.run("ostree", "admin", "pin", "-u", "0").stdout == "Deployment 0 is now unpinned\n"


def test_errors_are_one_line_on_stderr(kde, registry):
    done = kde.run("bootc", "switch", image(registry, "nope"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "error: Switching: Switching (ostree): Preparing import: Fetching manifest: failed to invoke method OpenImage"
    )
    assert done.stderr.endswith("manifest unknown\n")
    assert kde.run("bootc", "upgrade", "--nope").returncode == 2


def test_faults_are_listed_and_checked(kde):
    listed = simulator("faults").stdout
    documented = (SIMULATOR.parent / "docs/simulator.md").read_text()
    for name in faults.TABLE:
        assert name in listed
        assert f"`{name}" in documented
    assert kde.run("fault", "slow-pull").stderr == "error: fault slow-pull needs a value: SECONDS\n"
    assert kde.run("fault", "slow-pull", "soon").returncode == 1
    assert kde.run("fault", "asleep", "5").returncode == 1
    assert "there is no fault 'nope'" in kde.run("fault", "nope").stderr
    assert kde.show()["faults"] == {}


def test_no_device():
    assert simulator("device", "/nonexistent", "exec", "--", "true").returncode == 255
    assert simulator("device", "/nonexistent", "bootc", "status").returncode == 255
    assert simulator("device", "/nonexistent", "show").returncode == 1


def test_python_3_8_can_read_every_file():
    for path in Path(SIMULATOR).rglob("*.py"):
        ast.parse(path.read_text(), str(path), feature_version=(3, 8))
