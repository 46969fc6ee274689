"""Time that moves only when a test says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

STEP_S: Final = 0.25
# A message that crosses a connection in memory, a handler and the hub takes about ten turns of the loop.
TURNS: Final = 20


@final
class ManualClock:
    """A clock for things that take one, and for the event loop itself.

    Pass it to `stompede.testing.connect` or `stompede.testing.running`, and the node lives by it: heart-beats, time
    limits and tokens. Within `driving`, the running loop's timers (``call_later``, ``asyncio.timeout``,
    ``asyncio.sleep``, heart-beats of clients) obey it, too: they ring only within `advance`. It begins at the real
    time, so that it may take over from the real clocks at any moment.

        clock = testing.ManualClock()
        with clock.driving():
            async with testing.connect(app, member="cook", clock=clock) as cook:
                await clock.advance(3600)
    """

    def __init__(self) -> None:
        self._now = time.monotonic()
        self._unix_offset = time.time() - self._now

    def now(self) -> float:
        """Seconds that never go back."""
        return self._now

    def unix_now(self) -> float:
        """Seconds of the Unix epoch."""
        return self._now + self._unix_offset

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Makes the running loop use this clock. What a test waits for besides must come from callbacks, or from
        `advance`.
        """
        loop = asyncio.get_running_loop()
        self._now = max(self._now, loop.time())
        loop.time = self.now  # type: ignore[method-assign]  # the loop has no other way to be given a clock
        try:
            yield
        finally:
            del loop.time

    async def advance(self, seconds: float, *, step_s: float = STEP_S) -> None:
        """Lets time pass, in steps; after each one, all that became due runs.

        Args:
            seconds: how much, 0 or more; 0 only lets run what is ready.
            step_s: what is due within one step runs in its order, but sees the time at the step's end.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        end = self._now + seconds
        await settle()
        while self._now < end:
            self._now = min(end, self._now + step_s)
            await settle()


async def settle() -> None:
    """Lets callbacks run that are ready, and those that they make ready."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
