# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as metrics in the text format of Prometheus, for the textfile collector of node_exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .._rollout.states import DeviceState, RolloutPhase
from .words import CATCHING_UP, clean, parse_moment

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def rollout_metrics(summary: Mapping[str, Any]) -> str:
    """The metrics of what ``summarize()`` returned, as lines. Every state and every phase has its value."""
    told = clean(summary)
    rollout = {"rollout": told["id"]}
    counts = Counter((CATCHING_UP if d["catching_up"] else d["wave"], d["state"]) for d in told["devices"])
    devices = [
        ({**rollout, "wave": wave, "state": state.value}, counts[wave, state.value])
        for wave in [*(wave["name"] for wave in told["waves"]), CATCHING_UP]
        for state in DeviceState
    ]
    phases = [({**rollout, "phase": phase.value}, int(told["phase"] == phase.value)) for phase in RolloutPhase]
    lines = [
        *_metric("bootc_rollout_devices", "Devices of a rollout by wave and state.", devices),
        *_metric("bootc_rollout_phase", "1 for the phase a rollout is in.", phases),
    ]
    for name, help_text, key in (
        ("bootc_rollout_started_timestamp_seconds", "When a rollout was planned.", "started_at"),
        ("bootc_rollout_ended_timestamp_seconds", "When a rollout was over.", "ended_at"),
    ):
        at = parse_moment(told[key])
        if at is not None:
            lines += _metric(name, help_text, [(rollout, at.timestamp())])
    return "\n".join(lines) + "\n"


def _metric(name: str, help_text: str, values: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    for labels, value in values:
        told = ",".join(f'{key}="{label.translate(_ESCAPED)}"' for key, label in labels.items())
        lines.append(f"{name}{{{told}}} {value}" if isinstance(value, int) else f"{name}{{{told}}} {value:.3f}")
    return lines
