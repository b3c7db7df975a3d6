#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_image
short_description: Make a disk that boots from an image
version_added: 0.1.0
description:
  - Runs C(bootc install to-disk) from an image in podman's storage onto a file, which can be written to a disk or given
    to a virtual machine.
  - The file is sparse while it is made, and appears at O(path) when it is whole, with its checksum in
    C(PATH.sha256) beside it and a note of what it was made of in C(PATH.json).
  - A disk of the same image and the same options is not made again. Anything else at O(path) is not overwritten without
    O(force=true), and neither is a disk that was changed since, as by booting it. Where the times of the file are other
    ones, its checksum decides.
  - The loop device is made outside of the container, and is always detached again, after the container was ended. Two
    tasks never make the same file at the same time. What a task left that was killed, installer, loop device and
    C(PATH.raw.part), is taken away by the next one with the same O(path).
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
attributes:
  action_group:
    description: Use V(group/skorionos.bootc.images) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.images
  check_mode:
    support: full
    details: Looks whether image and space are there, and makes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
    details: Needs root, podman, losetup, and zstd for O(compression=zstd).
options:
  path:
    description: The file to make. Its folder must be there.
    type: path
    required: true
  image:
    description: Name of the image in podman's storage, that of root.
    type: str
    required: true
  target_image:
    description:
      - What the installed system updates from, as C(registry[:port]/repository:tag), such as its channel.
      - Without it, bootc would note the local name, which no device can pull.
    type: str
    required: true
  source_image:
    description:
      - Install this from its registry in place of what podman has, as C(registry[:port]/repository@digest). It needs
        the digest, because only that says whether a disk is of the same image.
      - Layers keep the compression of the registry then, so the first update of the device finds those that it has.
        With O(backend=composefs), that is also what makes the device report the digest of the registry.
    type: str
  size:
    description: Size of the disk, with K, M, G or T, in powers of 1000.
    type: str
    required: true
  backend:
    description: How the installed system keeps its deployments.
    type: str
    choices: [ostree, composefs]
    default: ostree
  allow_missing_verity:
    description: With O(backend=composefs), whether file systems without fs-verity are taken.
    type: bool
    default: false
  filesystem:
    description: File system of the root. When not given, the image decides.
    type: str
    choices: [xfs, ext4, btrfs]
  block_setup:
    description: Whether the root is encrypted with a key in the TPM of the machine that this runs on.
    type: str
    choices: [direct, tpm2-luks]
    default: direct
  root_size:
    description: Size of the root's partition, as bootc takes it. All that is left by default.
    type: str
  bootloader:
    description: Boot loader. When not given, bootc decides.
    type: str
    choices: [grub, grub-cc, systemd, none]
  generic_image:
    description: Whether the disk is for other machines than this one. The firmware of this one is not touched then.
    type: bool
    default: true
  kernel_arguments:
    description: Kernel arguments to add. They are readable by everybody, so none may be a secret.
    type: list
    elements: str
    default: []
  stateroot:
    description: Name of the state root. When not given, bootc decides.
    type: str
  authorized_keys:
    description: File with public ssh keys for root, on the host that runs the module.
    type: path
  enforce_signatures:
    description: Whether updates need a signature that the policy of the image demands.
    type: bool
    default: false
  disable_selinux:
    description: Whether the installed system does without SELinux.
    type: bool
    default: false
  compression:
    description: Whether to compress the file.
    type: str
    choices: [none, zstd]
    default: none
  force:
    description: Whether to overwrite what is at O(path), and to make a disk again that is there.
    type: bool
    default: false
  timeout:
    description: Seconds the installation may take, and again the compression.
    type: float
    default: 3600
seealso:
  - module: skorionos.bootc.image_build
  - module: skorionos.bootc.image_archive
