# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a plan will cost, from what the devices answered and the registries know, and write it down for review."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible_collections.skorionos.bootc.plugins.action.rollout_open import anchored
from ansible_collections.skorionos.bootc.plugins.plugin_utils._layer_book import LayerBook
from ansible_collections.skorionos.bootc.plugins.plugin_utils._plan_answers import answer_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.plan_text import full_plan_text, plan_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.forecast import (
    DEFAULT_RATE,
    REBOOT_SECONDS,
    UNREACHABLE,
    Action,
    Assumptions,
    Latecomer,
    Need,
    Tempo,
    WaveInput,
    forecast,
    plan_document,
    spread_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.need import Answer, Image, judge
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan, Target, load_plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.quantities import parse_rate, share
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, Wave
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import RolloutAction


class ActionModule(RolloutAction):
    _supports_check_mode = True
    OPTIONS: ClassVar[dict[str, Any]] = {
        "plan": {"type": "dict", "required": True},
        "spec": {"type": "path", "required": True},
        "phase": {"type": "str"},
        "decided": {"type": "dict", "default": {}},
        "joining": {"type": "list", "elements": "dict", "default": []},
        "variable": {"type": "str", "required": True},
        "asleep": {"type": "dict", "default": {}},
        "rate": {"type": "str", "default": DEFAULT_RATE},
        "dest": {"type": "path", "required": True},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        hostvars = task_vars["hostvars"]
        plan = load_plan(options["plan"])
        spec = plan.spec
        rate = parse_rate(str(options["rate"]))
        assumptions = Assumptions(rate, REBOOT_SECONDS, spec.verify.settle, spec.pace.download_rate)
        book = LayerBook(anchored(spec, Path(str(options["spec"])).parent), plan.targets.values())
        late = {str(entry["host"]): str(entry["variant"]) for entry in options["joining"]}
        needs = _needs(plan, {**plan.variant_of, **late}, book, options, hostvars)
        waves = [
            WaveInput(
                wave.name,
                wave.rules.soak,
                _tempo(spec, wave, len(hosts)),
                [needs[host] for host in hosts],
                wave.rules.approve,
                spread_of(plan, [needs[host] for host in hosts]),
            )
            for wave, hosts in zip(plan.waves, plan.hosts, strict=True)
        ]
        joining = [Latecomer(needs[each["host"]], each["wave"], each["on_record"]) for each in options["joining"]]
        document = plan_document(plan, forecast(waves, assumptions), options["phase"], book.troubles, joining)
        files = {
            Path(options["dest"]) / f"{spec.id}.plan.json": json.dumps(document, indent=2) + "\n",
            Path(options["dest"]) / f"{spec.id}.plan.txt": full_plan_text(document) + "\n",
        }
        paths = [str(path) for path in files]
        # Shown also when it cannot be written: to make it takes long.
        self._display.display(f"\n{plan_text(document)}")
        changed = _write(files, pretend=self._task.check_mode)
        where = "" if self._task.check_mode else f"Written to: {plain(paths[1])} and {Path(paths[0]).name}\n"
        self._display.display(where)
        return {
            "changed": changed,
            "plan_hash": plan.hash,
            "document": document,
            "files": paths,
        }


def _needs(
    plan: Plan,
    variant_of: Mapping[str, str],
    book: LayerBook,
    options: Mapping[str, Any],
    hostvars: Mapping[str, Any],
) -> dict[str, Need]:
    images = {name: book.of_target(target) for name, target in plan.targets.items() if name in variant_of.values()}
    needs = {}
    for host, variant in variant_of.items():
        known = host in hostvars
        site = _site(host, hostvars[host]) if known else None
        if host in options["decided"]:
            needs[host] = Need(host, variant, Action.DECIDED, reason=str(options["decided"][host]), site=site)
            continue
        if host in options["asleep"]:
            answer = Answer(None, reason=UNREACHABLE, message=str(options["asleep"][host]))
        else:
            answer = answer_of(hostvars[host].get(options["variable"]) if known else None)
        target = plan.targets[variant]
        needs[host] = judge(
            host,
            target,
            images[variant],
            answer,
            book.find,
            site=site,
            of_barrier=partial(_of_barrier, book, target),
        )
    return needs


def _of_barrier(book: LayerBook, target: Target, digest: str) -> tuple[Image, ...]:
    return book.of_target(target.towards(digest))


def _tempo(spec: Spec, wave: Wave, size: int) -> Tempo:
    """No more devices are risked at a time than the failure budget bears, whatever the pace."""
    pace = spec.pace
    bearable = share(wave.rules.max_failures, size) + 1 + share(pace.overshoot, size)
    return Tempo(pace.start, pace.factor, min(pace.parallel, bearable))


def _site(host: str, variables: Mapping[str, Any]) -> str | None:
    try:
        site = variables.get("bootc_site")
    except AnsibleError as error:
        raise RolloutError(
            f"The variable bootc_site of the host {host} cannot be read: {error}.",
            "Mend it in the inventory: the name of the place whose cache the device pulls through.",
            "invalid_host",
        ) from error
    return None if site is None or site == "" else str(site)


def _write(files: Mapping[Path, str], *, pretend: bool) -> bool:
    """Whether anything is new in these files, which it is in them then. Each is written as a whole or not at all."""
    news = False
    for path, content in files.items():
        try:
            if path.exists() and path.read_text(encoding="utf-8", errors="replace") == content:
                continue
            news = True
            if not pretend:
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = path.with_name(f".{path.name}.new")
                unfinished.write_text(content, encoding="utf-8")
                unfinished.replace(path)
        except OSError as error:
            raise RolloutError(
                f"The plan could not be written to {path}: {error.strerror}.",
                "Name a directory for it with `-e bootc_rollout_plan_dest=DIRECTORY`.",
                "plan_unwritable",
            ) from error
    return news
