# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which registries the host's registries.conf calls insecure. PRIVATE to the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Mapping

from .errors import UNEXPECTED, RegistryError

try:
    import tomllib
except ImportError:
    try:
        import tomli as tomllib
    except ImportError:  # Python before 3.11 on its own cannot read TOML: then everything there is secure.
        tomllib = None  # type: ignore[assignment]

_SYSTEM = Path("/etc/containers")


def insecure_prefixes(environ: Mapping[str, str]) -> dict[str, bool]:
    """Return whether it is insecure, for every prefix of image names that the files speak of.

    Raises the kind ``unexpected`` for a file that cannot be understood.
    """
    found: dict[str, bool] = {}
    for path in _files(environ):
        document = _read(path)
        old_format = (document.get("registries") or {}).get("insecure") or {}
        found.update(dict.fromkeys(old_format.get("registries") or [], True))
        for entry in document.get("registry") or []:
            prefix = entry.get("prefix") or entry.get("location")
            if prefix:
                found[str(prefix)] = entry.get("insecure") is True
    return found


def is_insecure(prefixes: Mapping[str, bool], name: str) -> bool:
    """Tell whether ``registry/repository`` may be spoken to without TLS or a trusted certificate: the longest wins."""
    fitting = [prefix for prefix in prefixes if _fits(prefix, name)]
    return bool(fitting) and prefixes[max(fitting, key=len)]


def _fits(prefix: str, name: str) -> bool:
    if prefix.startswith("*."):
        host, slash, path = prefix[1:].partition("/")
        own_host, _slash, own_path = name.partition("/")
        return own_host.endswith(host) and (not slash or own_path == path or own_path.startswith(f"{path}/"))
    return name == prefix or name.startswith(f"{prefix}/")


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files in the order in which podman and skopeo read them; what comes later wins."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config")
    named, user = environ.get("CONTAINERS_REGISTRIES_CONF"), home / "containers" / "registries.conf"
    folders = [_SYSTEM / "registries.conf.d", home / "containers" / "registries.conf.d"]
    if named:
        yield Path(named)
    elif user.is_file():
        yield user
        folders = folders[1:]
    else:
        yield _SYSTEM / "registries.conf"
    for folder in folders:
        yield from sorted(folder.glob("*.conf"))


def _read(path: Path) -> Mapping[str, Any]:
    if tomllib is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        well_formed = all(isinstance(entry, dict) for entry in document.get("registry") or [])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, TypeError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not well_formed:
        raise _unreadable(path, "it has a registry that is no table")
    return document


def _unreadable(path: Path, why: str) -> RegistryError:
    return RegistryError(UNEXPECTED, f"{path} cannot be understood: {why}.", "Mend it; podman and skopeo need it too.")
