# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs of a tree are built when what lies below them is, at more than one step."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.inputs import HASH_LABEL, InputHash
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.jobs import PARENT_LABEL, Job
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.tree import REGISTRY, STORAGE, Copy, decide

PARENTS = {"base": None, "mid": "base", "kde": "mid", "gnome": "base"}


def job(name: str, *, wanted: bool) -> Job:
    return Job(
        node=name,
        image=name,
        parent=PARENTS[name],
        base=None,
        containerfile=Path(),
        context=Path(),
        parent_is_argument=True,
        text="",
        build_args={},
        labels={},
        annotations={},
        platform=None,
        wanted=wanted,
        published=(),
        hashed=InputHash(name, {}),
    )


def copy(name: str, on: str | None, place: str = STORAGE, *, lasting: bool = False) -> Copy:
    labels = {HASH_LABEL: name, **({PARENT_LABEL: on} if on else {})}
    return Copy(place, name, f"id of {name}", labels, None, lasting)


def built(*there: Copy, wanted: tuple[str, ...] = ("kde", "gnome")) -> list[str]:
    jobs = [job(name, wanted=name in wanted) for name in PARENTS]
    return [step.job.image for step in decide(jobs, {one.reference: [one] for one in there}) if step.reasons]


KDE = copy("kde", "id of mid")
MID = copy("mid", "id of base")
GNOME = copy("gnome", "id of base")


def test_what_is_on_a_parent_that_is_built_anew_is_built_at_any_distance():
    assert built(MID, KDE) == ["base", "mid", "kde", "gnome"]
    assert built(KDE) == ["base", "mid", "kde", "gnome"]


def test_what_an_earlier_run_left_on_an_old_base_is_built():
    old = copy("mid", "id of the base before")
    assert built(copy("base", None), old, KDE, GNOME) == ["mid", "kde"]


@pytest.mark.parametrize(("lasting", "expected"), [(False, ["kde"]), (True, [])])
def test_what_means_one_image_for_ever_is_taken_whatever_its_parent_is_now(lasting, expected):
    mid = copy("mid", "id of the base before", REGISTRY, lasting=True)
    kde = copy("kde", "id of the mid before", REGISTRY, lasting=lasting)
    gnome = copy("gnome", "id of base", REGISTRY)
    assert built(copy("base", None, REGISTRY), mid, kde, gnome) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((KDE, GNOME), []),
        ((copy("base", None), MID, KDE, GNOME), []),
        # What is published is not on what storage has.
        ((MID, copy("kde", "id of mid", REGISTRY)), ["base", "gnome"]),
        ((copy("base", None), copy("mid", "id of the base before"), copy("kde", "x", REGISTRY), GNOME), []),
    ],
    ids=["nothing-below", "all-there", "published", "published-over-old"],
)
def test_nothing_is_built_that_need_not_be(there, expected):
    assert built(*there) == expected
