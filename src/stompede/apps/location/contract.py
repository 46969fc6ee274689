"""The contract of every geo index, as a suite that any implementation can run.

Derive a class in a test module, name it ``Test...``, and say how an index is made and how time passes:

    class TestMemoryGeoIndex(GeoIndexContract):
        async def make_index(self, *, expire_s, max_entries): ...
        async def pass_time(self, seconds): ...

The promises themselves are written down in `stompede.apps.location.geo`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from .geo import Fix, GeoIndex, Placed
from .positions import haversine_m

HELSINKI = (60.1699, 24.9384)


class GeoIndexContract(ABC):
    """Tests for a `GeoIndex` with whole numbers as keys; see the module for how to run them."""

    @abstractmethod
    async def make_index(self, *, expire_s: float = 60.0, max_entries: int = 1000) -> GeoIndex[int]:
        """A new, empty index."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """Let the index's clock go on."""

    async def keys_near(self, index: GeoIndex[int], lat: float, lon: float, radius_m: float) -> list[int]:
        """The keys that are near, in the order of the answer."""
        await index.flush()
        return [found.key for found in await index.near(lat, lon, radius_m, 1000)]

    async def test_what_was_put_is_found_with_its_distance_and_state(self) -> None:
        index = await self.make_index()
        fix = Fix(60.1699, 24.9384, 100.0, "WORKING")
        assert index.put_nowait(7, fix) is Placed.TAKEN
        await index.flush()
        (found,) = await index.near(60.1709, 24.9384, 200.0, 10)
        assert (found.key, found.fix.state, found.fix.at) == (7, "WORKING", 100.0)
        assert found.distance_m == pytest.approx(haversine_m(60.1709, 24.9384, 60.1699, 24.9384), abs=1.0)
        assert await index.get(7) == found.fix

    async def test_nearest_come_first_and_no_more_than_asked_for(self) -> None:
        index = await self.make_index()
        for key, step in enumerate([5, 1, 4, 2, 3]):
            index.put_nowait(key, Fix(60.0, 25.0 + step * 0.001, 1.0))
        await index.flush()
        assert [found.key for found in await index.near(60.0, 25.0, 10_000.0, 3)] == [1, 3, 4]

    async def test_a_moved_key_is_found_only_where_it_is_now(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 1.0))
        index.put_nowait(1, Fix(61.0, 25.0, 2.0))
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == []
        assert await self.keys_near(index, 61.0, 25.0, 1000.0) == [1]

    async def test_an_older_point_changes_nothing_and_says_so(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 10.0))
        assert index.put_nowait(1, Fix(61.0, 25.0, 9.5)) is Placed.OLDER
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == [1]

    async def test_the_same_time_again_is_a_correction(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 10.0))
        assert index.put_nowait(1, Fix(61.0, 25.0, 10.0)) is Placed.TAKEN
        assert await self.keys_near(index, 61.0, 25.0, 1000.0) == [1]

    async def test_a_removed_key_is_not_found_and_an_older_point_does_not_bring_it_back(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 10.0))
        assert index.remove_nowait(1, 11.0) is Placed.TAKEN
        assert index.put_nowait(1, Fix(60.0, 25.0, 10.5)) is Placed.OLDER
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == []
        assert await index.get(1) is None
        assert index.put_nowait(1, Fix(60.0, 25.0, 12.0)) is Placed.TAKEN
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == [1]

    async def test_a_removal_older_than_the_last_point_changes_nothing(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 10.0))
        assert index.remove_nowait(1, 9.0) is Placed.OLDER
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == [1]

    async def test_an_unknown_key_can_be_removed_ahead_of_its_late_points(self) -> None:
        index = await self.make_index()
        assert index.remove_nowait(1, 9.0) is Placed.TAKEN
        assert index.put_nowait(1, Fix(60.0, 25.0, 8.0)) is Placed.OLDER

    async def test_the_silent_are_not_found_and_then_forgotten(self) -> None:
        index = await self.make_index(expire_s=60.0)
        index.put_nowait(1, Fix(60.0, 25.0, 1000.0))
        index.remove_nowait(2, 1000.0)
        await self.pass_time(50.0)
        index.put_nowait(3, Fix(60.0, 25.0, 1000.0))
        assert sorted(await self.keys_near(index, 60.0, 25.0, 1000.0)) == [1, 3]
        await self.pass_time(11.0)
        assert await self.keys_near(index, 60.0, 25.0, 1000.0) == [3]
        assert await index.get(1) is None
        assert index.put_nowait(1, Fix(60.0, 25.0, 5.0)) is Placed.TAKEN
        assert index.put_nowait(2, Fix(60.0, 25.0, 5.0)) is Placed.TAKEN

    async def test_a_full_index_lets_the_most_silent_go(self) -> None:
        index = await self.make_index(max_entries=3)
        for key in (1, 2, 3):
            index.put_nowait(key, Fix(60.0, 25.0, 1.0))
            await self.pass_time(1.0)
        index.put_nowait(1, Fix(60.0, 25.0, 2.0))
        await self.pass_time(1.0)
        index.put_nowait(4, Fix(60.0, 25.0, 1.0))
        assert sorted(await self.keys_near(index, 60.0, 25.0, 1000.0)) == [1, 3, 4]

    async def test_neighbours_across_the_antimeridian_are_near(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(-17.0, 179.9995, 1.0))
        index.put_nowait(2, Fix(-17.0, -179.9995, 1.0))
        index.put_nowait(3, Fix(-17.0, 180.0, 1.0))
        index.put_nowait(4, Fix(-17.0, -180.0, 1.0))
        assert sorted(await self.keys_near(index, -17.0, 179.9996, 150.0)) == [1, 2, 3, 4]
        assert sorted(await self.keys_near(index, -17.0, -180.0, 20.0)) == [3, 4]

    async def test_a_circle_is_round_at_sixty_degrees_north(self) -> None:
        index = await self.make_index()
        lat, lon = HELSINKI
        index.put_nowait(1, Fix(lat, lon + 0.0175, 1.0))  # 968 m east, though 1.9 km by the equator's degrees
        index.put_nowait(2, Fix(lat + 0.0175, lon, 1.0))  # 1,946 m north
        assert await self.keys_near(index, lat, lon, 1000.0) == [1]
        assert await self.keys_near(index, lat, lon, 2000.0) == [1, 2]

    @pytest.mark.parametrize(
        ("lat", "lon"),
        [(90.1, 0.0), (-90.1, 0.0), (0.0, 180.1), (0.0, -180.1), (float("nan"), 0.0), (0.0, float("inf"))],
    )
    async def test_no_place_on_the_earth_is_refused(self, lat: float, lon: float) -> None:
        index = await self.make_index()
        with pytest.raises(ValueError, match="itude must lie within"):
            index.put_nowait(1, Fix(lat, lon, 1.0))
        with pytest.raises(ValueError, match="itude must lie within"):
            await index.near(lat, lon, 1.0, 1)

    async def test_a_question_without_sense_is_refused(self) -> None:
        index = await self.make_index()
        for radius_m in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="radius_m"):
                await index.near(0.0, 0.0, radius_m, 1)
        with pytest.raises(ValueError, match="limit"):
            await index.near(0.0, 0.0, 1.0, 0)

    async def test_statistics_count_what_happened(self) -> None:
        index = await self.make_index()
        index.put_nowait(1, Fix(60.0, 25.0, 2.0))
        index.put_nowait(1, Fix(60.0, 25.0, 1.0))
        index.remove_nowait(2, 1.0)
        await index.flush()
        await index.near(60.0, 25.0, 10.0, 1)
        counted = index.statistics()
        assert (counted.entries, counted.remembered) == (1, 1)
        assert (counted.taken, counted.older, counted.queries) == (2, 1, 1)
