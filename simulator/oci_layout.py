# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the transport ``oci``: a directory in the OCI image layout, read as a registry is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from simulator.client import digest_of
from simulator.reference import Location
from simulator.verbs.common import PullError

REF_NAME = "org.opencontainers.image.ref.name"


class Layout:
    """The image ``PATH[:TAG]``. The path is looked for below the device's root first, then on this machine."""

    def __init__(self, name: str, root: Path) -> None:
        path, _unused, tag = name.partition(":")
        inside = root / path.lstrip("/")
        self.path = inside if inside.is_dir() else Path(path)
        self.shown = path
        self.tag = tag or None
        self.place = Location("", path, self.tag, None)

    def manifest(self, target: str | None = None) -> tuple[bytes, str]:
        """The raw bytes and media type of the manifest ``target``, or of the one the name stands for."""
        if target is not None:
            return self.blob(target), ""
        entry = self._entry()
        return self.blob(str(entry["digest"])), str(entry.get("mediaType", ""))

    def _entry(self) -> dict[str, Any]:
        index = self.path / "index.json"
        try:
            document = json.loads(index.read_text(encoding="utf-8"))
            entries: list[dict[str, Any]] = [dict(entry) for entry in document["manifests"]]
            named = [entry for entry in entries if (entry.get("annotations") or {}).get(REF_NAME) == self.tag]
        except OSError as failed:
            raise PullError(f"open {self.shown}/index.json: {_cause(failed)}") from failed
        except (ValueError, KeyError, TypeError, AttributeError) as broken:
            raise PullError(f"reading {self.shown}/index.json: unexpected content: {broken!r}") from broken
        if self.tag is not None and not named:
            raise PullError(f'no descriptor found for reference "{self.tag}"')
        chosen = named if self.tag is not None else entries
        if len(chosen) != 1:
            raise PullError("more than one image in oci, choose an image")
        return chosen[0]

    def blob(self, digest: str) -> bytes:
        """A blob, checked."""
        try:
            content = self._blob(digest).read_bytes()
        except OSError as failed:
            raise PullError(f"open {self.shown}/blobs/{digest.replace(':', '/')}: {_cause(failed)}") from failed
        if digest_of(content) != digest:
            raise PullError(f"Digest did not match, expected {digest}, got {digest_of(content)}")
        return content

    def layer(self, digest: str, into: Path) -> bool:
        """Copy a layer to ``into``, checked."""
        into.parent.mkdir(parents=True, exist_ok=True)
        draft = into.with_name(f".{into.name}.oci.part")
        try:
            shutil.copyfile(self._blob(digest), draft)
            got = _digest(draft)
            if got != digest:
                raise PullError(f"fetching blob: Digest did not match, expected {digest}, got {got}")
            draft.replace(into)
        except OSError as failed:
            raise PullError(f"fetching blob {digest}: {_cause(failed)}") from failed
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _blob(self, digest: str) -> Path:
        algorithm, _unused, value = digest.partition(":")
        if not (algorithm.isalnum() and value.isalnum()):
            raise PullError(f"invalid digest: {digest}")
        return self.path / "blobs" / algorithm / value


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            found.update(part)
    return f"sha256:{found.hexdigest()}"


def _cause(failed: OSError) -> str:
    return (failed.strerror or str(failed)).lower()
