"""SUBSCRIBE and UNSUBSCRIBE.

A RECEIPT for a SUBSCRIBE means: nothing that is published from now on is missed.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from stompede._types import Principal
from stompede.auth import KeyUnknown
from stompede.messaging.commands import Answer, SubscribeCommand, UnsubscribeCommand
from stompede.messaging.destinations import Kind
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.handlers.routes import Route
from stompede.server.session import credentials, standing, suspending
from stompede.server.session.attaching import answered, attach, attach_user, wait_attached
from stompede.server.session.disconnects import Disconnects
from stompede.server.session.subscription import Subscription
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def on_subscribe(session: Session, event: stomp.Subscribe) -> None:
    """Checks and takes a subscription; waits only where a key, an interceptor, a guard or a handler must be
    waited for.
    """
    node = session.node
    known = session.subscriptions.get(event.id)
    if known is not None and not known.automatic:
        session.error_and_end(
            Disconnects.PROTOCOL, f"subscription id {event.id} is in use; ids are unique within a connection",
            receipt_id=event.head.receipt,
        )  # fmt: skip
        return
    try:
        _check_limits(session, event)
        if node.interceptors.needs_await(SubscribeCommand):
            _slowly(session, event)
            return
        principal = None
        if _proves(session, event):
            principal = credentials.check_nowait(session, event.head.authorization)
        command = _command(event)
        if node.interceptors.wants(SubscribeCommand):
            outcome = node.interceptors.run_nowait(command, session)
            if isinstance(outcome, Answer):
                _answer(session, event, event.destination, outcome.value)
                return
            command = outcome
        route = node.routes.find("subscribe", command.destination)
        invocation = _invocation(session, route, principal, command)
        waits = _check(route, invocation)
        if waits is not None or route.kind is Kind.APP:
            _finish_later(session, event, route, invocation, waits)
            return
        _take(session, event, route)
    except KeyUnknown:
        _slowly(session, event)
    except Exception as error:
        session.fail(error, event.head, event.destination)


def _check_limits(session: Session, event: stomp.Subscribe) -> None:
    settings = session.node.settings
    session.node.check_rate(session)
    if len(session.subscriptions) >= settings.max_subscriptions:
        raise Problem(
            "rate-limited",
            f"a session may have {settings.max_subscriptions} subscriptions (max_subscriptions)",
        )
    if len(event.id.encode()) > settings.max_destination_bytes:  # every MESSAGE carries it
        raise Problem(
            "too-large",
            f"a subscription id may have {settings.max_destination_bytes} bytes (max_destination_bytes)",
        )


def _proves(session: Session, event: stomp.Subscribe) -> bool:
    """Whether the frame's proof counts: a session whose token ran out may still ask to be told of its errors."""
    return event.head.authorization is not None or event.destination != session.node.prefixes.errors


def _command(event: stomp.Subscribe) -> SubscribeCommand:
    return SubscribeCommand(
        id=event.id, destination=event.destination, ack=event.ack, headers=event.head.forwarded
    )


def _check(route: Route, invocation: Invocation) -> Awaitable[None] | None:
    """The guards' word; what an awaitable says comes later."""
    if route.problem is not None:
        raise route.refusal(route.problem)
    if route.kind is Kind.USER and invocation.principal is None:
        raise Problem("login-required", f"{route.destination} belongs to a member; this session is anonymous")
    if route.gate is None:
        return None
    return route.gate.check("subscribe", invocation)


def _invocation(
    session: Session, route: Route, principal: Principal | None, command: SubscribeCommand
) -> Invocation:
    return Invocation(Message(route.asked_of, b"", None, command.headers), session, principal, route.path)


def _slowly(session: Session, event: stomp.Subscribe) -> None:
    async def steps() -> tuple[Route | Answer, Any]:
        node = session.node
        principal = None
        if _proves(session, event):
            principal = await credentials.check(session, event.head.authorization)
        command = await node.interceptors.run(_command(event), session)
        if isinstance(command, Answer):
            return command, None
        route = node.routes.find("subscribe", command.destination)
        invocation = _invocation(session, route, principal, command)
        waits = _check(route, invocation)
        if waits is not None:
            await waits
        return route, await _asked(route, invocation)

    session.run(steps(), lambda result, error: _done(session, event, result, error))


