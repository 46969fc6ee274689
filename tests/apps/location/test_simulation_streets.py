import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stompede.apps.location.positions import haversine_m
from stompede.apps.location.simulation.ride import BRAKING_MPS2, STEP_S, Ride
from stompede.apps.location.simulation.rider import MAX_NOISE_M, Step, StreetRider
from stompede.apps.location.simulation.streets import Arc, Streets, built_in_city

CITY = built_in_city()
ARCS = [arc for arcs in CITY.arcs_from for arc in arcs]
LINES = np.array([(*a, *b) for arc in ARCS for a, b in pairwise(arc.line)])
FASTEST_MPS = max(arc.speed_mps for arc in ARCS) * 1.1


def distance_to_streets_m(x: float, y: float) -> float:
    a, b = LINES[:, :2], LINES[:, 2:]
    along = b - a
    share = ((np.array([x, y]) - a) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12)
    nearest = a + along * np.clip(share, 0, 1)[:, None]
    return float(np.hypot(nearest[:, 0] - x, nearest[:, 1] - y).min())


def edge(u: int, v: int, line: list[list[float]], **properties: object) -> dict[str, object]:
    return {
        "properties": {"u": u, "v": v, "highway": "residential", "oneway": 0, **properties},
        "geometry": {"coordinates": line},
    }


A, B, C, D = [24.94, 60.17], [24.95, 60.17], [24.95, 60.175], [24.94, 60.175]


def test_the_built_in_city_has_a_kilometre_for_every_few_riders() -> None:
    assert len(CITY.nodes) > 1500
    length_m = sum(math.dist(a, b) for arc in ARCS for a, b in pairwise(arc.line))
    assert length_m > 50_000


def test_metres_and_degrees_agree_with_the_sphere() -> None:
    for node in CITY.nodes[:: len(CITY.nodes) // 20]:
        x, y = CITY.place(node)
        lat, lon = CITY.to_degrees(x, y)
        assert CITY.to_metres(lat, lon) == pytest.approx((x, y), abs=1e-6)
        middle = CITY.to_degrees(0, 0)
        assert haversine_m(*middle, lat, lon) == pytest.approx(math.hypot(x, y), rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(CITY.nodes), st.sampled_from(CITY.nodes))
def test_every_way_joins_its_arcs_and_rides_none_backwards(start: int, goal: int) -> None:
    way = CITY.quickest(start, goal)
    at = start
    for arc in way:
        assert arc.start == at
        assert arc in CITY.arcs_from[at]
        at = arc.end
    assert at == goal


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CITY.nodes), st.sampled_from(CITY.nodes))
def test_no_way_is_quicker(start: int, goal: int) -> None:
    """Against Bellman-Ford, which knows no heuristic."""
    seconds = {start: 0.0}
    changed = {start}
    while changed:
        again = set()
        for node in changed:
            for arc in CITY.arcs_from[node]:
                if seconds[node] + arc.seconds < seconds.get(arc.end, math.inf) - 1e-9:
                    seconds[arc.end] = seconds[node] + arc.seconds
                    again.add(arc.end)
        changed = again
    assert sum(arc.seconds for arc in CITY.quickest(start, goal)) == pytest.approx(seconds[goal])


def test_a_one_way_street_is_left_by_the_way_around() -> None:
    streets = Streets(
        [edge(1, 2, [A, B], oneway=1), edge(2, 3, [B, C]), edge(3, 4, [C, D]), edge(4, 1, [D, A])]
    )
    assert len(streets.quickest(0, 1)) == 1
    assert [arc.end for arc in streets.quickest(1, 0)] == [2, 3, 0]


def test_a_dead_end_against_the_one_way_is_no_destination() -> None:
    streets = Streets([edge(1, 2, [A, B]), edge(2, 3, [B, C], oneway=1)])
    assert streets.nodes == [0, 1]


def test_a_tagged_limit_counts_and_the_class_where_there_is_none() -> None:
    streets = Streets([edge(1, 2, [A, B], maxspeed_kmh=20), edge(2, 3, [B, C])])
    speeds = {arc.speed_mps for arcs in streets.arcs_from for arc in arcs}
    assert speeds == {20 / 3.6, 30 / 3.6}


def test_a_map_without_streets_is_refused() -> None:
    with pytest.raises(ValueError, match="no streets"):
        Streets([edge(1, 2, [A, B], highway="steps")])
    with pytest.raises(ValueError, match="reach each other"):
        Streets([edge(1, 2, [A, B], oneway=1)])


