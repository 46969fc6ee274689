"""Signs of life of clients: heart-beats where they were agreed on, answers to WebSocket pings where they are late or
were not agreed on; and what has come of a message that is not whole yet.

A browser runs the timers of a background tab once a minute, so the heart-beats that its page promised do not come; but
it answers pings by itself. So a client whose heart-beats are late is asked, once in a silence, and its answer counts as
one for as long as ``heart_beat_grace_s``; a page that hangs is not kept for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stompede.server.deadlines import RESOLUTION_S
from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def check(session: Session, now: float) -> None:
    """Asks a client that is silent, and ends the session of one that is silent for too long."""
    if session.reading_paused:
        return  # the silence is our own doing
    if not session.wire.patience_s:
        _check_idle(session, now)
        return
    silent_at = session.wire.silent_at()
    if silent_at is not None and now + RESOLUTION_S >= silent_at:  # rather a little early than late
        if not session.transport.progressed():
            session.error_and_end(
                Disconnects.HEART_BEAT_MISSED, "the heart-beats that CONNECT promised did not come"
            )
            return
        session.last_seen = now
        session.wire.note_heard(now)
    _doubt(session, now)


def _doubt(session: Session, now: float) -> None:
    """Asks a client whose heart-beat is late."""
    when = _doubtful_at(session)
    if when is not None and now >= when:
        session.asked = now
        if not session.outbox.blocked:
            session.transport.ping()


def _doubtful_at(session: Session) -> float | None:
    """When a client that promised to beat is asked; ``None`` where it was, or where its answer would not count."""
    life = max(session.last_seen, session.answered)
    when = life + session.wire.patience_s / 2
    grace_s = session.node.settings.heart_beat_grace_s
    return when if session.asked <= life and when < session.last_seen + grace_s else None


def answered(session: Session, now: float) -> None:
    """A ping or a pong came."""
    session.answered = now
    if now < session.last_seen + session.node.settings.heart_beat_grace_s:
        session.wire.note_heard(now)


def _check_idle(session: Session, now: float) -> None:
    silent = now - max(session.last_seen, session.answered)
    idle_s = session.node.settings.idle_timeout_s
    if silent < idle_s / 2:
        return
    if session.transport.progressed():
        session.last_seen = now
    elif silent >= idle_s:
        session.error_and_end(Disconnects.IDLE, "nothing came for too long")
    elif not session.outbox.blocked and not session.transport.ping():
        session.last_seen = now  # what is below the transport asks


def next_deadline(session: Session, now: float) -> float:
    """When the session has to be looked at again."""
    if not session.connected:
        when = max(session.started + session.node.settings.connect_timeout_s, now + 1)
    else:
        when = _next_sign(session, now)
        if session.credentials_deadline is not None and session.credentials_deadline < when:
            when = session.credentials_deadline
    if session.slowed_until is not None and session.slowed_until < when:
        when = session.slowed_until
    return when


def _next_sign(session: Session, now: float) -> float:
    half_idle = session.node.settings.idle_timeout_s / 2
    if not session.wire.patience_s:
        return max(session.last_seen, session.answered, now - half_idle / 2) + half_idle
    when = now + half_idle
    doubt = None if session.reading_paused else _doubtful_at(session)
    if doubt is not None and doubt < when:
        when = doubt
    silent_at = session.wire.silent_at()
    if silent_at is not None and silent_at - RESOLUTION_S < when:
        when = silent_at - RESOLUTION_S
    return when
