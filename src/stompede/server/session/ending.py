"""How a session ends: what its client is told, and what is cleared away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from stompede.server.session import standing
from stompede.server.session.disconnects import Disconnect, Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.session")

_OF_TRANSPORT: Final = {
    row.code: row for row in (Disconnects.NOT_UTF8, Disconnects.NOT_TEXT, Disconnects.TOO_BIG)
}


def told(row: Disconnects) -> dict[str, str]:
    """What the headers of an ERROR frame say of the end."""
    return {"reconnect": "true" if row.reconnect else "false", "disconnect-reason": row.reason}


def on_violation(session: Session, event: stomp.Violation) -> None:
    """The client broke STOMP: says so and closes."""
    row = Disconnects.LIMIT if event.code == "limit" else Disconnects.PROTOCOL
    standing.drop_all(session)
    headers = "\n".join(f"{name}:{value}" for name, value in told(row).items())
    session.write_frame(event.error.replace(b"ERROR\n", f"ERROR\n{headers}\n".encode(), 1))
    session.end(row.value, detail=event.detail)


def on_broken(session: Session, code: int, reason: str) -> None:
    """The client broke a rule of its transport, which names the close code."""
    row = _OF_TRANSPORT.get(code, Disconnects.PROTOCOL)
    if (
        row is Disconnects.NOT_TEXT
    ):  # the client has what came before that message, and must not get what follows
        session.outbox.close()
        session.end_now(row, reason)
    elif session.connected and not session.closed:
        session.error_and_end(row, reason)
    else:
        session.end(row.value, detail=reason)


def on_failure(session: Session, error: BaseException) -> None:
    """The server failed, not the client nor a handler: the frame may be half done and has no answer. So the session
    ends, and its client, which is told, comes back.
    """
    error_id = session.node.problems.log_failure(session, error, None, "session failed")
    if session.closed:
        return
    row = Disconnects.INTERNAL
    try:
        session.error_and_end(
            row, "the server failed; its log has the details", headers={"error-id": error_id}
        )
    except Exception as failure:  # what failed before may stand in the way of its ERROR, too
        session.node.problems.log_failure(session, failure, None, "session failed")
        session.end(row.value)


def finish(session: Session, why: Disconnect, detail: str) -> None:
    """Clears away what the node has of a session, and says in the log why it ended."""
    session.closed = True
    session.ended = why
    session.reading_paused = False
    node = session.node
    node.unblocked(session)
    node.deadlines.discard(session)
    node.heart_beats.end(session)
    standing.drop_all(session)
    node.session_ended(session, why)
    if session.gone:
        node.transport_gone(session)
    principal = session.principal
    left_out = 0 if session.repeats is None else session.repeats.left_out()
    log.info(
        "session ended", session=session.id, why=why.reason, code=why.code, detail=detail or None,
        lasted_s=round(node.now() - session.started, 3),
        principal=principal.name if principal else None, address=session.client_address,
        **({"left_out": left_out} if left_out else {}),
    )  # fmt: skip
