# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on this machine")


@dataclass(frozen=True)
class Opened:
    """A page after it ran: its document, and what the browser wrote to the console meanwhile."""

    dom: str
    console: tuple[str, ...]


def open_page(html: str, act: str, tmp_path: Path, *, allowed: bool = True, width: int = 800) -> Opened:
    """The page after ``act`` ran in it; the page's own policy stays in force, and names ``act`` when allowed."""
    if allowed:
        named = base64.b64encode(hashlib.sha256(act.encode()).digest()).decode()
        html = html.replace("script-src '", f"script-src 'sha256-{named}' '", 1)
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", f"<script>{act}</script></body>"), encoding="utf-8")
    assert BROWSER is not None
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
        *(
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},600",
            "--enable-logging=stderr",
            "--dump-dom",
        ),
    )
    done = subprocess.run([BROWSER, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return Opened(done.stdout, tuple(line for line in done.stderr.splitlines() if re.search(r":CONSOLE[:(]", line)))
