"""The handlers of a transaction: they run when all else of it has taken effect, in the order of their SENDs.

They are no part of what is atomic. What a handler does cannot be undone, so it begins when nothing can be refused any
more; and its failure is a soft error about its SEND, which undoes nothing, and the next one runs all the same. The end
of the session does not stop them: COMMIT was taken. Each has the time and the place that a SEND of its own would have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, final

import msgspec

from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.handlers.routes import Route
from stompede.server.session import reading
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session


class Call(msgspec.Struct, frozen=True):
    """A SEND to a handler.

    Attributes:
        head: of the SEND.
        route: to the handler.
        message: what it gets.
    """

    head: stomp.Head
    route: Route
    message: Message


@final
class Handling:
    """Those of one transaction. The session handles nothing else until they are done.

    Args:
        session: whose they are.
        calls: in order.
        then: called when all are done.
    """

    __slots__ = ("_calls", "_going", "_session", "_then", "_waits")

    def __init__(self, session: Session, calls: Iterable[Call], then: Callable[[], None]) -> None:
        self._session = session
        self._calls = deque(calls)
        self._then = then
        self._going = False
        self._waits = False

    def go(self) -> None:
        """Runs them."""
        self._session.busy += 1
        self._go_on()

    def _go_on(self) -> None:
        """Runs them until one has to wait, others are to have their turn, or none is left."""
        if self._going:  # the last one has ended at once: the loop below goes on
            return
        self._going = True
        session, left = self._session, reading.FRAMES_OF_A_TURN
        while self._calls and not self._waits:
            self._waits = True
            if left == 0:
                session.node.call_soon(self._rested)
                break
            left -= 1
            call = self._calls.popleft()
            session.node.runner.start(self._handle(call), partial(self._done, call))
        self._going = False
        if not (self._calls or self._waits):
            session.busy -= 1
            self._then()
            session.go_on()

    def _rested(self) -> None:
        self._waits = False
        self._go_on()

    async def _handle(self, call: Call) -> None:
        """One of them, with what becomes of its result."""
        session, route = self._session, call.route
        assert route.served is not None
        result = await route.served.handler.call(
            Invocation(call.message, session, session.principal, route.path)
        )
        if result is None:
            return
        taken: Awaitable[None] | None = None
        if route.publish is not None:
            taken = session.node.publisher.publish(route.publish, result)
        if route.served.reply:
            session.reply(result, call.head)
        if taken is not None:
            await taken

    def _done(self, call: Call, _: object, error: BaseException | None) -> None:
        node, destination = self._session.node, call.message.destination
        self._waits = False
        if error is not None and node.accepting:
            self._waits = True
            node.runner.start(node.problems.ask(error), partial(self._told, call, error))
            return  # `_told` goes on
        if error is not None:  # the node stops, and its patience with handlers is over
            self._session.fail(error, call.head, destination)
            self._give_up()
        self._go_on()

    def _told(
        self, call: Call, error: BaseException, problem: Problem | None, failure: BaseException | None
    ) -> None:
        session, destination = self._session, call.message.destination
        session.node.problems.asked(session, error, call.head, destination, problem, failure)
        self._waits = False
        self._go_on()

    def _give_up(self) -> None:
        calls, self._calls = self._calls, deque()
        for call in calls:
            problem = Problem("unavailable", "the node stops; this was not handled, send it again")
            self._session.fail(problem, call.head, call.message.destination)
