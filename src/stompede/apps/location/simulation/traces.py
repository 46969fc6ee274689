"""Recorded movement: CSV and GPX files, plain or gzipped, and how they are played again.

A CSV file has a header line. Its columns are known by any of these names, in any case and order; other
columns are ignored:

- time, as seconds or milliseconds of the Unix epoch or as ISO 8601: ``unix_s``, ``time``, ``timestamp``,
  ``datetime``, ``epoch``, ``at``, ``t``
- who; without such a column the file is one rider's: ``id``, ``rider``, ``rider_id``, ``riderId``, ``taxi``,
  ``taxi_id``, ``vehicle``, ``vehicle_id``, ``device``, ``device_id``, ``user``, ``user_id``
- latitude in degrees: ``lat``, ``latitude``, ``y``
- longitude in degrees: ``lon``, ``lng``, ``long``, ``longitude``, ``x``

Where every ``who`` of the first file is a whole number, it is the rider id; else riders are numbered on in
the order of their first fix. A GPX file has one rider per track (``trk``); a point without a time is an
error, since it could not be played.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Final, NamedTuple, cast, final

from stompede.apps.location.messages import WorkStatus, moment
from stompede.apps.location.positions import MAX_RIDER_ID, check_position

from .gpx import read_gpx
from .rider import Step

MAX_TRACE_BYTES: Final = 256 * 1024 * 1024
"""Most bytes of one trace file after unpacking: a gzip bomb must not fill the memory."""

MAX_FIXES: Final = 2_000_000
"""Most fixes of all trace files together."""

_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "time": frozenset({"unix_s", "time", "timestamp", "datetime", "epoch", "at", "t"}),
    "who": frozenset(
        {"id", "rider", "rider_id", "riderid", "taxi", "taxi_id", "vehicle", "vehicle_id"}
        | {"device", "device_id", "user", "user_id"}
    ),
    "lat": frozenset({"lat", "latitude", "y"}),
    "lon": frozenset({"lon", "lng", "long", "longitude", "x"}),
}


class TraceError(ValueError):
    """A trace file cannot be played; the sentence names the file, the line and what is wrong."""


class TraceFix(NamedTuple):
    """Who was where, when: seconds of the Unix epoch, degrees."""

    at: float
    who: str
    lat: float
    lon: float


@final
class Track:
    """One rider's fixes in the order of time.

    Args:
        rider_id: who.
        fixes: at least one, sorted by time.
    """

    __slots__ = ("fixes", "rider_id")

    def __init__(self, rider_id: int, fixes: Sequence[TraceFix]) -> None:
        self.rider_id: Final = rider_id
        self.fixes: Final = fixes

    def steps(self, start: float, length_s: float, *, speed: float, loop: bool) -> Iterator[Step]:
        """The rider's reports: INIT, then WORKING.

        Args:
            start: the time of the recording that is played first, seconds of the Unix epoch.
            length_s: seconds of recorded time after which a looped recording begins again.
            speed: how much faster than recorded it is played.
            loop: play again and again; else once.
        """
        turn = 0
        while True:
            for number, fix in enumerate(self.fixes):
                status = WorkStatus.WORKING if number else WorkStatus.INIT
                yield Step((turn * length_s + fix.at - start) / speed, status, fix.lat, fix.lon)
            if not loop:
                return
            turn += 1


@final
class Recording:
    """All tracks of one or more trace files.

    Args:
        tracks: at least one.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.tracks: Final = tracks
        self.start: Final = min(track.fixes[0].at for track in tracks)
        self.length_s: Final = max(track.fixes[-1].at for track in tracks) - self.start

    def steps(self, *, speed: float, loop: bool) -> dict[int, Iterator[Step]]:
        """The reports of every rider, by rider id; all on one time line that begins with the first fix."""
        # A second more, so that the last fix of one turn and the first one of the next do not fall together.
        length_s = self.length_s + 1.0
        return {
            track.rider_id: track.steps(self.start, length_s, speed=speed, loop=loop) for track in self.tracks
        }


