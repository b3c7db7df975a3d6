# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a device: what is read right, and what stays unknown."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import CommandMissing, Completed
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts import (
    boot_time,
    etc_drift,
    gather,
    hardware,
    integrity,
    mesa,
    mounts,
    product,
    storage,
    updaters,
)
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "a" * 128


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


def put(root, path, text=""):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        (root / path).write_bytes(text)
    else:
        (root / path).write_text(text)


def answering(**answers):
    """A Run that knows these programs only."""

    def run(argv, _timeout, *, watch=None):
        answer = answers.get(argv[0].replace("-", "_"))
        if answer is None:
            raise CommandMissing(f"{argv[0]} is not there")
        answer = answer(argv) if callable(answer) else answer
        return answer if isinstance(answer, Completed) else Completed(0, answer.encode())

    return run


NOTHING = answering()


@pytest.mark.parametrize(
    ("machine", "oci"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("i686", "386"), ("vax", None), (None, None)],
)
def test_architectures_as_manifests_call_them(machine, oci):
    assert hardware.oci_architecture(machine) == oci


def test_the_architecture_before_linux_6_1(root):
    assert hardware.read_machine(answering(uname="aarch64\n")) == "aarch64"
    assert hardware.read_machine(answering(uname="")) is None
    put(root, "proc/sys/kernel/arch", "x86_64\n")
    assert hardware.read_machine(NOTHING) == "x86_64"


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("MemTotal:       16000000 kB\nMemFree: 1 kB\n", 16_384_000_000),
        ("MemTotal: 0 kB\n", None),
        ("MemTotal: much kB\n", None),
        ("MemTotal: 5 MB\n", None),
        ("", None),
    ],
)
def test_memory(text, memory):
    assert hardware.parse_memory(text) == memory


def test_graphics(root):
    assert hardware.read_gpus() is None
    (root / "sys/class/drm/version").mkdir(parents=True)
    assert hardware.read_gpus() == ()
    put(root, "sys/class/drm/card0/device/vendor", "0x1002\n")
    put(root, "sys/class/drm/card0/device/device", "0x1435\n")
    (root / "sys/class/drm/card0/device/driver").symlink_to("../../../../bus/pci/drivers/amdgpu")
    (root / "sys/class/drm/card0-eDP-1").mkdir()
    put(root, "sys/class/drm/card1/device/vendor", b"\xff\xfe\n")
    (root / "sys/class/drm/renderD128").mkdir()
    first, second = hardware.read_gpus()
    assert first.as_dict() == {
        "card": "card0",
        "vendor": "amd",
        "vendor_id": "0x1002",
        "device_id": "0x1435",
        "driver": "amdgpu",
    }
    assert (second.vendor_id, second.driver) == (None, None)


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        ("usr/lib/libgallium-25.2.3-arch1.2.so", "", "25.2.3"),
        ("usr/lib64/libgallium-24.2.8.so", "", "24.2.8"),
        ("usr/lib/x86_64-linux-gnu/libgallium-25.0.7-2.so", "", "25.0.7"),
        ("usr/lib/sysimage/lib/pacman/local/mesa-1:25.2.3-2/desc", "", "25.2.3"),
        ("var/lib/pacman/local/mesa-utils-9.0.0-5/desc", "", None),
        (
            "var/lib/dpkg/status",
            "Package: libgl1\nVersion: 1.6.0\n\nPackage: libgl1-mesa-dri\nStatus: ok\nVersion: 1:22.3.6-1+deb12u1\n",
            "22.3.6",
        ),
        ("var/lib/dpkg/status", "Package: libgl1-mesa-dri\nStatus: ok\n\nPackage: x\nVersion: 9.9\n", None),
    ],
)
def test_mesa_is_found_by_its_files(root, path, text, version):
    put(root, path, text)
    found = mesa.read_mesa(NOTHING)
    assert found.version == version
    assert found.installed is (True if version else None)


