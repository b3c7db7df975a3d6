# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files make a device accept only signed images, and how they come there.

What is to be written is decided first and by itself (:func:`plan`), then tried in a folder of its own
(:func:`try_out`), and only then written (:func:`install`): what decides over every update of a device may not be broken
for a moment.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import copy
import os
import pwd
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from .._device.root import device_path
from .._errors import BootcError
from . import proxy, registries_d
from .policy import (
    DOCKER,
    REJECT,
    Merged,
    check_repository,
    demand,
    keys_in_use,
    parse_policy,
    reject_by_default,
    render_policy,
    withdraw,
)

POLICY = "/etc/containers/policy.json"
PREVIOUS = "/etc/containers/policy.json.previous"
VENDOR_POLICY = "/usr/share/containers/policy.json"
REGISTRIES_D = "/etc/containers/registries.d"
KEYS = "/etc/containers/skorionos-bootc"
# Without a policy podman and skopeo pull nothing, so this lets nothing in that was kept out before.
_WITHOUT_POLICY = '{"default": [{"type": "reject"}]}'
# Files of a user come before those in /etc; both are taken as they are, and never merged.
_OF_A_USER = ("policy.json", "registries.d")
_POLICY_VARIABLE = "CONTAINERS_POLICY_JSON"
_DER_SEQUENCE = 0x30
_DER_LONG_LENGTH = 0x80
_KEY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")


@dataclass(frozen=True)
class Wanted:
    """What the device shall demand: of which repositories images must be signed, and by whom (PEM by name)."""

    repositories: tuple[str, ...]
    keys: Mapping[str, str]
    """None at all to demand nothing any more."""
    replace: bool = False
    rejects_by_default: bool = False


@dataclass(frozen=True)
class Found:
    """What is on the device: texts of files, by name where there are several."""

    policy: str | None
    vendor_policy: str | None
    registries: Mapping[str, str]
    keys: Mapping[str, str]
    deciding: tuple[str, ...] = ()
    """What decides in the place of the files above, as it is to be named to people."""

    def by_path(self) -> dict[str, str]:
        """Return every text with where it is."""
        texts = {f"{REGISTRIES_D}/{name}": text for name, text in self.registries.items()}
        texts.update({f"{KEYS}/{name}": text for name, text in self.keys.items()})
        return {**texts, POLICY: self.policy} if self.policy is not None else texts


@dataclass(frozen=True)
class Plan:
    """What to write and to remove, in this order, so that what the policy names is always there."""

    policy: Mapping[str, Any]
    keys: Mapping[str, str]
    registries: Mapping[str, str]
    """All files of keys and of registries.d as they will be."""
    writes: Mapping[str, str]
    removes: tuple[str, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.writes or self.removes)