def read_traces(paths: Sequence[Path], *, most_riders: int | None = None) -> Recording:
    """Read trace files.

    Args:
        paths: CSV or GPX files, plain or gzipped; which of them a file is, its content says.
        most_riders: keep only the riders with the smallest ids.

    Raises:
        TraceError: a file cannot be read, is too large, or is neither.
    """
    by_rider: dict[int, list[TraceFix]] = {}
    count = 0
    for path in paths:
        fixes = _read_file(path)
        count += len(fixes)
        if count > MAX_FIXES:
            raise TraceError(f"{path}: the traces have more than {MAX_FIXES:,} fixes")
        numbers = _numbers(fixes, first=max(by_rider, default=0) + 1)
        for fix in fixes:
            by_rider.setdefault(numbers[fix.who], []).append(fix)
    kept = sorted(by_rider)[:most_riders]
    return Recording([Track(rider_id, sorted(by_rider[rider_id], key=itemgetter(0))) for rider_id in kept])


def _numbers(fixes: Sequence[TraceFix], first: int) -> dict[str, int]:
    names = dict.fromkeys(fix.who for fix in fixes)
    if first == 1 and all(_is_rider_id(name) for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names, first)}


def _is_rider_id(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20 and int(name) <= MAX_RIDER_ID


def _read_file(path: Path) -> list[TraceFix]:
    try:
        content = _read_bytes(path)
        is_xml = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        fixes = _read_gpx(content) if is_xml else _read_csv(content)
    except TraceError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, csv.Error) as error:
        raise TraceError(f"{path}: {error}") from error
    if not fixes:
        raise TraceError(f"{path}: no fixes in it")
    return fixes


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
        content = file.read(MAX_TRACE_BYTES + 1)
    if len(content) > MAX_TRACE_BYTES:
        raise TraceError(f"{path}: larger than {MAX_TRACE_BYTES // 1024 // 1024} MiB unpacked")
    return content


def _read_gpx(content: bytes) -> list[TraceFix]:
    return [
        _fix(point.time, str(point.track), point.lat, point.lon, where=f"line {point.line}")
        for point in read_gpx(content)
    ]


def _read_csv(content: bytes) -> list[TraceFix]:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    header = [name.strip().lower() for name in next(rows, [])]
    time, lat, lon = (_column(header, what) for what in ("time", "lat", "lon"))
    who = _column(header, "who") if _COLUMNS["who"].intersection(header) else None
    fixes: list[TraceFix] = []
    for row in rows:
        if not row:
            continue
        where = f"line {rows.line_num}"
        if len(row) < len(header):
            raise ValueError(f"{where}: {len(row)} values for {len(header)} columns")
        name = "1" if who is None else row[who].strip()
        fixes.append(_fix(row[time], name, row[lat], row[lon], where=where))
        if len(fixes) > MAX_FIXES:
            raise ValueError(f"more than {MAX_FIXES:,} fixes")
    return fixes


def _column(header: Sequence[str], what: str) -> int:
    found = [number for number, name in enumerate(header) if name in _COLUMNS[what]]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(_COLUMNS[what]))
    problem = "several columns" if found else "no column"
    raise ValueError(
        f"{problem} for {what} in the header {','.join(header)[:200]!r}; it may be one of {names}"
    )


def _fix(time: str, who: str, lat: str, lon: str, *, where: str) -> TraceFix:
    try:
        fix = TraceFix(_time(time.strip()), who, float(lat), float(lon))
        check_position(fix.lat, fix.lon)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {error}") from error
    return fix


def _time(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return moment(datetime.fromisoformat(text), 0.0, float("inf"))
    if not 0.0 <= number <= 1e13:
        raise ValueError(f"time {text} is out of range")
    return moment(number, 0.0, float("inf"))
