# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is in a repository: what something kept needs stays, and one more rule never removes more."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.skorionos.bootc.plugins.module_utils._oci.graph import Graph, Node
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.retention import Fleet, Rules, decide, deletion_order
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_000_000.0
SIZE = 7
DIGESTS = [f"sha256:{number:064x}" for number in range(SIZE + 2)]
TAGS = ["latest", "stable", *(f"{variant}-v{version}" for variant in "ab" for version in (1, 2, 10))]

tags = st.lists(st.sampled_from([*TAGS, *(f"sha256-{digest[7:]}.sig" for digest in DIGESTS)]), max_size=2, unique=True)

# Small repositories show all there is; many large ones would only take time.
few = settings(max_examples=50, deadline=None)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Manifests that list earlier ones, as digests demand, and are about any; some of these are missing."""
    nodes = {}
    for number, digest in enumerate(DIGESTS[:SIZE]):
        children = draw(st.lists(st.sampled_from(DIGESTS[:number]), max_size=3, unique=True)) if number else []
        about = draw(st.lists(st.sampled_from(DIGESTS), max_size=1))
        created = draw(st.none() | st.floats(0, NOW))
        nodes[digest] = Node(
            digest, "index" if children else "image", tuple(draw(tags)), tuple(children), tuple(about), created=created
        )
    missing = draw(st.sets(st.sampled_from(DIGESTS[:SIZE]), max_size=2))
    return Graph({digest: node for digest, node in nodes.items() if digest not in missing})


rules = st.builds(
    Rules,
    tags=st.lists(st.sampled_from([*TAGS, "a-*", "*"]), max_size=2).map(tuple),
    last=st.integers(0, 3),
    younger=st.none() | st.floats(0, NOW),
    digests=st.dictionaries(st.sampled_from(DIGESTS), st.just("a file"), max_size=2),
)
fleets = st.builds(
    Fleet,
    digests=st.dictionaries(st.sampled_from(DIGESTS), st.just(("deck (booted)",)), max_size=2),
    follows=st.dictionaries(st.sampled_from(TAGS), st.just(("deck",)), max_size=1),
)


def kept(graph: Graph, wanted: Rules, fleet: Fleet) -> set[str]:
    return {decision.node.digest for decision in decide(graph, wanted, fleet, NOW) if decision.kept}


@few
@given(graphs(), rules, fleets)
def test_what_something_kept_needs_stays(graph: Graph, wanted: Rules, fleet: Fleet) -> None:
    stays = kept(graph, wanted, fleet)
    for digest, node in graph.nodes.items():
        if digest in stays:
            assert {child for child in node.children if child in graph.nodes} <= stays
            assert {subject for subject in node.subjects if subject in graph.nodes} <= stays
        if set(node.subjects) & stays:
            assert digest in stays


@few
@given(graphs(), rules, fleets)
def test_what_devices_have_stays(graph: Graph, wanted: Rules, fleet: Fleet) -> None:
    stays = kept(graph, wanted, fleet)
    assert set(fleet.digests) & set(graph.nodes) <= stays
    assert {node.digest for node in graph.nodes.values() if set(node.tags) & set(fleet.follows)} <= stays


@few
@given(graphs(), rules, rules, fleets, fleets)
def test_one_more_rule_never_removes_more(
    graph: Graph, wanted: Rules, more: Rules, fleet: Fleet, others: Fleet
) -> None:
    ages = [age for age in (wanted.younger, more.younger) if age is not None]
    both = replace(
        wanted,
        tags=wanted.tags + more.tags,
        last=max(wanted.last, more.last),
        younger=max(ages, default=None),
        digests={**wanted.digests, **more.digests},
    )
    everybody = Fleet({**fleet.digests, **others.digests}, {**fleet.follows, **others.follows})
    assert kept(graph, wanted, fleet) <= kept(graph, both, everybody)


@few
@given(graphs(), rules, fleets, st.randoms(use_true_random=False))
def test_the_order_in_which_things_were_read_is_no_matter(graph, wanted, fleet, random) -> None:
    shuffled = list(graph.nodes.items())
    random.shuffle(shuffled)
    again = Graph(dict(shuffled))
    decisions = decide(graph, wanted, fleet, NOW)
    assert [(x.node.digest, x.kept) for x in decisions] == [
        (x.node.digest, x.kept) for x in decide(again, wanted, fleet, NOW)
    ]
    assert deletion_order(decisions) == deletion_order(decide(again, wanted, fleet, NOW))


@few
@given(graphs(), rules, fleets)
def test_wherever_a_deletion_stops_no_index_lists_what_it_deleted(graph: Graph, wanted: Rules, fleet: Fleet) -> None:
    order = [decision.node.digest for decision in deletion_order(decide(graph, wanted, fleet, NOW))]
    place = {digest: number for number, digest in enumerate(order)}
    assert len(place) == len(graph.nodes) - len(kept(graph, wanted, fleet))
    for child, parents in graph.parents().items():
        if child in place:
            assert all(place[parent] < place[child] for parent in parents)
