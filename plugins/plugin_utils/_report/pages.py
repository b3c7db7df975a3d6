# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How pages are made of the templates in ``page``: everything is escaped, and only scripts that are named run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .._rollout.errors import some
from .words import many, moment, short

_FOLDER = Path(__file__).with_name("page")


@dataclass(frozen=True)
class Script:
    """The one script of a page. The browser runs no other, so that nothing a device says can become one."""

    text: Markup

    @property
    def hash(self) -> str:
        """For the policy of the page."""
        return base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()


class Pages:
    """The templates, with filters that all of them have and those given."""

    def __init__(self, **filters: Callable[..., object]) -> None:
        self._templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
        self._templates.trim_blocks = self._templates.lstrip_blocks = True
        self._templates.filters.update(moment=moment, short=short, many=many, some=some, **filters)

    def render(self, template: str, **values: object) -> str:
        """The whole page."""
        return self._templates.get_template(template).render(**values)

    def script(self, *names: str) -> Script:
        """These files one after the other."""
        return Script(Markup("\n").join(Markup(self._templates.get_template(name).render()) for name in names))
