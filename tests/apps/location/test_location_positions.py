import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.apps.location.positions import (
    EARTH_RADIUS_M,
    MAX_DISTANCE_M,
    check_position,
    half_width_deg,
    haversine_m,
    haversine_many_m,
)

lats = st.floats(-90, 90)
lons = st.floats(-180, 180)


def test_a_quarter_of_the_equator_is_known() -> None:
    assert haversine_m(0, 0, 0, 90) == pytest.approx(math.pi / 2 * EARTH_RADIUS_M)
    assert haversine_m(-90, 12, 90, -100) == pytest.approx(MAX_DISTANCE_M)


def test_a_degree_of_longitude_in_helsinki_is_half_of_the_equators() -> None:
    assert haversine_m(60.17, 24.0, 60.17, 25.0) == pytest.approx(55_316, abs=20)
    assert haversine_m(0, 24.0, 0, 25.0) == pytest.approx(111_195, abs=1)


@given(lats, lons, lats, lons)
def test_distance_is_symmetric_bounded_and_the_same_in_bulk(
    lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    one = haversine_m(lat1, lon1, lat2, lon2)
    assert 0.0 <= one <= MAX_DISTANCE_M
    assert one == pytest.approx(haversine_m(lat2, lon2, lat1, lon1), abs=1e-6)
    many = haversine_many_m(lat1, lon1, np.array([lat2]), np.array([lon2]))
    assert many[0] == pytest.approx(one, rel=1e-9, abs=1e-3)


@given(lats, lons, st.floats(0, 5_000_000), st.floats(0, 2 * math.pi))
def test_the_box_around_a_circle_holds_its_rim(
    lat: float, lon: float, radius_m: float, bearing: float
) -> None:
    angle = radius_m / EARTH_RADIUS_M
    phi = math.radians(lat)
    sin_rim = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    rim_phi = math.asin(max(-1.0, min(1.0, sin_rim)))
    east = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(phi),
        math.cos(angle) - math.sin(phi) * math.sin(rim_phi),
    )
    assert abs(math.degrees(east)) <= half_width_deg(lat, radius_m) + 1e-5


@pytest.mark.parametrize("lat", [90.0001, -91, math.nan, math.inf, -math.inf])
def test_a_latitude_out_of_range_is_named(lat: float) -> None:
    with pytest.raises(ValueError, match="latitude"):
        check_position(lat, 0)


@pytest.mark.parametrize("lon", [180.0001, -181, math.nan, math.inf, -math.inf])
def test_a_longitude_out_of_range_is_named(lon: float) -> None:
    with pytest.raises(ValueError, match="longitude"):
        check_position(0, lon)
