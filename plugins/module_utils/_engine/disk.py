# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes disks: bootc installs itself from a container onto a loop device. PRIVATE to the collection.

The loop device is made here and not by ``bootc --via-loopback``, which races with the kernel about partitions, and
leaves the device behind when it is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from .errors import INVALID, NOT_FOUND, UNEXPECTED, EngineError
from .run import Finished, Run

EXISTS = "exists"
NO_SPACE = "no_space"
INSTALL_FAILED = "install_failed"
BUSY = "busy"

_QUERY_SECONDS = 120.0
_TAIL_CHARACTERS = 3000
_PIECE = 1024 * 1024
_GIGABYTE = 1000**3
_BOOT_BYTES = 2 * _GIGABYTE
"""For the partitions beside the root, and what file systems keep for themselves."""
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": _GIGABYTE, "T": 1000**4}
_SECTOR = 4096
_KEYS_INSIDE = "/run/bootc-authorized-keys"
_STORAGE = "/var/lib/containers"


@dataclass(frozen=True)
class Disk:
    """A disk as it is wanted. ``size`` is in bytes; names are those of ``bootc install to-disk``."""

    image: str
    """Name in podman's storage."""
    target_image: str
    """What the installed system updates from."""
    size: int
    composefs: bool = False
    allow_missing_verity: bool = False
    filesystem: str | None = None
    block_setup: str = "direct"
    root_size: str | None = None
    bootloader: str | None = None
    generic: bool = True
    kargs: tuple[str, ...] = ()
    stateroot: str | None = None
    source_image: str | None = None
    """What to install in place of the storage's copy, from its registry."""
    enforce_signatures: bool = False
    disable_selinux: bool = False
    compression: str = "none"

    def check(self) -> None:
        """Raise EngineError for wishes that contradict each other."""
        if self.allow_missing_verity and not self.composefs:
            raise EngineError(INVALID, "allow_missing_verity is for backend: composefs only.", "Leave one of them out.")
        if self.size < _BOOT_BYTES:
            raise EngineError(INVALID, f"A disk of {self.size} bytes is too small.", "Give a size such as 20G.")