def straight(length_m: float, speed_mps: float) -> Arc:
    return Arc(0, 1, speed_mps, length_m / speed_mps, ((0.0, 0.0), (length_m, 0.0)))


def test_a_ride_begins_and_ends_at_rest_and_keeps_the_limit_between() -> None:
    ride = Ride([straight(500, 10)], 1.0)
    speeds = [0.0]
    while not ride.arrived:
        ride.advance(STEP_S)
        speeds.append(ride.speed_mps)
    assert max(speeds) == pytest.approx(10)
    assert speeds[-1] == 0.0
    gains = [after - before for before, after in pairwise(speeds)]
    assert max(gains) <= 1.2 * STEP_S + 1e-9
    assert min(gains[:-1]) >= -1.5 * BRAKING_MPS2 * STEP_S
    assert 500 / 10 < len(speeds) * STEP_S < 500 / 10 + 20


def test_a_right_angle_is_taken_slowly() -> None:
    ride = Ride([straight(300, 10), Arc(1, 2, 10.0, 30.0, ((300.0, 0.0), (300.0, 300.0)))], 1.0)
    near_corner = []
    while not ride.arrived:
        ride.advance(STEP_S)
        if math.dist(ride.place, (300.0, 0.0)) < 2.5:
            near_corner.append(ride.speed_mps)
    assert near_corner
    assert max(near_corner) <= 6.0


def test_time_left_over_at_the_end_is_given_back() -> None:
    ride = Ride([straight(1, 10)], 1.0)
    assert ride.advance(60.0) > 50.0
    assert ride.place == (1.0, 0.0)


@pytest.mark.parametrize("rider_id", range(8))
def test_a_rider_stays_on_the_streets_and_never_jumps(rider_id: int) -> None:
    rider = StreetRider(CITY, rider_id, seed=1)
    before = rider.place
    moved_m, stood_s = 0.0, 0
    for second in range(900):
        lat, lon = rider.received_after(1.0)
        place = rider.place
        assert math.dist(before, place) <= FASTEST_MPS * 1.05
        assert rider.speed_mps <= FASTEST_MPS
        if second % 10 == 0:
            assert distance_to_streets_m(*place) < 0.01
        assert math.dist(place, CITY.to_metres(lat, lon)) <= MAX_NOISE_M * math.sqrt(2) + 0.01
        moved_m += math.dist(before, place)
        stood_s += rider.paused
        before = place
    assert 1.5 * 900 < moved_m < 12 * 900
    assert stood_s > 0


def steps(rider_id: int, seed: int, count: int = 200) -> list[Step]:
    source = StreetRider(CITY, rider_id, seed).steps(1.0, phase_s=0.25)
    return [next(source) for _ in range(count)]


def test_the_same_seed_gives_the_same_steps_and_another_one_others() -> None:
    assert steps(1, seed=5) == steps(1, seed=5)
    assert steps(1, seed=5) != steps(1, seed=6)
    assert steps(1, seed=5) != steps(2, seed=5)


def test_a_shift_begins_with_init_and_pauses_at_stops() -> None:
    reports = steps(3, seed=2, count=600)
    assert reports[0].status.value == "INIT"
    assert {report.status.value for report in reports[1:]} == {"WORKING", "PAUSED"}
    assert [report.due_s for report in reports[:3]] == [0.25, 1.25, 2.25]


def test_a_faster_simulation_rides_farther_in_the_same_reports() -> None:
    def length_m(speed: float) -> float:
        source = StreetRider(CITY, 4, 3).steps(1.0, speed=speed)
        places = [CITY.to_metres(s.lat, s.lon) for s in (next(source) for _ in range(120))]
        return sum(math.dist(a, b) for a, b in pairwise(places))

    assert length_m(10.0) > 3 * length_m(1.0)


def test_noise_wanders_slowly() -> None:
    rider = StreetRider(CITY, 5, 1)
    errors = []
    for _ in range(300):
        lat, lon = rider.received_after(1.0)
        x, y = CITY.to_metres(lat, lon)
        errors.append((x - rider.place[0], y - rider.place[1]))
    steps_m = [math.dist(a, b) for a, b in pairwise(errors)]
    assert sum(steps_m) / len(steps_m) < 2.5
    assert 1.0 < sum(math.hypot(*error) for error in errors) / len(errors) < 8.0