"""

EXAMPLES = r"""
- name: Make a disk of the KDE variant for handhelds
  skorionos.bootc.disk_image:
    path: /srv/disks/skorionos-kde-1.0.0.img.zst
    image: registry.example.com/os/skorionos:kde-v1.0.0
    target_image: registry.example.com/os/skorionos:kde-stable
    size: 20G
    backend: composefs
    filesystem: btrfs
    compression: zstd
    authorized_keys: /srv/disks/fleet.pub
  become: true
  register: disk

- name: Show its checksum
  ansible.builtin.debug:
    msg: "{{ disk.path }} {{ disk.sha256 }}"
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /srv/disks/skorionos-kde-1.0.0.img.zst
sha256:
  description: Its checksum. V(null) in check mode when it would be made.
  returned: success
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
file_size:
  description: Bytes of the file. V(null) in check mode when it would be made.
  returned: success
  type: int
  sample: 3810000000
disk_size:
  description: Bytes of the disk.
  returned: success
  type: int
  sample: 20000002048
image_id:
  description: Id of the image it was made of.
  returned: success
  type: str
commands:
  description: Commands that were run to make it.
  returned: success, and when one of them failed
  type: list
  elements: list
reason:
  description:
    - Kind of the failure, for decisions. V(exists) for another file at the path, V(no_space), V(not_found) for an image
      that podman does not have, V(install_failed) when bootc failed, V(engine_missing) when a program is missing,
      V(busy) while another task makes the same file, V(timeout), V(invalid) for wrong options, V(unexpected) for the
      rest.
  returned: failure
  type: str
  sample: exists
