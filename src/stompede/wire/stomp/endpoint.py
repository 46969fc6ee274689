"""What both sides of a connection have in common: the decoder, the state, heart-beats."""

from __future__ import annotations

from stompede.errors import LocalProtocolError
from stompede.wire.stomp.cache import HeadCache
from stompede.wire.stomp.events import Deadline
from stompede.wire.stomp.heartbeat import (
    BEAT,
    TOLERANCE_FACTOR,
    HeartBeat,
    beat_after,
    negotiate,
    patience,
)
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.parser import FrameDecoder
from stompede.wire.stomp.states import State, legal_commands, next_state
from stompede.wire.stomp.tables import RULES, Side

_BEATING = (State.CONNECTED, State.DISCONNECTING)
_BEAT = (Deadline.SEND_HEART_BEAT,)


class Endpoint(FrameDecoder):
    """One side of a STOMP connection.

    Bytes go in by `receive_data`; every ``send_*`` method returns the bytes of one frame and moves the state.
    Time is passed in, in seconds of any one monotonic clock.

    Attributes:
        beat_after_s: how long after the last one our next beat should be written; 0 where there are none.
        patience_s: how long the peer may be silent, as it promised to beat; 0 where it did not.
    """

    __slots__ = ("_heard", "_heart_beat", "_sent", "_suspended", "beat_after_s", "patience_s")

    def __init__(self, side: Side, limits: Limits, heart_beat: HeartBeat, cache: HeadCache | None) -> None:
        super().__init__(side, limits, cache)
        self._heart_beat = heart_beat
        self.beat_after_s = 0.0
        self.patience_s = 0.0
        self._heard = 0.0
        self._sent = 0.0
        self._suspended = False

    def receive_data(self, data: bytes, now: float) -> None:
        """Takes bytes as they came from the peer. Nothing is parsed before `next_event` asks.

        Args:
            data: any part of the stream.
            now: any octet is a sign of life.
        """
        self._heard = now
        if self._data or self._gathered is not None:
            self._feed_more(data)
        else:
            self._data = data

    def _feed_more(self, data: bytes) -> None:
        # After DISCONNECT the client says nothing more, but the server still does.
        if self.state is State.CLOSING or (self.state is State.DISCONNECTING and self._side is Side.SERVER):
            self.forget()
        else:
            self.feed(data)

    def _cross(self, command: str) -> None:
        """A frame of ours goes out.

        Raises:
            LocalProtocolError: it must not be sent now, or not by this side.
        """
        after = next_state(self.state, command)
        if after is None or RULES[command].sender is not self._side:
            legal = [each for each in legal_commands(self.state) if RULES[each].sender is self._side]
            raise LocalProtocolError(
                f"a {self._side.value} cannot send {command} while the session is {self.state.value}; "
                f"possible is {', '.join(legal) or 'nothing more'}"
            )
        self.state = after

    # Heart-beats.

    def _agree(self, theirs: HeartBeat, now: float, tolerance: float = TOLERANCE_FACTOR) -> None:
        beats_s, peer_beats_s = negotiate(self._heart_beat, theirs)
        self.beat_after_s = beat_after(beats_s)
        self.patience_s = patience(peer_beats_s, tolerance)
        self._heard = self._sent = now

    @property
    def expects_heart_beats(self) -> bool:
        """Whether the peer promised to beat, so that its silence is noticed."""
        return self.patience_s > 0

    def send_heart_beat(self, now: float) -> bytes:
        """Returns the octet that says that this side lives."""
        if self.state not in _BEATING:
            raise LocalProtocolError(f"no heart-beats while the session is {self.state.value}")
        self._sent = now
        return BEAT

    def note_sent(self, now: float) -> None:
        """Anything that was written counts as our heart-beat."""
        self._sent = now

    def note_heard(self, now: float) -> None:
        """A part of what the peer sends has come, but is not yet here to be received: any octet is a sign of life."""
        self._heard = now

    def suspend_receiving(self) -> None:
        """This side does not read the socket: from now on the peer's silence is our own doing."""
        self._suspended = True

    def resume_receiving(self, now: float) -> None:
        """The socket is read again; the peer's interval begins anew."""
        self._suspended = False
        self._heard = now

    def next_deadline(self) -> float | None:
        """When to call `on_deadline`; ``None`` for never. Traffic only moves it to a later time."""
        if self.state not in _BEATING:
            return None
        beat = self._sent + self.beat_after_s if self.beat_after_s else None
        silence = self.silent_at()
        if silence is None:
            return beat
        return silence if beat is None or silence < beat else beat

    def silent_at(self) -> float | None:
        """When the peer counts as gone if nothing comes; ``None`` for never. One part of `next_deadline`, for who sees
        to our own beats in another way.
        """
        if not self.patience_s or self._suspended or self.state is not State.CONNECTED:
            return None
        return self._heard + self.patience_s

    def on_deadline(self, now: float) -> tuple[Deadline, ...]:
        """What is due. May be called at any time.

        Returns:
            `Deadline.PEER_SILENT` alone, where the peer counts as gone; `Deadline.SEND_HEART_BEAT`; or
            nothing.
        """
        if self.state not in _BEATING:
            return ()
        silence = self.silent_at()
        if silence is not None and now >= silence:
            return (Deadline.PEER_SILENT,)
        if self.beat_after_s and now >= self._sent + self.beat_after_s:
            return _BEAT
        return ()