def _finish_later(
    session: Session,
    event: stomp.Subscribe,
    route: Route,
    invocation: Invocation,
    waits: Awaitable[None] | None,
) -> None:
    async def steps() -> tuple[Route, Any]:
        if waits is not None:
            await waits
        return route, await _asked(route, invocation)

    session.run(steps(), lambda result, error: _done(session, event, result, error))


async def _asked(route: Route, invocation: Invocation) -> Any:
    """What an ``@app.subscribe`` handler answers."""
    if route.served is None:
        return None
    return await route.served.handler.call(invocation)


def _done(session: Session, event: stomp.Subscribe, result: Any, error: BaseException | None) -> None:
    if session.closed:
        return
    try:
        if error is not None:
            raise error
        route, value = result
        if isinstance(route, Answer):
            _answer(session, event, event.destination, route.value)
        elif route.kind is Kind.APP:
            _answer(session, event, route.destination, value)
        else:
            _take(session, event, route)
    except BaseException as failure:
        session.fail(failure, event.head, event.destination)


def _answer(session: Session, event: stomp.Subscribe, destination: str, value: Any) -> None:
    """The one, direct answer to a SUBSCRIBE. The id stays taken until UNSUBSCRIBE."""
    encoded = None if value is None else session.node.encode(value)  # before the id is taken
    subscription = _subscription(event, destination, Kind.APP, guarded=False)
    standing.stand(session, subscription)
    if encoded is not None:
        body, content_type = encoded
        code = event.head.client_request_code
        headers = {} if code is None else {"client-request-code": code}
        session.deliver(subscription, Message(destination, body, content_type, headers))
    session.receipt(event.head)


def _subscription(event: stomp.Subscribe, destination: str, kind: Kind, *, guarded: bool) -> Subscription:
    return Subscription(event.id, destination, kind, id_given=event.id_given, ack=event.ack, guarded=guarded)


def _take(session: Session, event: stomp.Subscribe, route: Route) -> None:
    """The subscription stands; the RECEIPT follows when the bus listens for it. Nobody is there to deliver to where
    the client has left.
    """
    if session.leaving is not None:
        return
    subscription = _subscription(event, route.destination, route.kind, guarded=route.gate is not None)
    if route.kind in standing.OF_USERS:
        attached = attach_user(session, subscription)
    else:
        attached = attach(session, subscription, event.head)
    if session.closed:
        return
    standing.stand(session, subscription)
    if subscription.guarded:
        suspending.renewed(session)
    if isinstance(attached, Mapping):
        session.receipt(event.head, attached)
        answered(subscription)
        return

    def done(said: Mapping[str, str], error: BaseException | None) -> None:
        if session.closed:
            return
        if error is None:
            session.receipt(event.head, said)
            answered(subscription)
        else:
            standing.drop(session, subscription)
            session.fail(error, event.head, event.destination)

    if isinstance(attached, Future):  # somebody works on it already, and it needs no handler's place
        session.wait_for(attached, done)
    else:
        session.run(wait_attached(attached), done)


def on_unsubscribe(session: Session, event: stomp.Unsubscribe) -> None:
    """Ends a subscription. An id that is not known is no error: the SUBSCRIBE may have been refused softly."""
    subscription = session.subscriptions.get(event.id)
    node = session.node
    authorization = event.head.authorization
    if authorization is None and not node.interceptors.wants(UnsubscribeCommand):
        if subscription is not None:
            standing.drop(session, subscription)
        session.receipt(event.head)
        return
    destination = None if subscription is None else subscription.destination

    async def steps() -> None:
        if authorization is not None:
            await credentials.check(session, authorization)
        if destination is not None and node.interceptors.wants(UnsubscribeCommand):
            await node.interceptors.run(UnsubscribeCommand(id=event.id, destination=destination), session)

    def done(_: object, error: BaseException | None) -> None:
        if session.closed:
            return
        if error is not None:
            session.fail(error, event.head, destination)
            return
        if subscription is not None:
            standing.drop(session, subscription)
        session.receipt(event.head)

    session.run(steps(), done)
