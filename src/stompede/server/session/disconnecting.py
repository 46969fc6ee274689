"""DISCONNECT: the client says good-bye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from stompede.messaging.commands import DisconnectCommand
from stompede.messaging.problem import Problem
from stompede.server.session import standing
from stompede.server.session.disconnects import Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.session")


def on_disconnect(session: Session, event: stomp.Disconnect) -> None:
    """Delivers what is gathered, confirms, closes. Interceptors see it; nobody can keep a client that leaves."""
    chain = session.node.interceptors
    if not chain.wants(DisconnectCommand):
        _say_goodbye(session, event)
        return

    def done(_: Any, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Problem):
            log.warning("interceptor failed on DISCONNECT", session=session.id, error=repr(error))
        _say_goodbye(session, event)

    session.run(chain.run(DisconnectCommand(headers=event.head.forwarded), session), done)


def _say_goodbye(session: Session, event: stomp.Disconnect) -> None:
    standing.drop_all(session)
    session.receipt(event.head)
    session.end(Disconnects.NORMAL.value)