def test_mesa_of_rpm_and_vulkan(root):
    (root / "usr/lib64").mkdir(parents=True)
    put(root, "usr/share/vulkan/icd.d/radeon_icd.x86_64.json")
    put(root, "usr/share/vulkan/icd.d/intel_icd.json")
    put(root, "usr/share/vulkan/icd.d/README")
    assert mesa.read_mesa(answering(rpm="25.1.9\n")) == mesa.Mesa(True, "25.1.9", ("intel", "radeon"))
    assert mesa.read_mesa(answering(rpm=Completed(1, b"package mesa-dri-drivers is not installed"))).installed is False
    put(root, "usr/lib64/libEGL_mesa.so.0")
    assert mesa.read_mesa(NOTHING) == mesa.Mesa(True, None, ("intel", "radeon"))


@pytest.mark.parametrize(
    ("vendor", "name", "hypervisor", "family", "virtual"),
    [
        ("Valve", "Jupiter", False, "steam_deck", False),
        ("AYADEVICE", "AYA NEO 2021", False, "ayaneo", False),
        ("GPD", "G1617-01", False, "gpd", False),
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", None, "vm", True),
        ("Microsoft Corporation", "Virtual Machine", True, "vm", True),
        ("Microsoft Corporation", "Surface Pro 9", False, "generic", False),
        ("Some Maker", "Default string", True, "vm", True),
        ("Some Maker", "Default string", None, "generic", False),
        ("To Be Filled By O.E.M.", "System Product Name", None, None, None),
        (None, None, False, None, False),
        (None, None, True, "vm", True),
    ],
)
def test_products(vendor, name, hypervisor, family, virtual):
    seen = product.judge({"sys_vendor": vendor, "product_name": name}, hypervisor)
    assert (seen.family, seen.virtual) == (family, virtual)
    assert seen.family is None or seen.family in product.FAMILIES


def test_a_machine_without_dmi_asks_systemd_whether_it_is_virtual(root):
    assert product.read_product(NOTHING).family is None
    assert product.read_product(answering(systemd_detect_virt="")).family == "vm"
    assert product.read_product(answering(systemd_detect_virt=Completed(1, b"none\n"))).virtual is None


def test_texts_of_the_firmware_are_cleaned(root):
    put(root, "sys/class/dmi/id/sys_vendor", b"  Valve\x00\x1b[31m \xff\n")
    put(root, "sys/class/dmi/id/product_name", "x" * 5000)
    seen = product.read_product(NOTHING)
    assert seen.vendor == "Valve[31m \ufffd"
    assert len(seen.name) == 128


MOUNTINFO = r"""21 1 0:30 / / ro,relatime shared:1 - overlay composefs:abc ro,lowerdir=a,verity=require
22 21 8:3 / /sysroot ro - btrfs /dev/nvme0n1p3 rw,compress=zstd:1
23 21 8:4 / /with\040space rw - ext4 /dev/sda4 rw
no mount at all
"""


def test_mounts():
    found = mounts.parse(MOUNTINFO)
    assert [each.target for each in found] == ["/", "/sysroot", "/with space"]
    assert mounts.mounted_at(found, "/").source == "composefs:abc"
    covered = mounts.parse("1 0 0:1 / / rw - rootfs rootfs rw\n2 1 0:2 / / ro - overlay overlay rw\n")
    assert mounts.mounted_at(covered, "/").kind == "overlay"


def findmnt(table):
    def answer(argv):
        place = argv[-1]
        if place not in table:
            return Completed(1)
        target, kind, size, free = table[place]
        entry = {"target": target, "source": "/dev/x", "fstype": kind, "size": size, "avail": free}
        return json.dumps({"filesystems": [entry]})

    return answering(findmnt=answer)


def test_space_of_the_file_systems_an_update_needs():
    seen = storage.read_storage(
        findmnt(
            {
                "/sysroot": ("/sysroot", "btrfs", 500, 100),
                "/var": ("/var", "btrfs", "500", "100"),
                "/boot": ("/boot", "ext4", 10, 5),
                "/boot/efi": ("/boot/efi", "vfat", 8, 4),
            }
        )
    )
    assert (seen.system.total, seen.system.free, seen.var.free) == (500, 100, 100)
    assert (seen.esp.target, seen.boot.target) == ("/boot/efi", "/boot")