"""

import json
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._engine.disk import (
    EXISTS,
    Disk,
    DiskMaker,
    is_as_noted,
    parse_size,
    read_record,
    recipe,
    record_of,
    standing,
    write_whole,
)
from ..module_utils._engine.errors import INVALID, MISSING, UNEXPECTED, EngineError
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._oci.reference import parse_reference

_CHANGED = "the disk of this image and these options, which was changed since, as booting it does"


def read_disk(params: dict[str, Any]) -> Disk:
    """Turn the options into what is wanted; raise EngineError or ValueError for what makes no sense."""
    parse_reference(params["target_image"])
    if params["source_image"] and not parse_reference(params["source_image"]).digest:
        raise EngineError(
            INVALID,
            f"'{params['source_image']}' in source_image has no digest, and what a tag means may change.",
            "Write registry/repository@sha256:..., as a release file has it.",
        )
    if params["image"].startswith("-"):
        raise EngineError(INVALID, f"'{params['image']}' is no name of an image.")
    disk = Disk(
        image=params["image"],
        target_image=params["target_image"],
        size=parse_size(params["size"]),
        composefs=params["backend"] == "composefs",
        allow_missing_verity=params["allow_missing_verity"],
        filesystem=params["filesystem"],
        block_setup=params["block_setup"],
        root_size=params["root_size"],
        bootloader=params["bootloader"],
        generic=params["generic_image"],
        kargs=tuple(params["kernel_arguments"]),
        stateroot=params["stateroot"],
        source_image=params["source_image"],
        enforce_signatures=params["enforce_signatures"],
        disable_selinux=params["disable_selinux"],
        compression=params["compression"],
    )
    disk.check()
    return disk


def check_programs(disk: Disk) -> None:
    """Raise EngineError when something that will be started is not installed."""
    wanted = ["podman", "losetup", *(["zstd"] if disk.compression == "zstd" else [])]
    missing = [name for name in wanted if shutil.which(name) is None]
    if missing:
        raise EngineError(MISSING, f"There is no {missing[0]} in PATH.", "Install it on this host.")


def check_place(output: Path, keys: Path | None) -> None:
    """Raise EngineError unless there is a folder to write into and the keys can be read."""
    if not output.parent.is_dir():
        raise EngineError(INVALID, f"There is no folder {output.parent}.", "Make it first.")
    if output.exists() and not output.is_file():
        raise EngineError(INVALID, f"{output} is no file.", "Disks are made as files; write the file to a device then.")
    if keys is not None and not keys.is_file():
        raise EngineError(INVALID, f"There is no file {keys} with keys.", "Correct authorized_keys.")
    if keys is not None and ":" in str(keys):
        raise EngineError(INVALID, f"Podman cannot mount {keys}, for its colon.", "Give authorized_keys another path.")


def run(module: AnsibleModule, maker: DiskMaker) -> dict[str, Any]:
    """Make the disk unless it is there."""
    params = module.params
    disk = read_disk(params)
    check_programs(disk)
    output = Path(params["path"]).absolute()
    # Podman takes anything but a whole path for the name of a volume.
    keys = Path(params["authorized_keys"]).resolve() if params["authorized_keys"] else None
    check_place(output, keys)
    image_id, content = maker.image(disk.image)
    made_of = recipe(disk, image_id, keys)
    record = read_record(output)
    result = {"path": str(output), "disk_size": disk.size, "image_id": image_id}
    if output.exists() and not params["force"]:
        is_same = record.get("recipe") == made_of
        if is_same and is_as_noted(output, record):
            same = {"sha256": record.get("sha256"), "file_size": record["file_size"]}
            return {**result, **same, "changed": False, "commands": []}
        raise EngineError(
            EXISTS,
            f"There is something else at {output}: {_CHANGED if is_same else _origin(record)}.",
            "Name another file, or overwrite it with force: true.",
        )
    maker.check_room(disk, content, output.parent)
    if module.check_mode:
        return {**result, "changed": True, "sha256": None, "file_size": None, "commands": []}
    digest = maker.make(disk, keys, output)
    size = output.stat().st_size
    note = {"recipe": made_of, "image": disk.image, "image_id": image_id, "sha256": digest, "file_size": size}
    note["standing"] = standing(output)
    write_whole(record_of(output), json.dumps(note, indent=1) + "\n")
    return {**result, "changed": True, "sha256": digest, "file_size": size, "commands": maker.commands}


def _origin(record: Any) -> str:
    image = record.get("image")
    return f"a disk of {image}, or made with other options" if isinstance(image, str) else "nothing tells what it is"


def free_bytes(folder: Path) -> int:
    """Return the bytes that can be written below a folder."""
    return shutil.disk_usage(folder).free


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "target_image": {"type": "str", "required": True},
            "source_image": {"type": "str"},
            "size": {"type": "str", "required": True},
            "backend": {"type": "str", "choices": ["ostree", "composefs"], "default": "ostree"},
            "allow_missing_verity": {"type": "bool", "default": False},
            "filesystem": {"type": "str", "choices": ["xfs", "ext4", "btrfs"]},
            "block_setup": {"type": "str", "choices": ["direct", "tpm2-luks"], "default": "direct"},
            "root_size": {"type": "str"},
            "bootloader": {"type": "str", "choices": ["grub", "grub-cc", "systemd", "none"]},
            "generic_image": {"type": "bool", "default": True},
            "kernel_arguments": {"type": "list", "elements": "str", "default": []},
            "stateroot": {"type": "str"},
            "authorized_keys": {"type": "path", "no_log": False},
            "enforce_signatures": {"type": "bool", "default": False},
            "disable_selinux": {"type": "bool", "default": False},
            "compression": {"type": "str", "choices": ["none", "zstd"], "default": "none"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 3600},
        },
        supports_check_mode=True,
    )
    # Whoever ends this task gets the loop device back.
    end_when_told()
    maker = DiskMaker(run_command, free_bytes, module.params["timeout"])
    try:
        result = run(module, maker)
    except EngineError as error:
        module.fail_json(msg=str(error), reason=error.kind, commands=maker.commands)
    except ValueError as error:
        module.fail_json(msg=str(error), reason=INVALID)
    except OSError as error:
        trouble = f"{error.filename or module.params['path']}: {error.strerror}."
        module.fail_json(msg=trouble, reason=UNEXPECTED, commands=maker.commands)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