def check(repositories: Sequence[str], keys: Sequence[Mapping[str, str]]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return repositories and keys as they are used. Raises BootcError for what is none."""
    if not repositories:
        raise BootcError("invalid", "No repository is named", "Name those whose images the devices run")
    checked: dict[str, str] = {}
    for key in keys:
        name, text = key["name"], key["content"]
        if not _KEY_NAME.fullmatch(name):
            raise BootcError(
                "invalid", f"'{name}' is no name for a key", "Use lower-case letters, digits, '.', '_' and '-'"
            )
        if name in checked:
            raise BootcError("invalid", f"Two keys have the name {name}", "Give each a name of its own")
        checked[name] = _public_key(name, text)
    return tuple(dict.fromkeys(map(check_repository, repositories))), checked


def _public_key(name: str, text: str) -> str:
    # The text itself is never shown: it may be the wrong one of the two.
    if "PRIVATE KEY" in text:
        raise BootcError(
            "invalid", f"The key {name} is a private one", "Keep it where images are signed, and give the public one"
        )
    match = _PUBLIC_KEY.fullmatch(text.strip())
    try:
        if match is not None and _is_one_sequence(base64.b64decode("".join(match[1].split()), validate=True)):
            return text.strip() + "\n"
    except binascii.Error:
        pass
    raise BootcError("invalid", f"The key {name} is no PEM public key", "Give the content of the file with .pub")


def _is_one_sequence(der: bytes) -> bool:
    """Tell whether this is one SEQUENCE of exactly the length that it says, as every public key is."""
    if len(der) < 2 or der[0] != _DER_SEQUENCE:
        return False
    if der[1] < _DER_LONG_LENGTH:
        return len(der) == 2 + der[1]
    start = 2 + der[1] - _DER_LONG_LENGTH
    return start > 2 and len(der) == start + int.from_bytes(der[2:start], "big")


def find() -> Found:
    """Read what is on the device."""
    return Found(
        _read(POLICY),
        _read(VENDOR_POLICY),
        _read_all(REGISTRIES_D, ".yaml"),
        _read_all(KEYS, ".pub"),
        _deciding(),
    )


def _deciding() -> tuple[str, ...]:
    """Name what podman, skopeo and bootc of root look at in the place of the files in /etc."""
    # Services have no variable for it, and whoever became root may have kept that of somebody else.
    homes = dict.fromkeys((pwd.getpwuid(0).pw_dir, os.environ.get("HOME") or "/"))
    places = [f"{home.rstrip('/')}/.config/containers/{name}" for home in homes for name in _OF_A_USER]
    there = [place for place in places if os.path.lexists(device_path(place))]
    return (*there, *((f"the variable {_POLICY_VARIABLE}",) if os.environ.get(_POLICY_VARIABLE) else ()))


def plan(wanted: Wanted, found: Found) -> Plan:
    """Decide what to write. Raises BootcError where that would weaken what others, or we ourselves, demand."""
    if wanted.keys and found.deciding:
        raise BootcError(
            "invalid",
            f"{found.deciding[0]} takes the place of {POLICY} or {REGISTRIES_D}, so a demand there decides nothing",
            "Move what it says there, and remove it",
        )
    # An empty file is not a missing one: it is refused like any other broken policy.
    texts = ((POLICY, found.policy), (VENDOR_POLICY, found.vendor_policy), (POLICY, _WITHOUT_POLICY))
    before = next(parse_policy(text, source) for source, text in texts if text is not None)
    merged = _merged(before, wanted, found)
    in_use = keys_in_use(merged.document, KEYS)
    keys = {name: text for name, text in found.keys.items() if f"{KEYS}/{name}" in in_use}
    keys.update({f"{name}.pub": text for name, text in wanted.keys.items()})
    registries = _registries(wanted, found, merged.document)
    writes = {f"{KEYS}/{name}": text for name, text in keys.items() if found.keys.get(name) != text}
    writes.update(
        {f"{REGISTRIES_D}/{name}": text for name, text in registries.items() if found.registries.get(name) != text}
    )
    if merged.document != before:
        writes[POLICY] = render_policy(merged.document)
    removes = [f"{REGISTRIES_D}/{name}" for name in found.registries if name not in registries]
    removes += [f"{KEYS}/{name}" for name in found.keys if name not in keys]
    changes = [*_other_keys(wanted, found), *merged.changes]
    if not changes:
        changes += [f"{path} is written anew, as it was missing or changed." for path in writes]
        changes += [f"{path} is removed, as nothing needs it any more." for path in sorted(removes)]
    notes = [*merged.notes, *_hidden(wanted, found)]
    if POLICY in writes and found.policy is None and found.vendor_policy is None:
        notes.append("There was no policy, so nothing could be pulled. The new one still rejects all other images.")
    return Plan(merged.document, keys, registries, writes, tuple(sorted(removes)), tuple(changes), tuple(notes))


def _other_keys(wanted: Wanted, found: Found) -> list[str]:
    """Say which keys become others under the names they have."""
    others = [name for name, text in wanted.keys.items() if found.keys.get(f"{name}.pub") not in (None, text)]
    return [f"The name {name} stands for another key now." for name in others]


def _merged(before: Mapping[str, Any], wanted: Wanted, found: Found) -> Merged:
    if not wanted.keys:
        return withdraw(before, wanted.repositories, KEYS)
    for name, text in wanted.keys.items():
        there = found.keys.get(f"{name}.pub")
        if there not in (None, text) and not wanted.replace and f"{KEYS}/{name}.pub" in keys_in_use(before, KEYS):
            raise BootcError(
                "would_weaken",
                f"The device knows another key by the name {name}",
                "Give the new key a name of its own, so that both are accepted for a while, or set replace",
            )
    paths = [f"{KEYS}/{name}.pub" for name in wanted.keys]
    merged = demand(before, wanted.repositories, paths, KEYS, replace=wanted.replace)
    if not wanted.rejects_by_default:
        return merged
    stricter = reject_by_default(merged.document)
    return Merged(stricter.document, (*merged.changes, *stricter.changes), (*merged.notes, *stricter.notes))


def _hidden(wanted: Wanted, found: Found) -> list[str]:
    """Name what others keep us from looking for below the repositories."""
    if not wanted.keys:
        return []
    return [
        f"{name} in registries.d has no signatures of {part} looked for, so its images are refused."
        for repository in wanted.repositories
        for part, name in registries_d.hidden_below(repository, found.registries)
    ]


def _registries(wanted: Wanted, found: Found, policy: Mapping[str, Any]) -> dict[str, str]:
    ours = {registries_d.file_name(repository): repository for repository in wanted.repositories}
    others = {name: text for name, text in found.registries.items() if name not in ours}
    if not wanted.keys:
        # Without its file a demand that stays, because somebody changed it, would refuse every image.
        demanded = (policy.get("transports") or {}).get(DOCKER) or {}
        return {name: text for name, text in found.registries.items() if name in others or ours[name] in demanded}
    missing = {
        name: registries_d.render([repository])
        for name, repository in ours.items()
        if not registries_d.is_looked_for(repository, others)
    }
    return {**others, **missing}


def concerns(repository: str, repositories: Sequence[str]) -> bool:
    """Tell whether one of the entries holds for a repository."""
    return any(repository == each or repository.startswith(f"{each}/") for each in repositories)


def try_out(
    planned: Plan, images: Sequence[str], auth_file: Path | None, timeout: float, demanded: Sequence[str] = ()
) -> None:
    """Have skopeo use the policy as it will be, and take the images under it. Raises BootcError when it does not.

    The images are ones that the demands on the repositories ``demanded`` hold for. Where skopeo looks those up by
    another name, they decide nothing, which is an error too.
    """
    with tempfile.TemporaryDirectory(prefix="bootc-trust-") as folder:
        keys, registries = Path(folder, "keys"), Path(folder, "registries.d")
        for place, texts in ((keys, planned.keys), (registries, planned.registries)):
            place.mkdir()
            for name, text in texts.items():
                (place / name).write_text(text, encoding="utf-8")
        policy = Path(folder, "policy.json")
        policy.write_text(render_policy(_with_keys_in(planned.policy, str(keys))), encoding="utf-8")
        why = proxy.loads(policy, timeout)
        if why is not None:
            raise BootcError(
                "unsupported_version" if "keyPaths" in why else "invalid",
                f"skopeo on the device cannot use the policy as it would be: {why}",
                "Update skopeo to 1.15 or newer; older versions know one key at a time only",
            )
        rules = proxy.Rules(policy, registries, auth_file=auth_file)
        proxy.verify(images, rules, timeout)
        if demanded:
            policy.write_text(render_policy(_rejecting(planned.policy, demanded)), encoding="utf-8")
            _refuse_to_be_ignored(images, rules, timeout, demanded)


def _refuse_to_be_ignored(images: Sequence[str], rules: proxy.Rules, timeout: float, demanded: Sequence[str]) -> None:
    for image in images:
        if proxy.refusal(image, rules, timeout) is None:
            raise BootcError(
                "invalid",
                f"What the policy demands of {', '.join(demanded)} decides nothing about {image}",
                "Name the repository as skopeo looks it up; a single part on Docker Hub is docker.io/library/NAME",
            )


def _rejecting(policy: Mapping[str, Any], repositories: Sequence[str]) -> dict[str, Any]:
    """Return the policy with nothing accepted of the repositories, by whatever entry."""
    document = copy.deepcopy(dict(policy))
    scopes = document["transports"][DOCKER]
    below = tuple(f"{repository}{mark}" for repository in repositories for mark in "/:@")
    for scope in scopes:
        if scope in repositories or scope.startswith(below):
            scopes[scope] = [{"type": REJECT}]
    return document


def _with_keys_in(policy: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the policy with our keys in another folder."""
    document = copy.deepcopy(dict(policy))
    scopes = [scope for scopes in (document.get("transports") or {}).values() for scope in scopes.values()]
    for requirement in (each for requirements in [document["default"], *scopes] for each in requirements):
        if isinstance(requirement.get("keyPath"), str):
            requirement["keyPath"] = _moved(requirement["keyPath"], folder)
        if isinstance(requirement.get("keyPaths"), list):
            requirement["keyPaths"] = [_moved(path, folder) for path in requirement["keyPaths"]]
    return document


def _moved(path: str, folder: str) -> str:
    return folder + path[len(KEYS) :] if path.startswith(f"{KEYS}/") else path


def install(planned: Plan, found: Found) -> str | None:
    """Write and remove the files; return where the policy from before is, if there was one and it changed."""
    kept = PREVIOUS if POLICY in planned.writes and found.policy is not None else None
    writes = dict(planned.writes)
    if kept is not None and found.policy is not None:
        writes = {kept: found.policy, **writes}
    path = ""
    try:
        for path, text in writes.items():
            _replace(path, text)
        for path in planned.removes:
            device_path(path).unlink()
            _sync(device_path(path).parent)
    except OSError as wrong:
        raise BootcError(
            "unexpected",
            f"{path} cannot be written: {wrong.strerror}",
            "What was written before is in order by itself. Make room or mount /etc writable, and run this again",
        ) from wrong
    return kept


def _replace(path: str, text: str) -> None:
    """Put a file in the place of another at once, readable for all; it is on the disk when this returns."""
    place = device_path(path)
    _make_folder(place.parent)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        draft.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    _sync(place.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder that everybody may look into, whatever is kept from others by default."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


def _sync(folder: Path) -> None:
    """Have what was renamed or removed in a folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: str) -> str | None:
    place = device_path(path)
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as wrong:
        raise BootcError("unexpected", f"{path} cannot be read: {wrong}", "Repair or remove it") from wrong


def _read_all(directory: str, suffix: str) -> dict[str, str]:
    place = device_path(directory)
    names = sorted(each.name for each in place.glob(f"*{suffix}")) if place.is_dir() else []
    texts = {name: _read(f"{directory}/{name}") for name in names if not name.startswith(".")}
    return {name: text for name, text in texts.items() if text is not None}