@pytest.mark.parametrize(
    ("boot", "esp", "on_esp", "kernels"),
    [
        (None, "/boot/efi", False, None),
        (None, "/boot/efi", True, "/boot/efi"),
        (None, "/efi", False, None),
        (None, "/boot", False, "/boot"),
        ("/boot", "/boot/efi", False, "/boot"),
        ("/boot", "/efi", True, "/efi"),
        ("/boot", None, True, None),
    ],
)
def test_the_esp_counts_for_kernels_only_where_they_are_on_it(boot, esp, on_esp, kernels):
    table = {} if boot is None else {boot: (boot, "ext4", 10, 5)}
    table.update({} if esp is None else {esp: (esp, "vfat", 8, 4)})
    found = storage.read_storage(findmnt(table), kernels_on_esp=on_esp).of_deployments()["boot"]
    assert (None if found is None else found["mount"]) == kernels


def test_an_esp_that_is_boot_and_one_that_is_not_mounted():
    deck = findmnt({"/": ("/", "ext4", 9, None), "/boot": ("/boot", "vfat", 10, 5), "/efi": ("/efi", "autofs", 0, 0)})
    seen = storage.read_storage(deck)
    assert (seen.system.free, seen.esp.target, seen.boot, seen.var) == (None, "/boot", None, None)
    assert storage.read_storage(NOTHING) == storage.Storage()


DECK = {
    "FirmwareTimestampMonotonic": "9000000",
    "LoaderTimestampMonotonic": "1500000",
    "KernelTimestampMonotonic": "0",
    "InitRDTimestampMonotonic": "800000",
    "UserspaceTimestampMonotonic": "2300000",
    "FinishTimestampMonotonic": "9300000",
    "SoftRebootsCount": "0",
}
GRAPHICAL = {"ActiveState": "active", "ActiveEnterTimestampMonotonic": "8300000"}


def test_a_boot_is_split_as_systemd_analyze_splits_it():
    assert boot_time.judge(DECK, GRAPHICAL).as_dict() == {
        "firmware_seconds": 7.5,
        "loader_seconds": 1.5,
        "kernel_seconds": 0.8,
        "initrd_seconds": 1.5,
        "userspace_seconds": 7.0,
        "total_seconds": 18.3,
        "graphical_seconds": 17.3,
        "to_login_seconds": 9.8,
    }


@pytest.mark.parametrize(
    ("changes", "target", "expected"),
    [
        ({"FirmwareTimestampMonotonic": "0", "LoaderTimestampMonotonic": "0"}, GRAPHICAL, (None, 9.3, 8.3, 8.3)),
        ({"InitRDTimestampMonotonic": "0"}, {}, (7.5, 18.3, None, 10.8)),
        ({"FinishTimestampMonotonic": "0"}, GRAPHICAL, (7.5, None, 17.3, 9.8)),
        ({"FinishTimestampMonotonic": "0"}, {"ActiveState": "inactive"}, (7.5, None, None, None)),
        ({"UserspaceTimestampMonotonic": "0"}, GRAPHICAL, (None, None, None, None)),
        ({"UserspaceTimestampMonotonic": str(2**64 - 1)}, GRAPHICAL, (None, None, None, None)),
        ({"UserspaceTimestampMonotonic": "what"}, GRAPHICAL, (None, None, None, None)),
    ],
)
def test_parts_a_boot_did_not_have(changes, target, expected):
    seen = boot_time.judge({**DECK, **changes}, target)
    assert (seen.firmware, seen.total, seen.graphical, seen.to_login) == expected


def test_containers_and_soft_reboots_count_user_space_only():
    inside = boot_time.judge({**DECK, "FinishTimestampMonotonic": "5300000"}, {}, container=True)
    assert (inside.kernel, inside.userspace, inside.total, inside.to_login) == (None, 3.0, 3.0, 3.0)
    again = {**DECK, "SoftRebootsCount": "1", "ShutdownStartTimestampMonotonic": "6300000"}
    soft = boot_time.judge(again, {"ActiveState": "active", "ActiveEnterTimestampMonotonic": "8300000"})
    assert (soft.firmware, soft.userspace, soft.total, soft.to_login) == (None, 3.0, 3.0, 2.0)


def test_a_boot_that_is_not_over_is_pending():
    assert boot_time.judge({**DECK, "FinishTimestampMonotonic": "0"}, {}).pending
    assert not boot_time.judge(DECK, {}).pending
    assert not boot_time.read_boot_time(NOTHING).pending


