# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which registries the host's registries.conf calls insecure. PRIVATE to the collection."""

from __future__ import annotations

import importlib
import re
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
_SPEAKS_OF_IT = re.compile(rb"^[^#\n]*insecure", re.MULTILINE)


def insecure_prefixes(
    environ: Mapping[str, str], warn: Callable[[str], None] = lambda _warning: None
) -> dict[str, bool]:
    """Return whether it is insecure, for every prefix of image names that the files speak of.

    ``warn`` is told of files that this Python cannot read; then everything that they call insecure is secure. Raises
    the kind ``unexpected`` for a file that cannot be understood.
    """
    found: dict[str, bool] = {}
    for path in _files(environ):
        found.update(_read(path, warn))
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


def _read(path: Path, warn: Callable[[str], None]) -> dict[str, bool]:
    try:
        if _TOML is None:
            if _SPEAKS_OF_IT.search(path.read_bytes()):
                warn(
                    f"{path} speaks of insecure registries, but was not read: every registry has to have a trusted "
                    "certificate. Install the package tomli for the Python that runs the module, or let Python 3.11 or "
                    "newer run it."
                )
            return {}
        return _prefixes_in(_TOML.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (AttributeError, OSError, RecursionError, TypeError, ValueError) as error:
        raise RegistryError(
            UNEXPECTED, f"{path} cannot be understood: {error}.", "Mend it; podman and skopeo need it too."
        ) from error


def _prefixes_in(document: Mapping[str, Any]) -> dict[str, bool]:
    old_format = (document.get("registries") or {}).get("insecure") or {}
    found = dict.fromkeys(map(str, old_format.get("registries") or []), True)
    for entry in document.get("registry") or []:
        prefix = entry.get("prefix") or entry.get("location")
        if prefix:
            found[str(prefix)] = entry.get("insecure") is True
    return found
