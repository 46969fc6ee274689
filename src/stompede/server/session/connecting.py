"""CONNECT and STOMP: who connects, whether they may, and CONNECTED."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import structlog

from stompede.errors import AuthenticationError
from stompede.messaging.commands import Answer, ConnectCommand
from stompede.server.session import credentials
from stompede.server.session.disconnects import Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.session")


def on_connect(session: Session, event: stomp.Connect) -> None:
    """Checks what CONNECT proves; waits only where a login, a key or an interceptor must be waited for."""
    node = session.node
    session.headers = event.head.forwarded
    waits = node.interceptors.needs_await(ConnectCommand) or (
        event.login is not None and event.head.authorization is None
    )
    if not waits:
        try:
            credentials.check_nowait(session, event.head.authorization)
        except AuthenticationError as error:
            if type(error) is not node.key_unknown:
                _refuse(session, event, error)
                return
        else:
            try:
                if node.interceptors.wants(ConnectCommand):
                    _intercepted(session, node.interceptors.run_nowait(_command(event), session))
            except Exception as error:
                _refuse(session, event, error)
                return
            _welcome(session, event)
            return

    def done(_: object, error: BaseException | None) -> None:
        if session.closed:
            return
        if error is None:
            _welcome(session, event)
        else:
            _refuse(session, event, error)

    session.run(_connect(session, event), done)


async def _connect(session: Session, event: stomp.Connect) -> None:
    node = session.node
    if event.head.authorization is not None:
        await credentials.check(session, event.head.authorization)
    elif event.login is not None and node.authenticate is not None:
        result = node.authenticate(event.login, event.passcode or "", client_address=session.client_address)
        principal = await result if isinstance(result, Awaitable) else result
        credentials.accept(session, principal)
    if node.interceptors.wants(ConnectCommand):
        _intercepted(session, await node.interceptors.run(_command(event), session))


def _intercepted(session: Session, outcome: ConnectCommand | Answer) -> None:
    """What interceptors made of CONNECT: its headers are the session's."""
    assert isinstance(outcome, ConnectCommand)  # the chain lets nobody answer a CONNECT
    session.headers = outcome.headers


def _command(event: stomp.Connect) -> ConnectCommand:
    return ConnectCommand(host=event.host, login=event.login, headers=event.head.forwarded)


def _welcome(session: Session, event: stomp.Connect) -> None:
    node = session.node
    if session.principal is None and not node.settings.anonymous:
        _refuse(
            session,
            event,
            AuthenticationError(
                "login-required", "CONNECT needs a token or a login; anonymous sessions are not allowed here"
            ),
        )
        return
    principal = session.principal
    now = node.now()
    frame = session.wire.send_connected(
        session=session.id,
        user_name=None if principal is None else principal.name,
        now=now,
        tolerance=node.settings.heart_beat_tolerance,
    )
    assert session.wire.version is not None
    session.version = session.wire.version.value
    session.connected = True
    session.write_frame(frame)
    node.session_connected(session)
    node.heart_beats.begin(session, now)
    session.look_again(now + 3600)


def _refuse(session: Session, event: stomp.Connect, error: BaseException) -> None:
    """A refused CONNECT ends with an ERROR frame: there is no session yet whose error channel could be used."""
    problem = session.node.problems.known(error)
    if problem is None:
        error_id = session.node.problems.log_failure(session, error, "CONNECT")
        session.error_and_end(
            Disconnects.INTERNAL, "the connection could not be set up", headers={"error-id": error_id}
        )
        return
    row = Disconnects.OVERLOADED if problem.code == "unavailable" else Disconnects.LOGIN_REFUSED
    session.error_and_end(
        row, problem.detail or problem.code, receipt_id=event.head.receipt, headers={"code": problem.code}
    )