@pytest.mark.parametrize(
    ("line", "backend", "verity"),
    [
        (f"root=UUID=1 composefs={DIGEST} quiet", "composefs", "required"),
        (f"composefs=?{DIGEST}", "composefs", "optional"),
        ("ostree=/ostree/boot.1/default/abc/0", "ostree", None),
        ("composefs=nonsense", None, None),
        ("", None, None),
    ],
)
def test_the_command_line_tells_backend_and_verity(line, backend, verity):
    seen = integrity.judge(integrity.parse_command_line(line), None, False)
    assert (seen.backend, seen.fs_verity, seen.root_read_only) == (backend, verity, None)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("1 0 0:1 / / ro - overlay composefs ro,lowerdir=a,verity=require\n", (True, True, True, "required", False)),
        ("1 0 0:1 / / ro - overlay composefs ro,lowerdir=a\n", (True, True, True, "off", False)),
        (
            "1 0 8:1 / / rw - xfs /dev/a rw\n2 1 8:1 /usr /usr ro - xfs /dev/a rw\n",
            (False, True, False, "off", False),
        ),
        (
            "1 0 0:1 / / ro - overlay composefs ro\n2 1 0:2 / /usr rw - overlay overlay rw,upperdir=b\n",
            (True, False, True, "off", True),
        ),
    ],
)
def test_the_mounts_of_an_ostree_host(table, expected):
    seen = integrity.judge(integrity.CommandLine(ostree=True), mounts.parse(table), True)
    assert (seen.root_read_only, seen.usr_read_only, seen.composefs, seen.fs_verity, seen.usr_overlay) == expected


@pytest.fixture
def etc(root):
    for name, text in (("same", "a"), ("content", "b"), ("mode", "c"), ("gone", "d"), ("sub/x", "e")):
        put(root, f"usr/etc/{name}", text)
        if name != "gone":
            put(root, f"etc/{name}", text)
    put(root, "etc/content", "B")
    (root / "etc/mode").chmod(0o600)
    put(root, "etc/new", "x")
    put(root, "etc/sub/y", "x")
    put(root, "etc/newdir/a/b", "x")
    (root / "usr/etc/link").symlink_to("one")
    (root / "etc/link").symlink_to("two")
    return root


def test_entries_of_etc_that_differ_from_the_image(etc):
    drift = etc_drift.read_drift(NOTHING, "ostree")
    assert (drift.count, drift.complete) == (7, True)
    assert [(each.path, each.change) for each in drift.differences] == [
        ("content", "modified"),
        ("gone", "removed"),
        ("link", "modified"),
        ("mode", "modified"),
        ("new", "added"),
        ("newdir", "added"),
        ("sub/y", "added"),
    ]


def test_the_comparison_of_etc_is_bounded(etc):
    image, running = etc / "usr/etc", etc / "etc"
    few = etc_drift.compare(image, running, 10, entries=2)
    assert (few.count, few.complete) == (2, False)
    assert not etc_drift.compare(image, running, 10, content=1).complete
    ticks = iter(range(100))
    assert not etc_drift.compare(image, running, 3, clock=lambda: next(ticks)).complete
    for number in range(150):
        put(etc, f"etc/many{number}", "x")
    many = etc_drift.compare(image, running, 60)
    assert (many.count, len(many.differences)) == (157, etc_drift.MOST_LISTED)


def test_names_that_are_no_text_are_compared_too(etc):
    (etc / os.fsdecode(b"etc/\xff")).write_text("x")
    drift = etc_drift.read_drift(NOTHING, "ostree")
    assert json.dumps(drift.as_dict()).encode("utf-8")
    assert drift.count == 8


def test_differences_that_bootc_tells_lose_their_colours():
    text = (
        '\x1b[0;32mAdded\x1b[0m     "/ssh/a b"\n\x1b[33mModified\x1b[0m "hostname"\nRemoved "x\\"y\\u{e9}"\n'
        "something else\n"
    )
    drift = etc_drift.read_drift(answering(bootc=text), "composefs")
    assert drift.as_dict() == {
        "count": 3,
        "complete": True,
        "entries": [
            {"path": "ssh/a b", "change": "added"},
            {"path": "hostname", "change": "modified"},
            {"path": 'x"yé', "change": "removed"},
        ],
    }


