# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan costs: sums, caches of sites, batches, and what is said of it."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.forecast import (
    DEFAULT_RATE,
    Action,
    Assumptions,
    Forecast,
    Need,
    Tempo,
    WaveInput,
    forecast,
    spread_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.quantities import parse_rate
from hypothesis import given
from hypothesis import strategies as st

from tests.fleet_model import digest, plan_for, small_spec

LAYERS = {"a": 1000, "b": 250, "c": 30, "d": 7}
USUAL = Assumptions(rate=100, reboot=60, settle=5)
PAIRS = Tempo(2, 1, 2)


def need(host: str, layers: str = "a", site: str | None = None, action: Action = Action.UPDATE) -> Need:
    chosen = {name: LAYERS[name] for name in layers} if action is Action.UPDATE else {}
    return Need(host, "kde", action, chosen, site=site)


needs = st.builds(
    need,
    st.text("xyz", min_size=1, max_size=3),
    st.sets(st.sampled_from(sorted(LAYERS))).map("".join),
    st.sampled_from([None, "attic", "office"]),
    st.sampled_from(Action),
)
tempos = st.builds(Tempo, st.integers(1, 9), st.integers(1, 3), st.integers(1, 9))
waves = st.builds(WaveInput, st.text("w", max_size=2), st.integers(0, 900), tempos, st.lists(needs, max_size=8))
fleets = st.lists(waves, max_size=4)
assumptions = st.builds(Assumptions, st.integers(1, 5000), st.integers(0, 300), st.integers(0, 300))


@given(fleets, assumptions)
def test_a_total_is_the_sum_over_its_waves_and_a_wave_over_its_devices(
    fleet: list[WaveInput], taken: Assumptions
) -> None:
    told = forecast(fleet, taken).as_dict()
    for key in ("bytes", "site_bytes", "seconds"):
        assert told["totals"][key] == sum(wave[key] for wave in told["waves"])
    for key, count in told["totals"]["counts"].items():
        assert count == sum(wave["counts"][key] for wave in told["waves"])
    for wave in told["waves"]:
        assert wave["bytes"] == sum(device["bytes"] for device in wave["devices"])
        assert wave["counts"]["total"] == len(wave["devices"])
        assert wave["counts"]["total"] == sum(wave["counts"][action.value] for action in Action)


@given(fleets, assumptions)
def test_caches_never_make_more_of_it_and_fetch_every_layer_once(fleet: list[WaveInput], taken: Assumptions) -> None:
    totals = forecast(fleet, taken).as_dict()["totals"]
    everyone = [each for wave in fleet for each in wave.needs]
    alone = sum(each.bytes for each in everyone if each.site is None)
    cached = {(each.site, layer): size for each in everyone if each.site for layer, size in each.layers.items()}
    assert totals["site_bytes"] == alone + sum(cached.values())
    assert totals["site_bytes"] <= totals["bytes"]


@given(fleets, assumptions)
def test_a_wave_lasts_longer_than_its_slowest_device_and_shorter_than_one_after_the_other(
    fleet: list[WaveInput], taken: Assumptions
) -> None:
    for wave in forecast(fleet, taken).waves:
        seconds = [taken.seconds(each) for each in wave.needs]
        assert max(seconds, default=0) <= wave.busy_seconds <= sum(seconds)


@given(st.lists(needs, min_size=1, max_size=8), st.integers(1, 5000))
def test_a_faster_line_never_takes_longer(wave: list[Need], rate: int) -> None:
    def seconds(rate: int) -> int:
        return forecast([WaveInput("w", 0, Tempo(1, 2, 3), wave)], Assumptions(rate, 60, 5)).waves[0].seconds

    assert seconds(rate + 1) <= seconds(rate)


def told(*wave: Need, soak: int = 0) -> Forecast:
    return forecast([WaveInput("w", soak, PAIRS, wave)], USUAL)


def test_a_batch_lasts_as_long_as_the_slowest_of_it() -> None:
    # 1000 and 30 bytes together, then 250: (10 + 65) + (3 + 65) seconds, and the soak
    assert told(need("x", "a"), need("y", "c"), need("z", "b"), soak=600).waves[0].seconds == 75 + 68 + 600


def test_who_is_not_updated_costs_nothing_and_takes_no_place_in_a_batch() -> None:
    idle = [need(action.value, action=action) for action in Action if action is not Action.UPDATE]
    (wave,) = told(need("x"), *idle, need("y")).waves
    assert (wave.bytes, wave.busy_seconds) == (2000, 75)


def test_a_wave_with_nobody_to_update_passes_without_a_soak() -> None:
    assert told(need("x", action=Action.CURRENT), soak=600).waves[0].seconds == 0


def test_a_later_wave_finds_in_the_cache_what_an_earlier_one_fetched() -> None:
    both = [WaveInput(name, 0, PAIRS, [need(name, layers, "attic")]) for name, layers in (("one", "ab"), ("two", "bc"))]
    found = forecast(both, USUAL).waves
    assert [wave.site_bytes for wave in found] == [1250, 30]
    assert [wave.bytes for wave in found] == [1250, 280]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("6250000", 6_250_000),
        (DEFAULT_RATE, 6_250_000),
        ("50M", 50_000_000),
        ("800k", 800_000),
        ("1.5G", 1_500_000_000),
    ],
)
def test_rates_are_read(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0.4", "-5M", "50 M", "50Mbit", "50m", "fast", "1e9", "nan", "M", "٣M"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(RolloutError, match=r"6\.25M") as raised:
        parse_rate(text)
    assert raised.value.reason == "invalid_rate"


@pytest.mark.parametrize(
    ("tempo", "sizes"),
    [
        (Tempo(1, 2, 4), [1, 2, 4, 3]),
        (Tempo(1, 1, 4), [1] * 10),
        (Tempo(9, 2, 4), [4, 4, 2]),
        (Tempo(3, 3, 99), [3, 7]),
    ],
)
def test_batches_grow_up_to_the_most(tempo: Tempo, sizes: list[int]) -> None:
    batches = tempo.batches(range(10))
    assert [len(batch) for batch in batches] == sizes
    assert [number for batch in batches for number in batch] == list(range(10))


def test_a_wave_lasts_at_least_as_long_as_its_downloads_are_spread() -> None:
    variants = [{"name": "kde", "image": "registry.example/os", "digest": digest("a"), "size": 1000}]
    hosts = ["d000", "d001", "d002"]
    needs = [Need(host, "kde", Action.UPDATE, {digest("1"): 10}) for host in hosts[:2]]
    needs.append(Need(hosts[2], "kde", Action.CURRENT))
    tempo, assumptions = Tempo(9, 1, 9), Assumptions(10, 0, 0)
    for pace, spread, seconds in (({"download_rate": "3"}, 667, 667), ({}, 0, 1)):
        plan = plan_for(small_spec(pace=pace, variants=variants, waves=[]), [(host, "kde") for host in hosts])
        assert spread_of(plan, needs) == spread
        (wave,) = forecast([WaveInput("rest", 0, tempo, needs, "never", spread)], assumptions).waves
        assert wave.busy_seconds == seconds
