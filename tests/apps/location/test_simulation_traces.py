import gzip
import os
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stompede.apps.location.simulation import traces
from stompede.apps.location.simulation.traces import TraceError, read_traces

GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">
 <metadata><time>2020-01-01T00:00:00Z</time></metadata>
 <trk><name>one</name><trkseg>
  <trkpt lat="60.17" lon="24.94"><ele>3</ele><time>2024-05-01T08:00:00Z</time></trkpt>
  <trkpt lat="60.18" lon="24.95"><time>2024-05-01T08:00:10.5Z</time><extensions><time>no</time></extensions></trkpt>
 </trkseg></trk>
 <trk><trkseg><trkpt lat="60.1" lon="24.9"><time>2024-05-01T11:00:05+03:00</time></trkpt></trkseg></trk>
</gpx>"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def fixes(path: Path) -> list[tuple[int, float, float, float]]:
    return [(t.rider_id, f.at, f.lat, f.lon) for t in read_traces([path]).tracks for f in t.fixes]


@pytest.mark.parametrize(
    "text",
    [
        "unix_s,taxi,trip,lat,lon\n1714550400,7,1,60.17,24.94\n",
        "Longitude,Latitude,Timestamp,Vehicle_ID\n24.94,60.17,1714550400000,7\n",
        "\ufeffid,time,y,x,altitude\r\n7,2024-05-01T08:00:00Z,60.17,24.94,12\r\n",
        'T,Lat,Lng,riderId\n\n"2024-05-01T10:00:00+02:00",60.17,24.94, 7 \n',
    ],
)
def test_columns_are_known_by_their_usual_names(tmp_path: Path, text: str) -> None:
    assert fixes(write(tmp_path, "a.csv", text)) == [(7, 1714550400.0, 60.17, 24.94)]


def test_a_packed_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(gzip.compress(b"t,lat,lon\n1,2,3\n"))
    assert fixes(path) == [(1, 1.0, 2.0, 3.0)]


def test_names_that_are_no_numbers_are_numbered_in_order_of_appearance(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "t,id,lat,lon\n5,b,1,1\n4,a,2,2\n3,b,3,3\n")
    assert fixes(path) == [(1, 3.0, 3.0, 3.0), (1, 5.0, 1.0, 1.0), (2, 4.0, 2.0, 2.0)]


def test_each_track_of_a_gpx_file_is_a_rider(tmp_path: Path) -> None:
    assert fixes(write(tmp_path, "a.gpx", GPX)) == [
        (1, 1714550400.0, 60.17, 24.94),
        (1, 1714550410.5, 60.18, 24.95),
        (2, 1714550405.0, 60.1, 24.9),
    ]


def test_riders_of_several_files_do_not_mix(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", "t,id,lat,lon\n1,7,1,1\n")
    second = write(tmp_path, "b.csv", "t,id,lat,lon\n1,7,1,1\n1,9,1,1\n")
    assert [track.rider_id for track in read_traces([first, second]).tracks] == [7, 8, 9]
    assert [track.rider_id for track in read_traces([first, second], most_riders=2).tracks] == [7, 8]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column for time"),
        ("t,lat,lon\n", "no fixes"),
        ("t,lat\n1,2\n", "no column for lon in the header 't,lat'; it may be one of lng, lon, long"),
        ("t,time,lat,lon\n1,1,2,3\n", "several columns for time"),
        ("t,lat,lon\n1,2\n", "line 2: 2 values for 3 columns"),
        ("t,lat,lon\n1,2,3\n1,91,3\n", "line 3: latitude must lie within"),
        ("t,lat,lon\n1,nan,3\n", "line 2: latitude"),
        ("t,lat,lon\nnoon,2,3\n", "line 2: Invalid isoformat string: 'noon'"),
        ("t,lat,lon\n-5,2,3\n", "line 2: time -5 is out of range"),
        ("t,lat,lon\n1,two,3\n", "line 2: could not convert"),
        ("<kml/>", "the outermost element is kml, not gpx"),
        ("<gpx><trk>", "no well-formed XML"),
        ('<gpx><trk><trkpt lat="1"/></trk></gpx>', "line 1: a point has no 'lon'"),
        ('<gpx><trk><trkpt lat="1" lon="2"/></trk></gpx>', "line 1: a point has no time"),
        ('<!DOCTYPE gpx [<!ENTITY a "b">]><gpx/>', "a document type declaration has no place in GPX"),
    ],
)
def test_what_cannot_be_played_is_refused_with_file_line_and_reason(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = write(tmp_path, "a.csv", text)
    with pytest.raises(TraceError) as refused:
        read_traces([path])
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)


def test_a_missing_or_broken_file_is_a_trace_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_traces([tmp_path / "none.csv"])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"t,lat,lon\n1,2,3\n" * 100)[:-20])
    with pytest.raises(TraceError, match=r"broken\.gz"):
        read_traces([broken])


def test_a_file_larger_than_the_bound_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MAX_TRACE_BYTES", 2 * 1024 * 1024)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"0" * 50_000_000))
    with pytest.raises(TraceError, match="larger than 2 MiB unpacked"):
        read_traces([bomb])


def test_more_fixes_than_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_FIXES", 3)
    with pytest.raises(TraceError, match="more than 3 fixes"):
        read_traces([write(tmp_path, "a.csv", "t,lat,lon\n" + "1,2,3\n" * 4)])


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: ("t,lat,lon\n" + t).encode())))
def test_any_bytes_are_read_or_refused_in_order(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    with suppress(TraceError):
        assert read_traces([path]).tracks


def test_a_recording_is_played_on_one_time_line_and_scaled(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "t,id,lat,lon\n100,1,1,1\n110,2,2,2\n120,1,3,3\n")
    played = {rider: list(steps) for rider, steps in read_traces([path]).steps(speed=10, loop=False).items()}
    assert [(s.due_s, s.status.value) for s in played[1]] == [(0.0, "INIT"), (2.0, "WORKING")]
    assert [(s.due_s, s.status.value) for s in played[2]] == [(1.0, "INIT")]


def test_a_looped_recording_goes_on_after_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "t,id,lat,lon\n100,1,1,1\n109,1,2,2\n")
    source = read_traces([path]).steps(speed=1, loop=True)[1]
    assert [(s.due_s, s.status.value) for s in islice(source, 4)] == [
        (0.0, "INIT"),
        (9.0, "WORKING"),
        (10.0, "INIT"),
        (19.0, "WORKING"),
    ]


def test_the_taxis_of_porto_can_be_played() -> None:
    folder = os.environ.get("STOMPEDE_TEST_DATA")
    if not folder:
        pytest.skip("STOMPEDE_TEST_DATA does not name the folder with porto-taxi/")
    recording = read_traces([Path(folder) / "porto-taxi" / "fixes.csv.gz"])
    assert len(recording.tracks) == 308
    assert sum(len(track.fixes) for track in recording.tracks) == 47_304
    assert (recording.start, recording.length_s) == (1_372_636_853, 33_587)
    assert recording.tracks[0].rider_id == 1
