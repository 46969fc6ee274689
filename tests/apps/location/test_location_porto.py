"""The geo index against real vehicles: one night and morning of Porto's taxis.

The expected numbers come with the data set: a plain double loop over the live taxis of every minute, without
any index.
"""

import csv
import gzip
import os
from pathlib import Path

import pytest

from stompede.apps.location.geo import Fix
from stompede.apps.location.memory import MemoryGeoIndex

FIRST_MINUTE = 1_372_636_800
MINUTES = 562
EIGHT_O_CLOCK = 480

Row = tuple[int, int, float, float]


@pytest.fixture(scope="module")
def fixes() -> list[Row]:
    folder = os.environ.get("STOMPEDE_TEST_DATA")
    if not folder:
        pytest.skip("STOMPEDE_TEST_DATA does not name the folder with porto-taxi/")
    with gzip.open(Path(folder) / "porto-taxi" / "fixes.csv.gz", "rt", newline="") as file:
        return [
            (int(row["unix_s"]), int(row["taxi"]), float(row["lat"]), float(row["lon"]))
            for row in csv.DictReader(file)
        ]


async def pairs_within(index: MemoryGeoIndex[int], taxis: set[int], radius_m: float) -> set[tuple[int, int]]:
    pairs = set()
    for taxi in taxis:
        fix = await index.get(taxi)
        if fix is not None:
            for near in await index.near(fix.lat, fix.lon, radius_m, 1000):
                if near.key != taxi:
                    pairs.add((min(taxi, near.key), max(taxi, near.key)))
    return pairs


async def test_pairs_of_taxis_within_500_m_are_those_of_the_plain_loop(fixes: list[Row]) -> None:
    now = float(FIRST_MINUTE)
    index: MemoryGeoIndex[int] = MemoryGeoIndex(expire_s=30, clock=lambda: now)
    taxis = {taxi for _, taxi, _, _ in fixes}
    rows = iter(fixes)
    row = next(rows, None)
    before: set[tuple[int, int]] = set()
    pair_minutes = entries = most = 0
    for minute in range(MINUTES):
        until = FIRST_MINUTE + 60 * minute
        while row is not None and row[0] <= until:
            now = float(row[0])
            index.put_nowait(row[1], Fix(row[2], row[3], row[0]))
            row = next(rows, None)
        now = float(until)
        pairs = await pairs_within(index, taxis, 500.0)
        pair_minutes += len(pairs)
        entries += len(pairs - before)
        most = max(most, len(pairs))
        before = pairs
        if minute == EIGHT_O_CLOCK:
            assert (index.statistics().entries, len(pairs)) == (80, 72)
    assert (pair_minutes, entries, most) == (5239, 2834, 87)
