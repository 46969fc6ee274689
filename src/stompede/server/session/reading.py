"""When a session's socket is read, and when the session lets others have their turn.

One read may bring thousands of frames. Handled in one go they would keep the loop, and with it everybody else's
messages and heart-beats, for seconds. So after `FRAMES_OF_A_TURN` frames a session rests until the loop has been round
once: it is as busy as one whose handler waits, and its socket is not read while something of it is unhandled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stompede.server.session import leaving

if TYPE_CHECKING:
    from stompede.server.session.session import Session

FRAMES_OF_A_TURN: Final = 64
"""Frames of one session in one turn of the loop: about two milliseconds of the dearest ones that need no handler."""


def rest(session: Session) -> None:
    """Nothing more is handled in this turn of the loop."""
    if session.busy or session.closed:
        return
    session.busy += 1
    session.node.turns.add(session)
    if session.wire.buffered_bytes and not session.reading_paused:
        pause(session, counted=False)


def pause(session: Session, *, counted: bool) -> None:
    """The socket is not read from now on.

    Args:
        session: whose.
        counted: whether this is for the figures: the session is busy with something that waits.
    """
    session.reading_paused = True
    session.node.readers_paused += counted
    session.transport.pause_reading()
    session.wire.suspend_receiving()


def look_again(session: Session) -> None:
    """The reason why the socket is not read may be gone."""
    if session.busy or session.closed:
        return
    if session.leaving is not None:
        leaving.over(session, session.leaving)
    elif session.node.accepting and session.slowed_until is None:
        _resume(session)


def _resume(session: Session) -> None:
    session.reading_paused = False
    now = session.last_seen = session.node.now()
    session.transport.resume_reading()
    session.wire.resume_receiving(now)
    if session.connected:
        session.look_again(now + 3600)  # the client's interval counts anew; the bucket may be a minute away


def stop(session: Session) -> None:
    """The node stops: nothing more is read, and the client's silence is not held against it."""
    if not (session.closed or session.reading_paused):
        pause(session, counted=False)


def slow_down(session: Session, until: float) -> None:
    """More came than `max_inbound_bytes_per_s`: nothing is read until then."""
    session.slowed_until = until
    if not session.reading_paused:
        pause(session, counted=False)
    session.look_again(until)
