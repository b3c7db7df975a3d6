# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share and what updates cost: known numbers, and what must hold for any."""

from __future__ import annotations

from itertools import permutations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.sharing import (
    Image,
    Layer,
    Sharing,
    image_of,
    sharing,
    traffic,
    update,
)
from hypothesis import given
from hypothesis import strategies as st

GB = 10**9
MB = 10**6


def image(name: str, **layers: int) -> Image:
    return Image(name, tuple(Layer(digest, size, f"content of {digest}") for digest, size in layers.items()))


def planned() -> list[Image]:
    """The desktops as SkorionOS planned them: a base of 8 GB with 2, 2.5 and 1 GB on top."""
    return [
        image("kde", base=8 * GB, kde=2 * GB),
        image("gnome", base=8 * GB, gnome=2 * GB + GB // 2),
        image("hyprland", base=8 * GB, hyprland=GB),
    ]


def measured() -> list[Image]:
    """The same as they were built, uncompressed."""
    base = {"minimal": 2000 * MB, "base": 4620 * MB}
    return [
        image("kde", **base, kde=1870 * MB),
        image("gnome", **base, gnome=1180 * MB),
        image("hyprland", **base, hyprland=1570 * MB),
    ]


def numbers(found: Sharing) -> tuple[int, int, int, int]:
    return found.naive // MB, found.unique // MB, found.saved // MB, found.saved_permille


def test_the_planned_desktops_need_13_5_gb_instead_of_29_5():
    assert numbers(sharing(planned())) == (29_500, 13_500, 16_000, 542)


def test_the_built_desktops_save_as_much():
    assert numbers(sharing(measured())) == (24_480, 11_240, 13_240, 540)


def test_publishing_the_base_too_costs_nothing():
    assert numbers(sharing([*planned(), image("base", base=8 * GB)])) == (37_500, 13_500, 24_000, 640)


def test_exclusive_and_shared_bytes_of_each_image():
    parts = {part.name: (part.exclusive / GB, part.shared / GB) for part in sharing(planned()).parts}
    assert parts == {"kde": (2, 8), "gnome": (2.5, 8), "hyprland": (1, 8)}


def release(*replaced: str) -> Image:
    """KDE with 10 GB in layers: those in ``replaced`` differ from the first release."""
    sizes = {"base": 8 * GB, "desktop": 3 * GB // 2, "config": GB // 2}
    return image("kde", **{f"{name}-new" if name in replaced else name: size for name, size in sizes.items()})


def test_an_update_of_one_small_layer_is_500_mb_instead_of_10_gb():
    found = update([release()], release("config"))
    assert (found.download, found.total, found.download_permille) == (500 * MB, 10 * GB, 50)
    assert (found.added, found.removed, found.freed) == (1, 1, 500 * MB)
    assert traffic(found.download, 15 * MB, devices=1, sites=1).seconds == 34


def test_a_skipped_release_costs_what_the_device_lacks_and_no_more():
    found = update([release()], release("desktop", "config"))
    assert (found.download, found.download_permille) == (2 * GB, 200)
    assert traffic(found.download, 15 * MB, devices=1, sites=1).seconds == 134


def test_what_the_rollback_image_has_is_not_fetched_again():
    assert update([release(), release("desktop")], release("desktop", "config")).download == 500 * MB


def test_a_layer_compressed_anew_is_fetched_by_digest_and_not_by_content():
    before = Image("v1", (Layer("gzip", 10, "same"),))
    after = Image("v2", (Layer("zstd", 8, "same"), Layer("unknown", 3)))
    found = update([before], after)
    assert (found.download, found.download_by_content) == (11, 3)


def test_layers_of_unknown_content_are_not_taken_for_each_other():
    found = update([Image("v1", (Layer("a", 10),))], Image("v2", (Layer("b", 10),)))
    assert found.download_by_content == 10


def test_many_devices_with_and_without_a_cache():
    found = traffic(500 * MB, 15 * MB, devices=1000, sites=20)
    assert (found.fleet_bytes, found.cached_bytes) == (500 * GB, 10 * GB)
    assert (found.fleet_seconds, found.cached_seconds) == (33_334, 667)


def test_there_are_no_more_caches_than_devices():
    assert traffic(10, 1, devices=2, sites=5).cached_bytes == 20


@pytest.mark.parametrize(("rate", "devices"), [(0, 1), (-1, 1), (1, -1)])
def test_impossible_rates_and_fleets_are_refused(rate: int, devices: int):
    with pytest.raises(ValueError, match=r"."):
        traffic(10, rate, devices, 1)


def test_nothing_shares_nothing():
    assert numbers(sharing([])) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "config", [{}, {"rootfs": None}, {"rootfs": {"diff_ids": ["one"]}}, {"rootfs": {"diff_ids": [1, {}]}}]
)
def test_a_configuration_that_does_not_fit_its_layers_says_nothing_of_their_content(config: dict[str, object]):
    assert [layer.diff_id for layer in image_of("x", [("a", 1), ("b", 2)], config).layers] == ["", ""]


def test_a_configuration_names_the_content_of_each_layer():
    found = image_of("x", [("a", 1), ("b", 2)], {"rootfs": {"diff_ids": ["c", "d"]}})
    assert [(layer.digest, layer.diff_id) for layer in found.layers] == [("a", "c"), ("b", "d")]


SIZES = {letter: 3**index for index, letter in enumerate("abcdefgh")}
LAYERS = st.lists(st.sampled_from("abcdefgh"), max_size=10).map(
    lambda names: tuple(Layer(name, SIZES[name], name.upper()) for name in names)
)
IMAGES = st.lists(LAYERS, max_size=5).map(lambda sets: [Image(f"image-{at}", layers) for at, layers in enumerate(sets)])
IMAGE = LAYERS.map(lambda layers: Image("wanted", layers))


@given(IMAGES)
def test_keeping_each_layer_once_never_costs_more(images: list[Image]):
    found = sharing(images)
    largest = max((part.size for part in found.parts), default=0)
    assert largest <= found.unique <= found.naive == sum(part.size for part in found.parts)
    assert 0 <= found.saved_permille <= 1000
    assert sum(part.exclusive for part in found.parts) <= found.unique
    for part in found.parts:
        assert part.exclusive + part.shared == part.size


@given(IMAGES.filter(lambda images: len(images) < 5))
def test_the_order_of_images_does_not_matter(images: list[Image]):
    expected = sharing(images)
    for order in permutations(images):
        found = sharing(order)
        assert (found.naive, found.unique) == (expected.naive, expected.unique)
        assert set(found.parts) == set(expected.parts)


@given(IMAGES, IMAGE)
def test_another_image_adds_to_the_store_what_a_device_with_the_others_would_fetch(images: list[Image], wanted: Image):
    assert sharing([*images, wanted]).unique == sharing(images).unique + update(images, wanted).download


@given(IMAGES, IMAGE)
def test_an_update_fetches_no_more_than_the_image_and_nothing_when_it_is_there(images: list[Image], wanted: Image):
    found = update(images, wanted)
    assert 0 <= found.download_by_content <= found.download <= found.total
    assert found.reused + found.download == found.total
    assert update([*images, wanted], wanted).download == 0
    assert update([], wanted).download == wanted.size


@given(IMAGES, IMAGE, IMAGE)
def test_who_has_more_fetches_no_more(images: list[Image], other: Image, wanted: Image):
    assert update([*images, other], wanted).download <= update(images, wanted).download


@given(IMAGE, IMAGE, IMAGE)
def test_skipping_a_release_never_costs_more_than_taking_every_step(first: Image, second: Image, third: Image):
    steps = update([first], second).download + update([second], third).download
    assert update([first], third).download <= steps
