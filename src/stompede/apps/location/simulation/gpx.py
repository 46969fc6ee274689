"""GPX tracks, read from a stream of XML events.

GPX files come from strangers, and XML can hurt: entities that unfold to gigabytes, or that read other files.
None of it works without a document type declaration, and GPX has none, so a file with one is refused as soon
as it begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn, final
from xml.parsers import expat


class TrackPoint(NamedTuple):
    """One ``trkpt``, as it is written; tracks are numbered from 1."""

    track: int
    lat: str
    lon: str
    time: str
    line: int


def read_gpx(content: bytes) -> list[TrackPoint]:
    """All track points of a file.

    Raises:
        ValueError: it is no GPX, has a document type declaration, or a point without a place or a time.
    """
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"no well-formed XML: {error}") from error
    return reader.points


@final
class _Reader:
    def __init__(self) -> None:
        # With a separator, names come as "namespace name": GPX 1.0 and 1.1 differ in nothing else here.
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.points: list[TrackPoint] = []
        self._path: list[str] = []
        self._track = 0
        self._place: tuple[str, str] | None = None
        self._time = ""

    def _refuse(self, *_: object) -> NoReturn:
        raise ValueError("a document type declaration has no place in GPX")

    def _start(self, full_name: str, attributes: Mapping[str, str]) -> None:
        name = full_name.rpartition(" ")[2]
        if not self._path and name != "gpx":
            raise ValueError(f"the outermost element is {name}, not gpx")
        self._path.append(name)
        if name == "trk":
            self._track += 1
        elif name == "trkpt":
            try:
                self._place = attributes["lat"], attributes["lon"]
            except KeyError as error:
                raise ValueError(f"line {self._line}: a point has no {error}") from error
            self._time = ""

    def _text(self, text: str) -> None:
        if self._path[-2:] == ["trkpt", "time"]:
            self._time += text

    def _end(self, _: str) -> None:
        if self._path.pop() == "trkpt" and self._place:
            if not self._time:
                raise ValueError(f"line {self._line}: a point has no time, so nothing can be played")
            self.points.append(TrackPoint(self._track, *self._place, self._time, self._line))

    @property
    def _line(self) -> int:
        return self.parser.CurrentLineNumber
