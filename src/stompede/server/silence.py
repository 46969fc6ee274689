"""Signs of life, both ways: heart-beats where they were agreed on, WebSocket pings where they were not; and what
has come of a message that is not whole yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stompede.server.deadlines import RESOLUTION_S
from stompede.server.disconnects import Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session import Session


def check(session: Session, now: float) -> None:
    """Sends the heart-beat that is due, and ends a session whose client is silent for too long."""
    for due in session.wire.on_deadline(now + RESOLUTION_S):  # rather a little early than late
        if due is stomp.Deadline.SEND_HEART_BEAT:
            session.node.heart_beats_out += 1
            beat = session.wire.send_heart_beat(now)
            if not session.outbox.blocked:  # what waits there is a sign of life already
                session.send_bytes(session.transport.framing.header(len(beat), True) + beat)
        elif session.transport.progressed():
            session.last_seen = now
            session.wire.note_heard(now)
        else:
            session.error_and_end(
                Disconnects.HEART_BEAT_MISSED, "the heart-beats that CONNECT promised did not come"
            )
            return
    if session.wire.expects_heart_beats or session.reading_paused:
        return
    silent = now - session.last_seen
    if silent < session.node.settings.idle_timeout_s / 2:
        return
    if session.transport.progressed():
        session.last_seen = now
    elif silent >= session.node.settings.idle_timeout_s:
        session.error_and_end(Disconnects.IDLE, "nothing came for too long")
    elif not session.outbox.blocked:
        session.transport.ping()


def next_deadline(session: Session, now: float) -> float:
    """When the session has to be looked at again."""
    if not session.connected:
        return max(session.started + session.node.settings.connect_timeout_s, now + 1)
    half_idle = session.node.settings.idle_timeout_s / 2
    when = (
        now + half_idle
        if session.wire.expects_heart_beats
        else max(session.last_seen + half_idle, now + half_idle / 2)
    )
    beat = session.wire.next_deadline()
    if beat is not None and beat - RESOLUTION_S < when:
        when = beat - RESOLUTION_S
    if session.credentials_deadline is not None and session.credentials_deadline < when:
        when = session.credentials_deadline
    return when
