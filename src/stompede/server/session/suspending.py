"""What becomes of subscriptions when a token runs out, and when there is a new one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from stompede.messaging.destinations import Kind
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.session import standing
from stompede.server.session.attaching import answered, attach, wait_attached
from stompede.server.session.subscription import Subscription

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def renewed(session: Session) -> None:
    """The session's proof is new, or has begun to matter: counts its time anew and takes up what was
    suspended.
    """
    principal = session.principal
    if principal is None or principal.expires_at is None:
        session.credentials_deadline = None
    elif any(subscription.guarded for subscription in session.subscriptions.values()):
        node = session.node
        left_s = principal.expires_at - node.unix_now() + node.settings.token_grace_s
        session.credentials_deadline = node.now() + left_s
        session.look_again(session.credentials_deadline)
    if principal is None or principal.expires_at is None or session.node.unix_now() < principal.expires_at:
        for subscription in session.subscriptions.values():
            if subscription.suspended:
                _resume(session, subscription)


def suspend_guarded(session: Session) -> None:
    """The token ran out and its grace is over: guarded destinations are delivered no more, and the client is
    told.
    """
    for subscription in list(session.subscriptions.values()):  # telling may end a slow session
        if session.closed:
            return
        if subscription.guarded and not subscription.suspended and subscription.kind is not Kind.APP:
            subscription.suspended = True
            if subscription.source is not None:
                subscription.source.drop(session, subscription)
            if session.node.presence is not None:
                session.node.presence.dropped(subscription)
            session.node.problems.tell(
                session,
                Problem(
                    "token-expired",
                    "the session's token has expired: nothing more comes from here until a frame "
                    "brings a new one",
                ),
                subscription.destination,
            )


def _resume(session: Session, subscription: Subscription) -> None:
    """Asks the guards again, since what they said may no longer hold, and delivers again."""
    route = session.node.routes.find("subscribe", subscription.destination)
    invocation = Invocation(Message(route.asked_of, b""), session, session.principal, route.path)

    async def ask() -> None:
        if route.gate is not None:
            waits = route.gate.check("subscribe", invocation)
            if waits is not None:
                await waits

    def done(_: object, error: BaseException | None) -> None:
        if session.closed or not subscription.suspended or not standing.stands(session, subscription):
            return
        if error is not None:
            _end(session, subscription, error)
            return
        subscription.suspended = False
        if subscription.kind not in standing.OF_USERS:
            _attach_again(session, subscription)

    # From the loop: a token may be proved from within a task, and handlers are started outside of any.
    session.node.call_soon(lambda: session.node.runner.start(ask(), done))


def _attach_again(session: Session, subscription: Subscription) -> None:
    def done(_: object, error: BaseException | None) -> None:
        if error is None:
            answered(subscription)
        elif session.closed or subscription.suspended or not standing.stands(session, subscription):
            _why(session, subscription, error)  # an unexpected error is logged all the same
        else:
            _end(session, subscription, error)

    try:
        attached = attach(session, subscription, None)
    except Exception as error:
        done(None, error)
        return
    if isinstance(attached, Mapping):
        done(None, None)
    else:
        session.node.call_soon(partial(session.node.runner.start, wait_attached(attached), done))


def _end(session: Session, subscription: Subscription, error: BaseException) -> None:
    """What cannot be taken up again ends, and the client is told which it is."""
    problem = _why(session, subscription, error)
    standing.drop(session, subscription)
    session.node.problems.tell(session, problem, subscription.destination, ended=subscription.id)


def _why(session: Session, subscription: Subscription, error: BaseException) -> Problem:
    problems = session.node.problems
    problem = problems.known(error)
    if problem is None:
        said = "a subscription could not be taken up again"
        problems.log_failure(session, error, subscription.destination, said)
        problem = Problem("unavailable", "the subscription could not be taken up again")
    return problem
