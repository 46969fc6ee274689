"""The peer has said its last word. What came before it is handled all the same, in order; then the session ends.

An orderly client sends what it has to say, DISCONNECT perhaps, and closes, and what it sent may still wait behind a
handler. All of that has arrived, and is bounded by what may wait of one session. Nobody is told of it any more, except
over TCP whose other half is open; and nothing is delivered from the moment the peer has left: its subscriptions end
then, queues get back what was not acknowledged, presence sees it leave. The session itself, with its transactions and
temporary queues, ends when its last frame is handled; at once, where nothing stands behind a handler that still runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stompede.server.session import ending, standing, transactions
from stompede.server.session.disconnects import Disconnect, Disconnects

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def finished(session: Session) -> None:
    """Nothing more comes, but what is written may still be read."""
    if session.closed:
        return
    if session.busy:
        _leave(session, Disconnects.LOST.value, "")
    else:
        session.end(Disconnects.LOST.value)


def lost(session: Session, code: int | None, reason: str) -> None:
    """The connection has ended."""
    session.gone = True
    if session.closed:
        session.node.transport_gone(session)
        return
    why = Disconnects.LOST.value if code is None else Disconnects.NORMAL.value
    detail = reason if code is None else f"close code {code} {reason}".strip()
    if session.leaving is not None or (session.busy and session.wire.buffered_bytes):
        _leave(session, why, detail)
    else:
        ending.finish(session, why, detail)
    session.outbox.close()
    session.node.unblocked(session)


def _leave(session: Session, why: Disconnect, detail: str) -> None:
    if session.leaving is not None:  # both halves, one after the other
        return
    session.leaving = why, detail
    session.slowed_until = None
    session.reading_paused = True
    session.wire.suspend_receiving()
    transactions.spoil_acknowledging(session)
    standing.drop_subscriptions(session)


def over(session: Session, leaving: tuple[Disconnect, str]) -> None:
    """The last frame is handled."""
    why, detail = leaving
    session.end(why, detail=detail)
