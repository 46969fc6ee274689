"""SEND: to a handler, or straight to the broker. The hot path.

A RECEIPT for a SEND means: the bus took it, or the queue. In a transaction it means: it was checked, and is kept.
For ``/app`` it means: the handler returned and the bus took what it published. On a soft error there is no RECEIPT;
the error carries the ``receipt-id``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from stompede._types import Principal
from stompede.auth import KeyUnknown
from stompede.messaging.commands import Answer, SendCommand
from stompede.messaging.destinations import Kind
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.server.fanout.further_headers import checked_message
from stompede.server.fanout.publication import Publication
from stompede.server.handlers.routes import Route
from stompede.server.queues.temporary import REPLY_TO
from stompede.server.session import credentials, transactions
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def on_send(session: Session, event: stomp.Send) -> None:
    """Serves a SEND at once where nothing has to be waited for; else starts what waits."""
    head = event.head
    node = session.node
    try:
        if head.transaction is not None:
            _in_transaction(session, event)
            return
        if node.max_sends_per_s:
            node.check_rate(session)
        if node.send_interceptors_wait:
            _slowly(session, event)
            return
        # What `credentials.check_nowait` does for a frame without a token, in line.
        principal = session._principal
        if head.authorization is not None or (principal is not None and principal.expires_at is not None):
            principal = credentials.check_nowait(session, head.authorization)
        message = Message(event.destination, event.body, head.content_type, head.forwarded)
        route: Route | None
        if node.send_interceptors:
            outcome = _intercepted(session, head, message)
            if outcome is None:
                return
            route, message = outcome
        else:
            route = head.memo
            if route is None:
                route = node.routes.find("send", event.destination)
                if route.kind is Kind.TEMP or REPLY_TO in head.forwarded:
                    message = _addressed(session, route, message)
                else:
                    head.memo = route
        if route.problem is not None:
            raise route.refusal(route.problem)
        served = route.served
        if served is None:
            _publish(session, head, route, principal, message)
            return
        invocation = Invocation(message, session, principal, route.path)
        waits = None if route.gate is None else route.gate.check("send", invocation)
        session.doing = (head, route)
        coro = served.handler.call(invocation) if waits is None else _call_after(waits, route, invocation)
        session.busy += 1
        node.runner.start(coro, session.handler_done)
    except KeyUnknown:
        _slowly(session, event)
    except (Exception, SystemExit) as error:  # a guard that wants to end the process, too
        session.fail(error, head, event.destination)


def _intercepted(session: Session, head: stomp.Head, message: Message) -> tuple[Route, Message] | None:
    """What interceptors that need not wait make of a message, and where it goes; ``None`` where they answered it."""
    node = session.node
    command = node.interceptors.run_nowait(SendCommand(message, head.receipt), session)
    if isinstance(command, Answer):
        _answered(session, head, command.value)
        return None
    route = node.routes.find("send", command.message.destination)
    return route, _addressed(session, route, command.message)


def _publish(
    session: Session, head: stomp.Head, route: Route, principal: Principal | None, message: Message
) -> None:
    """No handler serves it: it goes to the bus, or into a queue."""
    node = session.node
    gate = route.gate
    waits = None if gate is None else gate.check("send", _invocation(session, route, principal, message))
    taken: Awaitable[None] | None
    if waits is not None:
        taken = _publish_after(session, waits, message)
    elif route.straight:
        taken = node.bus.publish(message.destination, Publication(message))
    else:
        taken = node.publisher.publish_message(message)
    if taken is None:
        if head.receipt is not None:
            session.receipt(head)
    else:
        session.doing = (head, route)
        session.run(_await(taken), lambda _, error: send_done(session, None, error))


def _addressed(session: Session, route: Route, message: Message) -> Message:
    """What an interceptor may have made of the message is checked; temporary queues of the session get the names that
    others know them by.
    """
    message = checked_message(message)
    if route.problem is None and (route.kind is Kind.TEMP or REPLY_TO in message.headers):
        return session.node.temporary.addressed(session, message)
    return message


def _invocation(session: Session, route: Route, principal: Principal | None, message: Message) -> Invocation:
    return Invocation(message, session, principal, route.path)


async def _await(taken: Awaitable[None]) -> None:
    await taken


async def _publish_after(session: Session, waits: Awaitable[None], message: Message) -> None:
    await waits
    taken = session.node.publisher.publish_message(message)
    if taken is not None:
        await taken


async def _call_after(waits: Awaitable[None], route: Route, invocation: Invocation) -> Any:
    await waits
    assert route.served is not None
    return await route.served.handler.call(invocation)


def _slowly(session: Session, event: stomp.Send) -> None:
    """The same with interceptors that are async, or with keys that must be fetched."""
    session.doing = (event.head, None)

    async def steps() -> Any:
        node = session.node
        head = event.head
        principal = await credentials.check(session, head.authorization)
        message = Message(event.destination, event.body, head.content_type, head.forwarded)
        command = await node.interceptors.run(SendCommand(message, head.receipt), session)
        if isinstance(command, Answer):
            return command
        message = command.message
        route = node.routes.find("send", message.destination)
        session.doing = (head, route)
        if route.problem is not None:
            raise route.refusal(route.problem)
        message = _addressed(session, route, message)
        invocation = _invocation(session, route, principal, message)
        waits = None if route.gate is None else route.gate.check("send", invocation)
        if waits is not None:
            await waits
        if route.served is not None:
            return await route.served.handler.call(invocation)
        taken = node.publisher.publish_message(message)
        if taken is not None:
            await taken
        return None

    session.run(steps(), lambda result, error: send_done(session, result, error))


def send_done(session: Session, result: Any, error: BaseException | None) -> None:
    """A SEND that had to wait, or a handler, is done: its result goes on, then the RECEIPT."""
    assert session.doing is not None
    head, route = session.doing
    session.doing = None
    destination = head.destination if route is None else route.destination
    if error is not None:
        session.fail(error, head, destination)
    elif isinstance(result, Answer):
        try:
            _answered(session, head, result.value)
        except Exception as failure:
            session.fail(failure, head, destination)
    else:
        try:
            served = route.served
            taken = None
            if result is not None and served is not None:
                if route.publish is not None:
                    taken = session.node.publisher.publish(route.publish, result)
                if served.reply:
                    session.reply(result, head)
        except Exception as failure:
            session.fail(failure, head, destination)
        else:
            if taken is not None:
                _receipt_later(session, head, destination, taken)
            elif head.receipt is not None:
                session.receipt(head)


def _receipt_later(
    session: Session, head: stomp.Head, destination: str | None, taken: Awaitable[None]
) -> None:
    def done(_: object, error: BaseException | None) -> None:
        if error is None:
            session.receipt(head)
        else:
            session.fail(error, head, destination)

    session.run(_await(taken), done)


def _answered(session: Session, head: stomp.Head, value: Any) -> None:
    session.reply(value, head)
    session.receipt(head)


def _in_transaction(session: Session, event: stomp.Send) -> None:
    """Checks a SEND as any other, and keeps it until COMMIT. Its RECEIPT says that it is kept."""
    head = event.head
    if not transactions.is_open(session, head):
        return

    async def steps() -> tuple[Route, Message] | Answer:
        node = session.node
        node.check_rate(session)
        principal = await credentials.check(session, head.authorization)
        message = Message(event.destination, event.body, head.content_type, head.forwarded)
        command = await node.interceptors.run(SendCommand(message, head.receipt), session)
        if isinstance(command, Answer):
            return command
        route = node.routes.find("send", command.message.destination)
        if route.problem is not None:
            raise route.refusal(route.problem)
        message = _addressed(session, route, command.message)
        waits = (
            None
            if route.gate is None
            else route.gate.check("send", _invocation(session, route, principal, message))
        )
        if waits is not None:
            await waits
        return route, message

    def done(outcome: Any, error: BaseException | None) -> None:
        if session.closed:
            return
        try:
            if error is not None:
                raise error
            if isinstance(outcome, Answer):
                _answered(session, head, outcome.value)
                return
            transactions.keep_message(session, head, *outcome)
            session.receipt(head)
        except BaseException as failure:
            transactions.spoil(session, head)
            session.fail(failure, head, event.destination)

    session.run(steps(), done)
