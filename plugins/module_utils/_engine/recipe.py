# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declared recipe of an image, as data. PRIVATE to the collection.

:func:`recipe_problems` says all that is wrong with one, :func:`read_recipe` reads it. ``containerfile.py`` renders it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

MANAGERS = ("pacman", "apt", "dnf")
ARCHIVE = "https://archive.archlinux.org/repos"
_KEYS = (
    "packages",
    "snapshot",
    "archive",
    "repositories",
    "remove_packages",
    "remove_paths",
    "files",
    "users",
    "commands",
    "services",
    "environment",
    "os_release",
)
_REPOSITORY_KEYS = ("name", "server", "key")
_FILE_KEYS = ("path", "content", "source", "mode")
_USER_KEYS = ("name", "id", "comment", "home", "shell", "groups")
_SERVICE_KEYS = ("enabled", "disabled", "masked", "user_enabled")
_LARGEST_CONTENT = 32 * 1024
"""Bytes of a file's content. It becomes part of commands, which stay in the image's history."""

_PACKAGE = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._+:=~/-]*")
_ADDRESS = re.compile(r"(?:https?|file)://[^\s'\"\\]+")
_KEY = re.compile(r"[0-9A-Fa-f]{40}")
_SNAPSHOT = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})")
# What a builder takes literally in COPY: it would replace $ and \, and read the rest as patterns.
_COPIED = re.compile(r"[^$\\*?\[\]\"\x00-\x1f]+")
_MODE = re.compile(r"0?[0-7]{3,4}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OS_RELEASE = re.compile(r"[A-Z][A-Z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Repository:
    """A repository of packages beside those of the distribution, with the fingerprint of the key that signs them."""

    name: str
    server: str
    key: str


@dataclass(frozen=True)
class File:
    """A file of the image: with ``content``, or copied from ``source`` in the context, which may be a folder."""

    path: str
    content: str | None = None
    source: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class User:
    """An account that the device creates when it boots. It has no password."""

    name: str
    id: str = "-"
    comment: str = ""
    home: str | None = None
    shell: str | None = None
    groups: Sequence[str] = ()


@dataclass(frozen=True)
class Services:
    """Units of systemd by what is to become of them."""

    enabled: Sequence[str] = ()
    disabled: Sequence[str] = ()
    masked: Sequence[str] = ()
    user_enabled: Sequence[str] = ()


@dataclass(frozen=True)
class Recipe:
    """What an image has beyond its parent."""

    manager: str | None = None
    packages: Sequence[str] = ()
    snapshot: str | None = None
    """Day of the package archive, ``2026/11/01``."""
    archive: str = ARCHIVE
    repositories: Sequence[Repository] = ()
    remove_packages: Sequence[str] = ()
    remove_paths: Sequence[str] = ()
    files: Sequence[File] = ()
    users: Sequence[User] = ()
    commands: Sequence[str] = ()
    services: Services = field(default_factory=Services)
    environment: Mapping[str, str] = field(default_factory=dict)
    os_release: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_context(self) -> bool:
        """Whether it copies from the folder of its node."""
        return any(file.source is not None for file in self.files)

    @property
    def names_version(self) -> bool:
        """Whether the version of the release is part of what it makes."""
        return any("{version}" in value for value in self.os_release.values())


def read_recipe(document: Mapping[str, Any]) -> Recipe:
    """Read a recipe in which :func:`recipe_problems` found nothing."""
    packages = document.get("packages") or {}
    manager = next(iter(packages), None)
    services = document.get("services") or {}
    snapshot = _SNAPSHOT.fullmatch(str(document.get("snapshot") or ""))
    return Recipe(
        manager=manager,
        packages=tuple(packages.get(manager) or ()),
        snapshot="/".join(snapshot.groups()) if snapshot else None,
        archive=(document.get("archive") or ARCHIVE).rstrip("/"),
        repositories=tuple(Repository(**one) for one in document.get("repositories") or ()),
        remove_packages=tuple(document.get("remove_packages") or ()),
        remove_paths=tuple(document.get("remove_paths") or ()),
        files=tuple(
            File(file["path"], file.get("content"), file.get("source"), file.get("mode"))
            for file in document.get("files") or ()
        ),
        users=tuple(
            User(
                name=user["name"],
                id=str(user["id"]) if user.get("id") is not None else "-",
                comment=user.get("comment") or "",
                home=user.get("home"),
                shell=user.get("shell"),
                groups=tuple(user.get("groups") or ()),
            )
            for user in document.get("users") or ()
        ),
        commands=tuple(document.get("commands") or ()),
        services=Services(**{key: tuple(services.get(key) or ()) for key in _SERVICE_KEYS}),
        environment={key: str(value) for key, value in (document.get("environment") or {}).items()},
        os_release={key: str(value) for key, value in (document.get("os_release") or {}).items()},
    )


def recipe_problems(document: object) -> list[str]:
    """Say everything that is wrong with a recipe, each with what to do instead; nothing when it is fine."""
    if not isinstance(document, Mapping):
        return [f"The recipe is not a mapping. Known keys are {', '.join(_KEYS)}."]
    problems = _unknown("The recipe", document, _KEYS)
    problems += _packages_problems(document)
    problems += _list_problems(document, "remove_packages", _PACKAGE, "the name of a package")
    problems += [
        f"remove_paths has {path!r}. Write an absolute path without '..', for example /usr/share/doc."
        for path in _items(document, "remove_paths", problems)
        if not isinstance(path, str) or not _is_absolute(path) or _is_everything(path)
    ]
    for file in _items(document, "files", problems):
        problems += _file_problems(file)
    for user in _items(document, "users", problems):
        problems += _user_problems(user)
    problems += [
        f"commands has {command!r}. Give a text of one line each; put a longer script into a file of the context."
        for command in _items(document, "commands", problems)
        if not isinstance(command, str) or not command.strip() or _CONTROL.search(command)
    ]
    problems += _services_problems(document.get("services"))
    problems += _values_problems(document, "environment", _VARIABLE)
    problems += _values_problems(document, "os_release", _OS_RELEASE)
    return problems


def _packages_problems(document: Mapping[str, Any]) -> list[str]:
    packages = document.get("packages")
    if packages is None:
        needing = [key for key in ("remove_packages", "snapshot", "archive", "repositories") if document.get(key)]
        return [f"The recipe has {key}, but no packages. Add 'packages: {{pacman: []}}'." for key in needing[:1]]
    if not isinstance(packages, Mapping) or len(packages) != 1 or next(iter(packages)) not in MANAGERS:
        return [f"packages must have one key, one of {', '.join(MANAGERS)}, with a list of packages."]
    manager = next(iter(packages))
    problems = _list_problems(packages, manager, _PACKAGE, "the name of a package")
    snapshot = document.get("snapshot")
    if snapshot is not None and not _SNAPSHOT.fullmatch(str(snapshot)):
        problems.append(f"snapshot is {str(snapshot)!r}. Give the day as '2026-11-01'.")
    archive = document.get("archive")
    if archive is not None and not (isinstance(archive, str) and _ADDRESS.fullmatch(archive) and "$" not in archive):
        problems.append(f"archive is {archive!r}. Give an address such as {ARCHIVE}.")
    for repository in _items(document, "repositories", problems):
        problems += _repository_problems(repository)
    if manager != "pacman" and any(document.get(key) is not None for key in ("snapshot", "archive", "repositories")):
        problems.append(
            f"snapshot, archive, repositories are for pacman. With {manager}, pin sources in the image to start from."
        )
    return problems


def _repository_problems(repository: object) -> list[str]:
    if not isinstance(repository, Mapping) or set(repository) != set(_REPOSITORY_KEYS):
        return [f"repositories has {repository!r}. Give a mapping with exactly {', '.join(_REPOSITORY_KEYS)}."]
    name, server, key = (str(repository[part]) for part in _REPOSITORY_KEYS)
    problems = []
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        problems.append(f"The repository {name!r} has a name that is none.")
    if not _ADDRESS.fullmatch(server):
        problems.append(f"The server {server!r} of the repository {name} is no address.")
    if not _KEY.fullmatch(key):
        problems.append(f"The key {key!r} of the repository {name} is not a fingerprint of 40 hexadecimal digits.")
    return problems


def _file_problems(file: object) -> list[str]:
    if not isinstance(file, Mapping) or not isinstance(file.get("path"), str):
        return [f"files has {file!r}. Give a mapping with path, and content or source."]
    path = file["path"]
    problems = _unknown(f"The file {path}", file, _FILE_KEYS)
    if not _is_absolute(path):
        problems.append(f"The file {path!r} is no absolute path without '..'. Write where it is in the image.")
    if (file.get("content") is None) == (file.get("source") is None):
        problems.append(f"The file {path} needs either content or source, not both.")
        return problems
    content, source = file.get("content"), file.get("source")
    if content is not None and not isinstance(content, str):
        problems.append(f"The content of {path} is not a text.")
    elif content is not None and len(content.encode()) > _LARGEST_CONTENT:
        problems.append(f"The content of {path} has more than {_LARGEST_CONTENT} bytes. Use source.")
    elif content is not None and "\0" in content:
        problems.append(f"The content of {path} has a zero byte. Use source.")
    elif content is not None and path.endswith("/"):
        problems.append(f"The file {path} has content and the name of a folder. Leave the last '/' out.")
    if source is not None and (
        not isinstance(source, str)
        or not _COPIED.fullmatch(source)
        or source.startswith("/")
        or ".." in source.split("/")
    ):
        problems.append(f"The source {source!r} of {path} is no path in the context. Write one without '..' and signs.")
    if source is not None and not _COPIED.fullmatch(path):
        problems.append(f"The path {path!r} has signs that a builder would replace. Leave them out.")
    mode = file.get("mode")
    # Of a number nobody can tell how it was written: 420 may have been 0644, 755 is not 0755.
    if mode is not None and not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        problems.append(f"The mode {mode!r} of {path} is none. Write it as a text, such as '0644', with the quotes.")
    return problems


def _user_problems(user: object) -> list[str]:
    if not isinstance(user, Mapping) or not isinstance(user.get("name"), str) or not _USER.fullmatch(user["name"]):
        return [f"users has {user!r}. Give a mapping with a name of lower-case letters, digits, '_' and '-'."]
    name = user["name"]
    problems = _unknown(f"The user {name}", user, _USER_KEYS)
    if user.get("id") is not None and not re.fullmatch(r"\d{1,9}", str(user["id"])):
        problems.append(f"The id {user['id']!r} of the user {name} is not a number.")
    for key in ("home", "shell"):
        value = user.get(key)
        if value is not None and not (isinstance(value, str) and _is_absolute(value) and " " not in value):
            problems.append(f"{key} of the user {name} is {value!r}. Give an absolute path without spaces.")
    comment = user.get("comment")
    if comment is not None and (not isinstance(comment, str) or re.search(r'[:"\\%]', comment) or _is_dirty(comment)):
        problems.append(f"The comment of the user {name} is not a plain text.")
    return problems + _list_problems(user, "groups", _USER, "the name of a group")


def _services_problems(services: object) -> list[str]:
    if services is None:
        return []
    if not isinstance(services, Mapping):
        return [f"services is not a mapping. Known keys are {', '.join(_SERVICE_KEYS)}."]
    problems = _unknown("services", services, _SERVICE_KEYS)
    for key in _SERVICE_KEYS:
        problems += _list_problems(services, key, _UNIT, "the name of a unit")
    if problems:
        return problems
    seen: dict[str, str] = {}
    for key in ("enabled", "disabled", "masked"):
        for unit in services.get(key) or ():
            if unit in seen:
                problems.append(f"The unit {unit} is both {seen[unit]} and {key}. Keep one of them.")
            seen[unit] = key
    return problems


def _values_problems(document: Mapping[str, Any], key: str, names: re.Pattern[str]) -> list[str]:
    values = document.get(key)
    if values is None:
        return []
    if not isinstance(values, Mapping):
        return [f"{key} is not a mapping."]
    problems = [f"{key} has the name {name!r}, which is none." for name in values if not names.fullmatch(str(name))]
    return problems + [
        f"{key} has a value of {name} that is not a text of one line."
        for name, value in values.items()
        if isinstance(value, (Mapping, list, type(None))) or _is_dirty(str(value))
    ]


def _list_problems(document: Mapping[str, Any], key: str, pattern: re.Pattern[str], meaning: str) -> list[str]:
    problems: list[str] = []
    for item in _items(document, key, problems):
        if not isinstance(item, str) or not pattern.fullmatch(item):
            problems.append(f"{key} has {item!r}, which is not {meaning}.")
    return problems


def _items(document: Mapping[str, Any], key: str, problems: list[str]) -> Sequence[object]:
    value = document.get(key)
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return value
    problems.append(f"{key} is not a list.")
    return ()


def _unknown(what: str, document: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    return [
        f"{what} has the unknown key {key!r}. Known are {', '.join(known)}." for key in document if key not in known
    ]


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and ".." not in path.split("/") and not _is_dirty(path)


def _is_everything(path: str) -> bool:
    return all(part.strip("*") == "" for part in path.split("/") if part != ".")


def _is_dirty(text: str) -> bool:
    return _CONTROL.search(text) is not None
