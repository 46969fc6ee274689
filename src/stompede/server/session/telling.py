"""Telling the application's listeners what happens to sessions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, final

from stompede.server.events import Moment, SessionEvents
from stompede.server.problems import Problems

if TYPE_CHECKING:
    from stompede.server.session.session import Session


@final
class Teller:
    """Calls listeners where there are any; what they raise is logged.

    Args:
        events: who listens.
        problems: for the log.
        spawn: runs what nobody waits for.
    """

    def __init__(
        self,
        events: SessionEvents,
        problems: Problems,
        spawn: Callable[[Coroutine[Any, Any, Any], str], None],
    ) -> None:
        self._events = events
        self._problems = problems
        self._spawn = spawn

    def tell(self, moment: Moment, *arguments: Any) -> None:
        """Tells, and nobody waits for it."""
        if self._events.wants(moment):
            self._spawn(self._events.tell(moment, *arguments), f"a listener of {moment} failed")

    def tell_in_order(self, moment: Moment, session: Session, destination: str) -> None:
        """Tells of a subscription before the session's next frame is looked at: who subscribes faster than the
        listeners listen is slowed down, and nothing piles up.
        """
        if not self._events.wants(moment):
            return
        if session.closed or session.busy:
            self.tell(moment, session, destination)
            return

        def done(_: Any, error: BaseException | None) -> None:
            if error is not None:
                self._problems.log_failure(session, error, destination, f"a listener of {moment} failed")

        session.run(self._events.tell(moment, session, destination), done)
