"""Soft errors on their way to the client, and failures on their way to the log.

A client never sees internals: an unexpected error reaches it as ``handler-failed`` with an error id, and the
log has the traceback under the same id.
"""

from __future__ import annotations

import math
from asyncio import CancelledError
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from stompede._traceback import traceback_of
from stompede._types import NO_HEADERS
from stompede.errors import AccessError, AuthenticationError, BusError, LimitError
from stompede.messaging.errors_to_client import ErrorHandlers, problem_body
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.handlers.running import HandlerTimeoutError
from stompede.server.repeats import Repeats
from stompede.server.session import reading
from stompede.server.session.disconnects import Disconnects
from stompede.wire import stomp

if TYPE_CHECKING:
    from collections.abc import Callable

    from stompede.messaging.guards import Operation
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.problem")
_LOGGED_CHARS: Final = 200
ENDED_SUBSCRIPTION: Final = "ended-subscription"
"""Header of a soft error: the subscription that the server has ended. (``subscription`` is the one it comes by.)"""


class Problems:
    """Turns errors into what clients are told. One per node.

    Args:
        handlers: the application's ``@app.on_error`` functions.
        destination: the error destination of sessions.
        new_id: makes error ids.
    """

    def __init__(self, handlers: ErrorHandlers, destination: str, new_id: Callable[[], str]) -> None:
        self._handlers = handlers
        self._destination = destination
        self._new_id = new_id
        self.counts: dict[str, int] = {}
        self.unheard = 0
        self.replies_unheard = 0
        self._told_of_replies = -math.inf

    def known(self, error: BaseException) -> Problem | None:
        """The problem that an error of ours means, without asking the application."""
        match error:
            case Problem():
                return error
            case AuthenticationError(code=code, detail=detail):
                return Problem(code, detail)
            case AccessError():
                return Problem("forbidden", str(error))
            case LimitError():
                return Problem("too-large", str(error))
            case BusError():
                return Problem("unavailable", "the message could not be passed on; try again")
            case HandlerTimeoutError():
                return Problem("unavailable", str(error))
            case _:
                return None

    def answer(
        self, session: Session, error: BaseException, head: stomp.Head, destination: str | None
    ) -> None:
        """Answers the frame that caused an error."""
        error = _sayable(error)
        try:
            outcome = self._asked(error)
        except Exception as failure:
            self.log_failure(session, failure, destination, "error handler failed")
            outcome = None
        if isinstance(outcome, Awaitable):
            self._answer_later(session, error, outcome, head, destination)
        else:
            self._answer(session, error, outcome or self.known(error), head, destination)

    async def ask(self, error: BaseException) -> Problem | None:
        """What the application says of an error, for who runs this and then calls `asked`."""
        outcome = self._asked(_sayable(error))
        return await outcome if isinstance(outcome, Awaitable) else outcome

    def asked(
        self,
        session: Session,
        error: BaseException,
        head: stomp.Head,
        destination: str | None,
        problem: Problem | None,
        failure: BaseException | None,
    ) -> None:
        """Answers the frame that caused an error, when the application has said what it means, or has failed to."""
        if failure is not None:
            self.log_failure(session, failure, destination, "error handler failed")
        error = _sayable(error)
        self._answer(session, error, problem or self.known(error), head, destination)

    def _asked(self, error: BaseException) -> Awaitable[Problem | None] | Problem | None:
        """What the application says of an error."""
        return self._handlers.to_problem(error) if isinstance(error, Exception) else None

    def _answer_later(
        self,
        session: Session,
        error: BaseException,
        outcome: Awaitable[Problem | None],
        head: stomp.Head,
        destination: str | None,
    ) -> None:
        async def ask() -> Problem | None:
            return await outcome

        session.run(ask(), partial(self.asked, session, error, head, destination))

    def _answer(
        self,
        session: Session,
        error: BaseException,
        problem: Problem | None,
        head: stomp.Head,
        destination: str | None,
    ) -> None:
        if problem is None:
            error_id = self._log_failure_once(session, error, destination)
            problem = Problem("handler-failed", "the server failed to handle this; its log has the details")
        else:
            error_id = self._log("refused", session, problem, destination)
        receipt = NO_HEADERS if head.receipt is None else {"receipt-id": head.receipt}
        self._send(session, problem, destination, error_id, head.client_request_code, receipt)
        if isinstance(error, HandlerTimeoutError) and not error.ended:
            self._end_stuck(session, head, destination, error_id)

    def _end_stuck(self, session: Session, head: stomp.Head, destination: str | None, error_id: str) -> None:
        """What a session sends is handled in order; behind a handler that never ends, it would never be."""
        served = None
        if destination is not None:
            operation: Operation = "subscribe" if head.command == "SUBSCRIBE" else "send"
            served = session.node.routes.find(operation, destination).served
        log.error(
            "a handler has not ended, not even when it was cancelled; it is left behind, and its session ends",
            session=session.id,
            handler=None if served is None else served.handler.where,
            destination=_short(destination),
            error_id=error_id,
        )
        session.error_and_end(Disconnects.HANDLER_STUCK, Disconnects.HANDLER_STUCK.value.meaning)

    def tell(
        self, session: Session, problem: Problem, destination: str | None, ended: str | None = None
    ) -> None:
        """Tells a client something that no frame of its own caused.

        Args:
            session: whose client.
            problem: what.
            destination: what it is about.
            ended: id of the subscription that has ended by it.
        """
        error_id = self._log("told", session, problem, destination)
        told = NO_HEADERS if ended is None else {ENDED_SUBSCRIPTION: ended}
        self._send(session, problem, destination, error_id, None, told)

    def _send(
        self,
        session: Session,
        problem: Problem,
        destination: str | None,
        error_id: str,
        code: str | None,
        about: Mapping[str, str],
    ) -> None:
        self.counts[problem.code] = self.counts.get(problem.code, 0) + 1
        headers = {"error-id": error_id, **about}
        if code is not None:
            headers["client-request-code"] = code
        body = problem_body(problem, destination, code, error_id)
        if (
            session.deliver_to_user(Message(self._destination, body, "application/json", headers)) == 0
            and not session.closed
            and session.leaving is None
        ):
            self.unheard += 1
            if not session.told_of_errors:
                session.told_of_errors = True
                log.warning(
                    "the client has not subscribed to the error destination, so it does not "
                    "learn of its errors",
                    session=session.id, destination=self._destination,
                )  # fmt: skip

    def reply_unheard(self, session: Session) -> None:
        """A session has asked for something, and has not subscribed to where replies go."""
        if session.closed or session.leaving is not None:
            return
        self.replies_unheard += 1
        now = session.node.now()
        # Clients that only report are many, and want no answer: one line each is said, and no more than one a second.
        if not session.told_of_replies and now - self._told_of_replies >= 1:
            self._told_of_replies = now
            session.told_of_replies = True
            log.info(
                "the client has not subscribed to the replies, so it does not get the results of its requests",
                session=session.id,
                destination=session.node.prefixes.replies,
                unheard=self.replies_unheard,
            )

    def _log(self, event: str, session: Session, problem: Problem, destination: str | None) -> str:
        """Says in the log what a client is told; returns the id under which it stands there."""
        error_id, left_out = _repeats(session).line(problem.code, self._new_id(), session.node.now())
        if left_out is not None:
            log.info(
                event,
                session=session.id,
                code=problem.code,
                detail=problem.detail,
                destination=_short(destination),
                error_id=error_id,
                **_unless_none(left_out),
            )
        return error_id

    def _log_failure_once(self, session: Session, error: BaseException, destination: str | None) -> str:
        """Like `log_failure`, once a second for each kind of error that the session's frames cause."""
        reading.rest(session)  # a traceback takes as long as many frames
        kind = f"{type(error).__qualname__} {_short(destination)}"
        error_id, left_out = _repeats(session).line(kind, self._new_id(), session.node.now())
        if left_out is not None:
            _log_failure(session, error, destination, "handler failed", error_id, left_out)
        return error_id

    def log_failure(
        self, session: Session | None, error: BaseException, where: str | None, event: str = "handler failed"
    ) -> str:
        """Logs an unexpected error with its traceback; returns the id under which it stands there."""
        error_id = self._new_id()
        _log_failure(session, error, where, event, error_id, 0)
        return error_id


def _log_failure(
    session: Session | None, error: BaseException, where: str | None, event: str, error_id: str, left_out: int
) -> None:
    log.error(
        event,
        session=None if session is None else session.id,
        destination=where,
        error_id=error_id,
        exception=traceback_of(error),
        **_unless_none(left_out),
    )


def _repeats(session: Session) -> Repeats:
    if session.repeats is None:
        session.repeats = Repeats()
    return session.repeats


def _unless_none(left_out: int) -> dict[str, int]:
    """The field of a line that says how many of its kind were left out before it, where any were."""
    return {"left_out": left_out} if left_out else {}


def _sayable(error: BaseException) -> BaseException:
    """What is answered; a cancellation is the node's stop, or the handler's own doing."""
    if isinstance(error, CancelledError):
        return Problem("unavailable", "the handler was cancelled; try again")
    return error


def _short(text: str | None) -> str | None:
    """What a client wrote, as far as a log needs it."""
    return text if text is None or len(text) <= _LOGGED_CHARS else f"{text[:_LOGGED_CHARS]}..."
