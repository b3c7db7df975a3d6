# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's registries.conf says of registries: insecure, blocked, elsewhere. PRIVATE to the collection.

Its mirrors are not read: the client asks the registry that a name means.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

from .errors import UNEXPECTED, RegistryError
from .places import configuration_folder


def _toml_reader() -> Any:
    """Return Python's own, or the package that it came from; none where there is neither."""
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_TOML = _toml_reader()
_SYSTEM = Path("/etc/containers")
_SPEAKS_OF_IT = re.compile(rb"^[^#\n]*(?:insecure|block|prefix)", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """What a file says of image names that begin with a prefix."""

    prefix: str
    file: Path
    insecure: bool = False
    """May be spoken to without TLS or a trusted certificate."""
    blocked: bool = False
    location: str = ""
    """Where images are pulled from that begin with the prefix, if elsewhere."""

    def moved(self, name: str) -> str:
        """Return ``registry/repository`` at the location."""
        if not self.location:
            return name
        if not self.prefix.startswith("*."):
            return self.location + name[len(self.prefix) :]
        # What such a prefix fits is the whole host.
        _host, slash, path = name.partition("/")
        return f"{self.location}{slash}{path}"


def read_rules(environ: Mapping[str, str], warn: Callable[[str], None] = lambda _warning: None) -> dict[str, Rule]:
    """Return the rule for every prefix of image names that the files speak of.

    ``warn`` is told of files that this Python cannot read; then nothing in them holds. Raises the kind ``unexpected``
    for a file that cannot be understood.
    """
    found: dict[str, Rule] = {}
    for path in _files(environ):
        found.update(_read(path, warn))
    return found


def rule_for(rules: Mapping[str, Rule], name: str) -> Rule | None:
    """Return the rule for ``registry/repository``, if there is one: that of the longest prefix."""
    fitting = [prefix for prefix in rules if _fits(prefix, name)]
    return rules[max(fitting, key=len)] if fitting else None


def _fits(prefix: str, name: str) -> bool:
    if prefix.startswith("*."):
        host, slash, path = prefix[1:].partition("/")
        own_host, _slash, own_path = name.partition("/")
        return own_host.endswith(host) and (not slash or own_path == path or own_path.startswith(f"{path}/"))
    return name == prefix or name.startswith(f"{prefix}/")


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files in the order in which podman and skopeo read them; what comes later wins."""
    home = configuration_folder(environ)
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


def _read(path: Path, warn: Callable[[str], None]) -> dict[str, Rule]:
    try:
        if _TOML is None:
            if _SPEAKS_OF_IT.search(path.read_bytes()):
                warn(
                    f"{path} speaks of registries that are insecure, blocked or elsewhere, but was not read: every "
                    "registry has to have a trusted certificate, and is asked by its own name. Install the package "
                    "tomli for the Python that runs the module, or let Python 3.11 or newer run it."
                )
            return {}
        return _rules_in(_TOML.loads(path.read_text(encoding="utf-8")), path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (AttributeError, OSError, RecursionError, TypeError, ValueError) as error:
        raise RegistryError(
            UNEXPECTED, f"{path} cannot be understood: {error}.", "Mend it; podman and skopeo need it too."
        ) from error


def _rules_in(document: Mapping[str, Any], path: Path) -> dict[str, Rule]:
    old = document.get("registries") or {}
    insecure, blocked = (set(map(str, (old.get(key) or {}).get("registries") or [])) for key in ("insecure", "block"))
    found = {name: Rule(name, path, name in insecure, name in blocked) for name in sorted(insecure | blocked)}
    for entry in document.get("registry") or []:
        location = str(entry.get("location") or "").rstrip("/")
        prefix = str(entry.get("prefix") or "").rstrip("/") or location
        if prefix:
            flags = (entry.get("insecure") is True, entry.get("blocked") is True)
            found[prefix] = Rule(prefix, path, *flags, location if location != prefix else "")
    return found
