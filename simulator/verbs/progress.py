# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of ``--progress-fd``, as data. Pure."""

from __future__ import annotations

from typing import Iterator, Sequence

from simulator.state import Image, Layer
from simulator.verbs.common import Event

START: Event = {"type": "Start", "version": "0.1.0"}
_DESCRIPTIONS = {"importing": "Importing Image", "staging": "Deploying Image"}
_STAGING = (
    # subtask, its description and id, steps done before it
    ("merging", "Merging Image", "fetching", 0),
    ("deploying", "Deploying Image", "deploying", 1),
    ("bound_images", "Pulling Bound Images", "bound_images", 1),
    ("cleanup", "Removing old images", "cleanup", 2),
)


def pulling(image: Image, needed: Sequence[Layer], *, composefs: bool) -> Iterator[Event]:
    """One event when nothing came yet, then one for each layer that came."""
    total = sum(layer.size for layer in needed)
    layers = len({layer.digest for layer in image.layers})
    done = 0
    for count in range(len(needed) + 1):
        came = needed[:count]
        done = sum(layer.size for layer in came)
        yield {
            "type": "ProgressBytes",
            "task": "pulling",
            "description": "Pulling composefs image" if composefs else f"Pulling Image: {image.digest}",
            "id": "composefs-pull" if composefs else image.digest,
            "bytesCached": 0 if composefs else image.size - total,
            "bytes": done,
            "bytesTotal": total,
            "stepsCached": layers - len(needed),
            "steps": count,
            "stepsTotal": 0 if composefs else len(needed),
            "subtasks": [_layer(layer, composefs=composefs) for layer in came],
        }


def _layer(layer: Layer, *, composefs: bool) -> Event:
    kind, label = ("composefs_layer", "Layer") if composefs else ("layer", "layer")
    return {
        "subtask": kind,
        "description": f"{label}: {layer.digest[:20]}",
        "id": layer.digest,
        "bytesCached": 0,
        "bytes": layer.size,
        "bytesTotal": layer.size,
    }


def importing(image: Image) -> Iterator[Event]:
    """ostree: the layers become a commit."""
    for steps in (0, 1):
        subtask = ("importing", "Importing Image", "importing")
        yield _steps("importing", image, [subtask], steps=steps, total=1)


def staging(image: Image) -> Iterator[Event]:
    """ostree: the commit becomes a deployment. The last subtask stands there twice when all is done."""
    for count, (*_unused, steps) in enumerate(_STAGING, 1):
        yield _steps("staging", image, [step[:3] for step in _STAGING[:count]], steps=steps, total=3)
    everything = [step[:3] for step in (*_STAGING, _STAGING[-1])]
    yield _steps("staging", image, everything, steps=3, total=3)


def _steps(task: str, image: Image, subtasks: Sequence[tuple[str, str, str]], *, steps: int, total: int) -> Event:
    last = len(subtasks) - 1
    return {
        "type": "ProgressSteps",
        "task": task,
        "description": _DESCRIPTIONS[task],
        "id": image.digest,
        "stepsCached": 0,
        "steps": steps,
        "stepsTotal": total,
        "subtasks": [
            {"subtask": name, "description": text, "id": identity, "completed": index < last or steps == total}
            for index, (name, text, identity) in enumerate(subtasks)
        ],
    }