def test_etc_is_unknown_where_nobody_can_compare(root):
    assert etc_drift.read_drift(answering(bootc=Completed(2, b"", b"error: unrecognized")), "composefs").count is None
    assert etc_drift.read_drift(NOTHING, "ostree").count is None
    assert etc_drift.read_drift(NOTHING, None).count is None


SHOWN = """Id=bootc-fetch-apply-updates.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=uupd.timer
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=rpm-ostreed-automatic.timer
LoadState=masked
ActiveState=inactive
UnitFileState=masked
"""


def test_timers_that_would_fight():
    found = updaters.read_updaters(answering(systemctl=SHOWN))
    assert [(each.unit, each.masked, each.rival) for each in found] == [
        ("bootc-fetch-apply-updates.timer", False, True),
        ("rpm-ostreed-automatic.timer", True, False),
    ]
    assert updaters.read_updaters(NOTHING) is None


def no_values(facts):
    """All that is known among facts."""
    if isinstance(facts, dict):
        return [value for entry in facts.values() for value in no_values(entry)]
    return [facts]


def test_a_machine_that_lacks_everything_answers(root):
    facts = gather.gather(NOTHING, gather.SUBSETS, 30)
    assert list(facts) == list(gather.SUBSETS)
    assert {json.dumps(value) for value in no_values(facts)} <= {"null", "[]", "false"}
    assert json.dumps(facts)


def test_only_what_was_asked_for_is_gathered(root):
    assert set(gather.gather(NOTHING, ["power", "boot"], 30)) == {"power", "boot"}


def test_commands_get_no_more_time_than_is_left():
    seen = []
    now = [0.0]

    def run(_argv, timeout, *, watch=None):
        seen.append(timeout)
        now[0] += 4
        return Completed(0)

    deadline = gather.Deadline(run, 10, lambda: now[0])
    for _number in range(4):
        deadline(("x",), 5)
    assert seen == [5, 5, 2, pytest.approx(0.1)]


def test_a_device_of_binary_garbage_answers(root):
    for path in (
        "proc/meminfo",
        "proc/cpuinfo",
        "proc/cmdline",
        "proc/self/mountinfo",
        "proc/self/cgroup",
        "proc/1/comm",
        "proc/1/cmdline",
        "sys/class/dmi/id/sys_vendor",
        "sys/class/power_supply/BAT0/type",
        "sys/class/drm/card0/device/vendor",
        "var/lib/dpkg/status",
    ):
        put(root, path, bytes(range(256)) * 20)
    garbage = bytes(range(256)).decode("latin-1")
    programs = ("findmnt", "loginctl", "busctl", "nmcli", "systemctl", "bootc", "uname", "rpm", "systemd_detect_virt")
    facts = gather.gather(answering(**dict.fromkeys(programs, garbage)), gather.SUBSETS, 30)
    assert json.dumps(facts).encode("utf-8")


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_a_parser_fail(text):
    hardware.parse_memory(text)
    hardware.pci_id(text)
    product.clean(text)
    product.parse_hypervisor_flag(text)
    product.judge(dict.fromkeys(product.ATTRIBUTES, text), None)
    mesa.version_of_dpkg(text)
    mesa.version_of_libraries([text])
    mesa.version_of_pacman([text])
    mesa.vulkan_drivers([text])
    mounts.parse(text)
    storage.parse(text)
    updaters.parse(text)
    integrity.judge(integrity.parse_command_line(text), mounts.parse(text), False)
    etc_drift.parse_config_diff(text)
    boot_time.judge(boot_time.parse_properties(text), boot_time.parse_properties(text))


@settings(deadline=None)
@given(st.text())
def test_quoted_paths_never_fail(text):
    drift = etc_drift.parse_config_diff(f'Added "{text}"')
    assert drift.count in (0, 1)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(boot_time.MANAGER), st.integers(0, 2**64 - 1).map(str)), st.booleans())
def test_no_part_of_a_boot_is_negative(stamps, container):
    seen = boot_time.judge(stamps, GRAPHICAL, container=container)
    assert all(value is None or value >= 0 for value in seen.as_dict().values())
