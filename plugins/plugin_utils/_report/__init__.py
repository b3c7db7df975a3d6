# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a rollout or of a fleet: text for the terminal, one self-contained page for the browser."""

from __future__ import annotations

from .._plain import plain
from .fleet_html import fleet_html
from .html import rollout_html
from .progress import patience, progress, standing, standing_parts
from .prometheus import rollout_metrics
from .text import explanation_text, fleet_text, rollout_text

__all__ = [
    "explanation_text",
    "fleet_html",
    "fleet_text",
    "patience",
    "plain",
    "progress",
    "rollout_html",
    "rollout_metrics",
    "rollout_text",
    "standing",
    "standing_parts",
]
