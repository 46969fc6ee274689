"""Heart-beats to clients. Sessions whose beats fall due at the same ticks of the node's clock stand together, so that
each of the 10,000 a second that 100,000 sessions get costs hardly more than its write.

Nobody asks whether something else was written to a session meanwhile: to know it would cost every message something,
to spare a beat now and then.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final, final

import structlog

from stompede._traceback import traceback_of
from stompede.server.deadlines import RESOLUTION_S
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.fanout.outbox import Outbox
    from stompede.server.node import Node
    from stompede.server.session.session import Session
    from stompede.transports.base import Framing

log = structlog.get_logger("stompede.session")

_CROWD: Final = 500  # a newcomer need not stand with so many
_SPREAD_TICKS: Final = 40


@final
class Rhythm:
    """Sessions that get the same bytes at the same ticks.

    Args:
        node: whose sessions they are.
        framing: how their transports wrap what is written.
        period: ticks between two beats.
        phase: remainder of the number of each of their ticks, divided by ``period``.

    Attributes:
        outboxes: the ways out of the sessions.
        bucket: see `stompede.server.deadlines.Timed`.
    """

    __slots__ = ("_beat", "_node", "bucket", "framing", "outboxes", "period", "phase")

    def __init__(self, node: Node, framing: Framing, period: int, phase: int) -> None:
        self._node = node
        self._beat = framing.header(len(stomp.BEAT), True) + stomp.BEAT
        self.framing = framing
        self.period = period
        self.phase = phase
        self.outboxes: dict[Outbox, None] = {}
        self.bucket = 0

    def on_deadline(self, now: float) -> float | None:
        """Writes one beat to each. See `stompede.server.deadlines.Timed`."""
        beat = self._beat
        written = 0
        for outbox in tuple(self.outboxes):
            if not outbox.blocked:  # what waits there is a sign of life already
                try:
                    outbox.write(beat)
                    written += 1
                except Exception as error:  # costs the one, not all that beat with it
                    log.error("a heart-beat could not be written", exception=traceback_of(error))
        self._node.heart_beats_out += written
        self._node.bytes_out += written * len(beat)
        if not self.outboxes:  # the last one ended in this tick: what is being called cannot be discarded
            return None
        tick = floor(now / RESOLUTION_S)
        return (tick + self.period - (tick - self.phase) % self.period) * RESOLUTION_S


@final
class HeartBeats:
    """The rhythms of a node.

    Args:
        node: whose clock they beat by.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rhythms: dict[tuple[Framing, int, int], Rhythm] = {}

    def __len__(self) -> int:
        return len(self._rhythms)

    def begin(self, session: Session, now: float) -> None:
        """From now on a session gets the beats that it agreed on, if any."""
        after_s = session.wire.beat_after_s
        if after_s:
            framing = session.transport.framing
            period = max(1, floor(after_s / RESOLUTION_S))
            tick = self._first_tick(framing, period, floor(now / RESOLUTION_S) + period)
            key = framing, period, tick % period
            rhythm = self._rhythms.get(key)
            if rhythm is None:
                rhythm = self._rhythms[key] = Rhythm(self._node, *key)
                self._node.deadlines.add(rhythm, tick * RESOLUTION_S)
            rhythm.outboxes[session.outbox] = None
            session.rhythm = rhythm

    def _first_tick(self, framing: Framing, period: int, latest: int) -> int:
        """The last tick in time, or an earlier one: many who connect at once are not written to at once for ever."""
        for tick in range(latest, latest - min(period // 2, _SPREAD_TICKS), -1):
            rhythm = self._rhythms.get((framing, period, tick % period))
            if rhythm is None or len(rhythm.outboxes) < _CROWD:
                return tick
        return latest

    def end(self, session: Session) -> None:
        """A session has ended."""
        rhythm = session.rhythm
        if rhythm is not None:
            session.rhythm = None
            del rhythm.outboxes[session.outbox]
            if not rhythm.outboxes:
                self._node.deadlines.discard(rhythm)
                del self._rhythms[rhythm.framing, rhythm.period, rhythm.phase]