def parse_size(text: str) -> int:
    """Read a size such as ``20G``, in powers of 1000, up to whole sectors of 4096 bytes."""
    match = re.fullmatch(r"([0-9]+)([KMGT]?)B?", text.strip())
    if match is None:
        raise EngineError(
            INVALID, f"'{text}' is no size.", "Write it as a whole number with K, M, G or T, such as 20G."
        )
    size = int(match.group(1)) * _UNITS[match.group(2)]
    return -(-size // _SECTOR) * _SECTOR


def install_command(disk: Disk, device: str, keys: Path | None, container: str) -> list[str]:
    """Return the command that installs onto ``device``. ``keys`` is a file of public keys for root.

    ``container`` is a name to find the container by: it outlives the podman that started it. One of that name that was
    left over is ended.

    As user 0, whatever the image's own user is. With the host's processes, devices and image storage, in which bootc
    finds its own container, the partitions it makes, and what to install. By the name of the image, which bootc asks
    the storage for.
    """
    mounts = ["--volume", "/dev:/dev", "--volume", f"{_STORAGE}:{_STORAGE}"]
    if keys is not None:
        mounts += ["--volume", f"{keys}:{_KEYS_INSIDE}:ro"]
    return [
        "podman",
        "run",
        "--rm",
        "--replace",
        f"--name={container}",
        "--privileged",
        "--pid=host",
        "--user=0:0",
        f"--network={'host' if disk.source_image else 'none'}",
        "--pull=never",
        "--security-opt=label=type:unconfined_t",
        *mounts,
        # The image may have an entrypoint of its own.
        "--entrypoint=bootc",
        disk.image,
        *install_arguments(disk, with_keys=keys is not None),
        device,
    ]


def container_of(raw: Path) -> str:
    """Return the name of the container that installs into a file, so that whoever makes it next finds one left over."""
    whole = raw.parent.resolve() / raw.name
    return f"bootc-disk-{hashlib.sha256(str(whole).encode(errors='surrogateescape')).hexdigest()[:32]}"


def install_arguments(disk: Disk, *, with_keys: bool) -> list[str]:
    """Return the arguments of bootc, without the device."""
    arguments = ["install", "to-disk", "--wipe", f"--block-setup={disk.block_setup}", "--skip-fetch-check"]
    switches = {
        "--composefs-backend": disk.composefs,
        "--allow-missing-verity": disk.allow_missing_verity,
        "--generic-image": disk.generic,
        "--enforce-container-sigpolicy": disk.enforce_signatures,
        "--disable-selinux": disk.disable_selinux,
    }
    arguments += [switch for switch, wanted in switches.items() if wanted]
    values = {
        "--filesystem": disk.filesystem,
        "--root-size": disk.root_size,
        "--bootloader": disk.bootloader,
        "--stateroot": disk.stateroot,
        "--source-imgref": f"docker://{disk.source_image}" if disk.source_image else None,
        "--target-imgref": disk.target_image,
        "--root-ssh-authorized-keys": _KEYS_INSIDE if with_keys else None,
    }
    arguments += [f"{option}={value}" for option, value in values.items() if value]
    return arguments + [f"--karg={karg}" for karg in disk.kargs]


def needed_bytes(disk: Disk, content: int) -> int:
    """Return the room that making the disk takes at most, given the bytes of the image's files.

    The raw disk is sparse: only what is written takes room. Compressed, it is there a second time for a while.
    """
    raw = min(disk.size, content + content // 4 + _BOOT_BYTES)
    return raw if disk.compression == "none" else raw + content


def recipe(disk: Disk, image_id: str, keys: Path | None) -> str:
    """Return a hash of everything that the disk is made of; the same hash means that it need not be made again."""
    document = {**asdict(disk), "image_id": image_id, "keys": keys.read_text(encoding="utf-8") if keys else ""}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class DiskMaker:
    """Makes one disk. ``run`` starts programs, ``free`` tells the free bytes of a folder."""

    def __init__(self, run: Run, free: Callable[[Path], int], timeout: float) -> None:
        """Give the installation and the compression ``timeout`` seconds each."""
        self._run = run
        self._free = free
        self._timeout = timeout
        self.commands: list[list[str]] = []

    def image(self, name: str) -> tuple[str, int]:
        """Return id and bytes of an image in local storage."""
        answer = self._run(["podman", "image", "inspect", "--format", "json", name], _QUERY_SECONDS)
        if answer.rc != 0:
            if self._run(["podman", "image", "exists", name], _QUERY_SECONDS).rc == 1:
                remedy = "Pull it first, with 'podman pull', as the user who runs this."
                raise EngineError(NOT_FOUND, f"Podman has no image {name}.", remedy)
            raise EngineError(UNEXPECTED, f"Podman cannot tell about {name}: {_last_words(answer)}")
        try:
            document = json.loads(answer.stdout)[0]
            return str(document["Id"]), int(document["Size"])
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise EngineError(UNEXPECTED, f"Podman says something unexpected about {name}.") from error

    def check_room(self, disk: Disk, content: int, folder: Path) -> None:
        """Raise EngineError when the image does not fit onto the disk, or the disk into the folder."""
        if content + _BOOT_BYTES > disk.size:
            raise EngineError(
                INVALID,
                f"The files of {disk.image} have {content / _GIGABYTE:.1f} GB, too much for a disk of "
                f"{disk.size / _GIGABYTE:.1f} GB.",
                f"Give it at least {(content + _BOOT_BYTES) // _GIGABYTE + 1}G.",
            )
        need, free = needed_bytes(disk, content), self._free(folder)
        if free < need:
            raise EngineError(
                NO_SPACE,
                f"{folder} has {free / _GIGABYTE:.1f} GB free, and this may take {need / _GIGABYTE:.1f} GB.",
                "Make room there, or name another place.",
            )

    def make(self, disk: Disk, keys: Path | None, output: Path) -> str:
        """Make the disk at ``output``, which appears when it is whole, and return the digest of the file."""
        raw = output.with_name(output.name + ".raw.part")
        packed = output.with_name(output.name + ".part")
        with _made_alone(raw, self._let_go) as handle:
            try:
                os.ftruncate(handle, disk.size)
                packed.unlink(missing_ok=True)
                self._install(disk, keys, raw)
                whole = raw
                if disk.compression == "zstd":
                    command = ["zstd", "--quiet", "--force", "-T0", "-10", str(raw), "-o", str(packed)]
                    self._must(command, self._timeout, UNEXPECTED, "The disk could not be compressed")
                    whole = packed
                digest = _sha256(whole)
                # What was noted of the disk before must not be taken for this one's.
                record_of(output).unlink(missing_ok=True)
                whole.replace(output)
            finally:
                for path in (raw, packed):
                    path.unlink(missing_ok=True)
            write_whole(output.with_name(output.name + ".sha256"), f"{digest}  {output.name}\n")
        return digest

    def _install(self, disk: Disk, keys: Path | None, raw: Path) -> None:
        attach = ["losetup", "--find", "--show", "--partscan", str(raw)]
        try:
            device = self._must(attach, _QUERY_SECONDS, UNEXPECTED, "No loop device could be made").stdout.strip()
            if not re.fullmatch(r"/dev/loop[0-9]+", device):
                raise EngineError(UNEXPECTED, f"losetup answers '{device[:50]}' in place of a device.")
            command = install_command(disk, device, keys, container_of(raw))
            self._must(command, self._timeout, INSTALL_FAILED, f"bootc could not install {disk.image}")
        except BaseException:
            self._let_go(raw)
            raise
        self._must(["losetup", "--detach", device], _QUERY_SECONDS, UNEXPECTED, f"{device} could not be detached")

    def _let_go(self, raw: Path) -> None:
        """End the installer that writes into a file and detach its loop devices, as far as that can be done."""
        # The container first, which goes on without its podman and writes to the device. Whatever was attached is
        # found by its file, as losetup may have been ended before it said the name.
        self._try(["podman", "rm", "--force", "--ignore", container_of(raw)])
        listed = self._try(["losetup", "--noheadings", "--output=NAME", "--associated", str(raw)])
        for device in listed.split():
            self._try(["losetup", "--detach", device])

    def _try(self, command: Sequence[str]) -> str:
        # Why making the disk failed is what matters; what stays shows in the list of commands.
        self.commands.append(list(command))
        try:
            return self._run(command, _QUERY_SECONDS).stdout
        except EngineError:
            return ""

    def _must(self, command: Sequence[str], timeout: float, kind: str, trouble: str) -> Finished:
        self.commands.append(list(command))
        answer = self._run(command, timeout)
        if answer.rc != 0:
            raise EngineError(kind, f"{trouble} (exit code {answer.rc}): {_last_words(answer)}", command=command[0])
        return answer


def _last_words(answer: Finished) -> str:
    text = (answer.stderr.strip() or answer.stdout.strip())[-_TAIL_CHARACTERS:]
    return ("".join(c if c.isprintable() or c == "\n" else " " for c in text) or "it said nothing").rstrip(".") + "."


@contextlib.contextmanager
def _made_alone(path: Path, let_go: Callable[[Path], None]) -> Iterator[int]:
    """Make a file that nobody else makes meanwhile, and yield its handle. Raises EngineError when somebody does.

    What a run left behind that was killed is removed, after ``let_go`` was called with it. A link is never followed.
    """
    busy = EngineError(BUSY, f"Another task is making {path}.", "Wait for it to end, or name another file.")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            handle = os.open(path, flags | os.O_EXCL, 0o644)
            left = False
        except FileExistsError:
            try:
                handle, left = os.open(path, flags, 0o644), True
            except OSError as error:
                raise EngineError(
                    INVALID, f"{path} is in the way: {error.strerror}.", "Remove it; it is no file of this module's."
                ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise busy from error
            # Somebody who had it before may have removed it, or made a new one.
            try:
                is_there = os.path.samestat(path.lstat(), os.fstat(handle))
            except FileNotFoundError:
                is_there = False
            if not is_there:
                raise busy
            if not left:
                yield handle
                return
            let_go(path)
            path.unlink()
        finally:
            os.close(handle)


def write_whole(path: Path, text: str) -> None:
    """Put a small file in the place of another at once. A link is replaced and not followed."""
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _sha256(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            state.update(piece)
        os.fsync(file.fileno())
    return state.hexdigest()


def read_record(output: Path) -> Mapping[str, Any]:
    """Return what was noted when the disk was made; nothing for a file that was not made here."""
    try:
        document = json.loads(record_of(output).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def standing(output: Path) -> list[int]:
    """Return what is different as soon as somebody writes into the file, or puts another in its place."""
    now = output.stat()
    return [now.st_ino, now.st_mtime_ns, now.st_ctime_ns]


def is_as_noted(output: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether a file is still the one of a record; it is read only when it may have been changed."""
    if record.get("file_size") != output.stat().st_size:
        return False
    return record.get("standing") == standing(output) or record.get("sha256") == _sha256(output)


def record_of(output: Path) -> Path:
    """Return where it is noted what a disk was made of."""
    return output.with_name(output.name + ".json")
