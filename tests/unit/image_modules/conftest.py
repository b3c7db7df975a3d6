# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as tasks run them, against a registry in this process."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args

from .fakes import Guard, serve


@pytest.fixture
def guard():
    return Guard()


@pytest.fixture
def registry(guard):
    server = serve(guard)
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(capsys):
    def run_module(module, check=False, diff=True, **arguments):
        special = {"_ansible_check_mode": check, "_ansible_diff": diff}
        with patch_module_args({**arguments, **special}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module
