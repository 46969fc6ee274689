"""A call of the user's, from its frame to the server's word about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, final

from stompede.client.frames import Outgoing
from stompede.client.supervisor import Supervisor


@final
class Calls:
    """Hands frames over, and waits.

    Args:
        entered: gives the client's supervisor, or raises `LocalProtocolError` where it was not entered.
    """

    def __init__(self, entered: Callable[[], Supervisor]) -> None:
        self._entered = entered

    @property
    def version(self) -> str:
        """See `stompede.client.acks.Answering`."""
        welcome = self._entered().welcome
        assert welcome is not None  # or there were nothing to answer
        return welcome.version

    def open(self) -> Supervisor:
        """The client's supervisor.

        Raises:
            SessionClosedError: the client is closed.
        """
        supervisor = self._entered()
        if supervisor.closing:
            raise supervisor.closed_error()
        return supervisor

    def expect(self, frame: Outgoing) -> None:
        """Makes a frame ask for a RECEIPT, and have an outcome."""
        frame.receipt = self.open().courier.next_name()
        frame.outcome = asyncio.get_running_loop().create_future()

    def forget(self, frames: Iterable[Outgoing]) -> None:
        """Nobody waits for these frames any more."""
        courier = self._entered().courier
        for frame in frames:
            if frame.outcome is not None:
                frame.outcome.cancel()
                if not frame.outcome.cancelled():
                    frame.outcome.exception()  # it is no news that nobody asked
            courier.forget(frame)

    async def answer(self, frame: Outgoing, *, receipt: bool, timeout_s: float | None) -> None:
        """See `stompede.client.acks.Answering`."""
        if receipt:
            self.expect(frame)
        courier = self.open().courier
        courier.answer(frame)
        if frame.outcome is not None:
            await self._wait(frame, timeout_s)

    async def outcome(self, frame: Outgoing, timeout_s: float | None) -> Any:
        """Writes a frame, or waits for its turn; then waits for the server's word, where one was asked for."""
        return await self._wait(frame, timeout_s, submit=True)

    async def _wait(self, frame: Outgoing, timeout_s: float | None, *, submit: bool = False) -> Any:
        courier = self.open().courier
        try:
            async with asyncio.timeout(timeout_s):
                if submit:
                    await self._submit(frame)
                return None if frame.outcome is None else await frame.outcome
        finally:
            if frame.outcome is not None:
                frame.outcome.cancel()
                courier.forget(frame)

    async def _submit(self, frame: Outgoing) -> None:
        """Hands a frame over. Where the queue is full, waits while there is a connection that empties it,
        and fails where there is none.
        """
        while True:
            supervisor = self.open()
            full = supervisor.courier.offer(frame)
            if full is None:
                return
            if not supervisor.courier.may_get_room:
                raise full
            await supervisor.wait_room(frame)
