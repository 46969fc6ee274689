"""Soft errors on their way to the client, and failures on their way to the log.

A client never sees internals: an unexpected error reaches it as ``handler-failed`` with an error id, and the
log has the traceback under the same id.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

import structlog

from stompede.errors import AccessError, AuthenticationError, BusError, LimitError
from stompede.messaging.errors_to_client import ErrorHandlers, problem_body
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.wire import stomp

if TYPE_CHECKING:
    from collections.abc import Callable

    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.problem")
_LOGGED_CHARS: Final = 200


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
            case TimeoutError() if str(error).startswith("the handler did not end"):
                return Problem("unavailable", str(error))
            case _:
                return None

    def answer(
        self, session: Session, error: BaseException, head: stomp.Head, destination: str | None
    ) -> None:
        """Answers the frame that caused an error."""
        error = _sayable(error)
        try:
            outcome = self._handlers.to_problem(error)
        except Exception as failure:
            self.log_failure(session, failure, destination, "error handler failed")
            outcome = None
        if isinstance(outcome, Awaitable):
            self._answer_later(session, error, outcome, head, destination)
        else:
            self._answer(session, error, outcome or self.known(error), head, destination)

    async def answer_here(
        self, session: Session, error: BaseException, head: stomp.Head, destination: str | None
    ) -> None:
        """Like `answer`, for who can wait until it is said: the session may be busy with something else."""
        error = _sayable(error)
        try:
            outcome = self._handlers.to_problem(error)
            problem = await outcome if isinstance(outcome, Awaitable) else outcome
        except Exception as failure:
            self.log_failure(session, failure, destination, "error handler failed")
            problem = None
        self._answer(session, error, problem or self.known(error), head, destination)

    def _answer_later(
        self,
        session: Session,
        error: Exception,
        outcome: Awaitable[Problem | None],
        head: stomp.Head,
        destination: str | None,
    ) -> None:
        async def ask() -> Problem | None:
            return await outcome

        def done(problem: Any, failure: BaseException | None) -> None:
            if failure is not None:
                self.log_failure(session, failure, destination, "error handler failed")
            self._answer(session, error, problem or self.known(error), head, destination)

        session.run(ask(), done)

    def _answer(
        self,
        session: Session,
        error: Exception,
        problem: Problem | None,
        head: stomp.Head,
        destination: str | None,
    ) -> None:
        if problem is None:
            error_id = self.log_failure(session, error, destination)
            problem = Problem("handler-failed", "the server failed to handle this; its log has the details")
        else:
            error_id = self._new_id()
            # A flood is told of once a second and session, or the log would be what it fills.
            if problem.code != "rate-limited" or session.node.admission.worth_a_line(session):
                log.info(
                    "refused",
                    session=session.id,
                    code=problem.code,
                    detail=problem.detail,
                    destination=_short(destination),
                    error_id=error_id,
                )
        self._send(session, problem, destination, error_id, head.client_request_code, head.receipt)

    def tell(self, session: Session, error: Problem | AuthenticationError, destination: str | None) -> None:
        """Tells a client something that no frame of its own caused."""
        problem = error if isinstance(error, Problem) else Problem(error.code, error.detail)
        error_id = self._new_id()
        log.info(
            "told",
            session=session.id,
            code=problem.code,
            detail=problem.detail,
            destination=destination,
            error_id=error_id,
        )
        self._send(session, problem, destination, error_id, None, None)

    def _send(
        self,
        session: Session,
        problem: Problem,
        destination: str | None,
        error_id: str,
        code: str | None,
        receipt: str | None,
    ) -> None:
        self.counts[problem.code] = self.counts.get(problem.code, 0) + 1
        headers = {"error-id": error_id}
        if code is not None:
            headers["client-request-code"] = code
        if receipt is not None:
            headers["receipt-id"] = receipt
        body = problem_body(problem, destination, code, error_id)
        if (
            session.deliver_to_user(Message(self._destination, body, "application/json", headers)) == 0
            and not session.closed
        ):
            self.unheard += 1
            if not session.told_of_errors:
                session.told_of_errors = True
                log.warning(
                    "the client has not subscribed to the error destination, so it does not "
                    "learn of its errors",
                    session=session.id, destination=self._destination,
                )  # fmt: skip

    def log_failure(
        self, session: Session | None, error: BaseException, where: str | None, event: str = "handler failed"
    ) -> str:
        """Logs an unexpected error with its traceback; returns the id under which it stands there."""
        error_id = self._new_id()
        log.error(
            event,
            session=None if session is None else session.id,
            destination=where,
            error_id=error_id,
            exc_info=error,
        )
        return error_id


def _sayable(error: BaseException) -> Exception:
    """What a client may be told of; a cancellation is the node's stop, or the handler's own doing."""
    if isinstance(error, Exception):
        return error
    return Problem("unavailable", "the handler was cancelled; try again")


def _short(text: str | None) -> str | None:
    """What a client wrote, as far as a log needs it."""
    return text if text is None or len(text) <= _LOGGED_CHARS else f"{text[:_LOGGED_CHARS]}..."
