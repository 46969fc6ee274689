import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stompede.apps.location.contract import GeoIndexContract
from stompede.apps.location.geo import Fix, GeoIndex, Placed
from stompede.apps.location.memory import MemoryGeoIndex
from stompede.apps.location.positions import MAX_DISTANCE_M, haversine_m


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestMemoryGeoIndex(GeoIndexContract):
    def setup_method(self) -> None:
        self.clock = Clock()

    async def make_index(self, *, expire_s: float = 60.0, max_entries: int = 1000) -> GeoIndex[int]:
        return MemoryGeoIndex(expire_s=expire_s, max_entries=max_entries, clock=self.clock)

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds


# Everywhere, and more often where grids go wrong: poles, antimeridian, 60 degrees north, one crowded street.
lats = st.one_of(
    st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0]), st.floats(89.99, 90), st.floats(60.0, 60.01)
)
lons = st.one_of(
    st.floats(-180, 180),
    st.sampled_from([-180.0, 180.0, 0.0]),
    st.floats(179.99, 180),
    st.floats(-180, -179.99),
    st.floats(24.0, 24.02),
)
places = st.tuples(lats, lons)
radii = st.one_of(st.floats(0, 3000), st.floats(0, MAX_DISTANCE_M * 1.1))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(places, max_size=60),
    places,
    radii,
    st.integers(1, 70),
    st.sampled_from([50.0, 500.0, 20_000.0, 1_000_000.0]),
)
def test_near_is_what_a_plain_loop_finds(
    points: list[tuple[float, float]],
    centre: tuple[float, float],
    radius_m: float,
    limit: int,
    cell_m: float,
) -> None:
    index: MemoryGeoIndex[int] = MemoryGeoIndex(expire_s=60, cell_m=cell_m, clock=Clock())
    for key, (lat, lon) in enumerate(points):
        index.put_nowait(key, Fix(lat, lon, 1.0))
    found = asyncio.run(index.near(*centre, radius_m, limit))
    distances = {key: haversine_m(*centre, lat, lon) for key, (lat, lon) in enumerate(points)}
    blur = 1e-3 + radius_m * 1e-8  # the two haversines differ in their last digits, most at the antipode
    surely = {key for key, metres in distances.items() if metres <= radius_m - blur}
    perhaps = {key for key, metres in distances.items() if metres <= radius_m + blur}
    keys = [near.key for near in found]
    assert len(set(keys)) == len(keys) <= limit
    assert set(keys) <= perhaps
    assert len(keys) >= min(limit, len(surely))
    if len(keys) < limit:
        assert surely <= set(keys)
    assert [near.distance_m for near in found] == sorted(near.distance_m for near in found)
    nearest = sorted(distances.values())[: len(keys)]
    assert [near.distance_m for near in found] == pytest.approx(nearest, rel=1e-7, abs=1.0)


class Model(RuleBasedStateMachine):
    """The index against a dictionary, over any order of writes, removals and time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.index: MemoryGeoIndex[int] = MemoryGeoIndex(expire_s=60, max_entries=5, clock=self.clock)
        self.known: dict[int, tuple[float, float, Fix | None]] = {}  # key -> seen, at, fix; None when removed

    def forget_the_silent(self) -> None:
        self.known = {k: v for k, v in self.known.items() if v[0] >= self.clock.now - 60}

    def note(self, key: int, at: float, fix: Fix | None) -> None:
        self.known.pop(key, None)
        same = [k for k, (_, _, other) in self.known.items() if (other is None) == (fix is None)]
        if len(same) >= 5:
            del self.known[same[0]]
        self.known[key] = (self.clock.now, at, fix)

    @rule(key=st.integers(0, 8), at=st.integers(0, 10), place=places)
    def put(self, key: int, at: float, place: tuple[float, float]) -> None:
        self.forget_the_silent()
        fix = Fix(*place, at)
        older = key in self.known and at < self.known[key][1]
        assert self.index.put_nowait(key, fix) is (Placed.OLDER if older else Placed.TAKEN)
        if not older:
            self.note(key, at, fix)

    @rule(key=st.integers(0, 8), at=st.integers(0, 10))
    def remove(self, key: int, at: float) -> None:
        self.forget_the_silent()
        older = key in self.known and at < self.known[key][1]
        assert self.index.remove_nowait(key, at) is (Placed.OLDER if older else Placed.TAKEN)
        if not older:
            self.note(key, at, None)

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def everything_is_found_once(self) -> None:
        self.forget_the_silent()
        expected = {key: fix for key, (_, _, fix) in self.known.items() if fix is not None}
        found = asyncio.run(self.index.near(10.0, 10.0, MAX_DISTANCE_M * 1.01, 100))
        assert {near.key: near.fix for near in found} == expected
        assert len(found) == len(expected)
        assert self.index.statistics().entries == len(expected)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


async def test_slots_are_used_again_so_memory_stays_bounded() -> None:
    clock = Clock()
    index: MemoryGeoIndex[int] = MemoryGeoIndex(expire_s=10, max_entries=50, clock=clock)
    for key in range(1000):
        clock.now += 0.1
        index.put_nowait(key, Fix(60.0 + key % 7, 25.0, clock.now))
    counted = index.statistics()
    assert counted.entries == 50
    assert counted.evicted == 950
    assert len(index._keys) == 50
    assert counted.cells <= 50


def test_an_index_that_cannot_work_is_refused() -> None:
    for wrong in ({"expire_s": 0}, {"expire_s": 1, "max_entries": 0}, {"expire_s": 1, "cell_m": 0.5}):
        with pytest.raises(ValueError, match="must"):
            MemoryGeoIndex(**wrong)
