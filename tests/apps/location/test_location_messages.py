from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stompede.apps.location.messages import Commute, Point, RiderUpdate, WorkStatus, moment, utc

NOW = 1_400_000_000.0
AHEAD_S = 60.0


def decode(text: str) -> Commute:
    return msgspec.json.decode(text, type=Commute)


def test_a_report_is_read_as_riders_write_it() -> None:
    report = decode(
        '{"riderId":7,"workStatus":"INIT","data":{"x":24.94,"y":60.17},"at":"2014-05-13T16:53:20Z"}'
    )
    assert report == Commute(7, WorkStatus.INIT, Point(24.94, 60.17), utc(NOW))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"riderId": -1}, "riderId"),
        ({"riderId": 2**63}, "riderId|Integer"),
        ({"riderId": "7"}, "riderId"),
        ({"riderId": 1.5}, "riderId"),
        ({"workStatus": "SLEEPING"}, "workStatus"),
        ({"data": {"x": 180.1, "y": 0}}, r"data\.x"),
        ({"data": {"x": 0, "y": -90.1}}, r"data\.y"),
        ({"data": {"x": 0}}, "data"),
        ({"at": "yesterday"}, "at"),
        ({"at": -1}, "at"),
        ({"at": 1e14}, "at"),
    ],
)
def test_a_wrong_report_is_refused_with_the_path_of_the_field(change: dict[str, object], field: str) -> None:
    body = {"riderId": 7, "workStatus": "WORKING", "data": {"x": 1, "y": 2}, **change}
    with pytest.raises(msgspec.ValidationError, match=field):
        decode(msgspec.json.encode(body).decode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(number: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode('{"riderId":7,"workStatus":"WORKING","data":{"y":2,"x":' + number + "}}")


def test_the_largest_rider_id_is_taken() -> None:
    assert (
        decode('{"riderId":9223372036854775807,"workStatus":"DONE","data":{"x":1,"y":2}}').rider_id
        == 2**63 - 1
    )


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (None, NOW),
        (NOW - 5, NOW - 5),
        ((NOW - 5) * 1000, NOW - 5),
        (utc(NOW - 5), NOW - 5),
        (utc(NOW - 5).replace(tzinfo=None), NOW - 5),
        (utc(NOW - 5).astimezone(timezone(timedelta(hours=9))), NOW - 5),
        (NOW + AHEAD_S, NOW + AHEAD_S),
        (NOW + AHEAD_S + 1, NOW),
    ],
)
def test_times_are_understood_in_every_form(at: datetime | float | None, seconds: float) -> None:
    assert moment(at, NOW, AHEAD_S) == pytest.approx(seconds, abs=1e-6)


ZONES = [None, UTC, *(timezone(timedelta(hours=hours)) for hours in (-24 + 1 / 60, -14, 14, 24 - 1 / 60))]


@given(st.one_of(st.none(), st.floats(0, 1e13), st.datetimes(timezones=st.sampled_from(ZONES))))
@example(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))
@example(datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14))))
def test_every_time_that_decodes_can_be_published(at: datetime | float | None) -> None:
    assert utc(moment(at, NOW, AHEAD_S)).tzinfo is UTC


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_utc_has_in_the_year_0_is_the_first_there_is(written: str) -> None:
    report = decode('{"riderId":7,"workStatus":"WORKING","data":{"x":1,"y":2},"at":"' + written + '"}')
    assert utc(moment(report.at, NOW, AHEAD_S)) == datetime.min.replace(tzinfo=UTC)


def test_an_update_is_camel_case_with_its_time_in_utc() -> None:
    update = RiderUpdate(7, WorkStatus.WORKING, Point(24.94, 60.17), utc(1_372_636_853.25))
    assert msgspec.json.encode(update) == (
        b'{"riderId":7,"workStatus":"WORKING","data":{"x":24.94,"y":60.17},"at":"2013-07-01T00:00:53.250000Z"}'
    )
