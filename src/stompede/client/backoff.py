"""How long a client waits before it tries again.

Exponential back-off with full jitter: attempt ``n`` waits a time drawn evenly from ``[0, min(max_s, initial_s
* factor ** n)]``. When a node with many thousand clients stops, full jitter spreads their return evenly over
the whole interval, which needs fewer attempts in total than any scheme that adds a little jitter to a fixed
time (M. Brooker, "Exponential Backoff And Jitter", 2015).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from stompede.errors import ConfigurationError


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """When a client comes back after its connection ended.

    Attributes:
        initial_s: bound of the first wait, in seconds.
        max_s: bound that no wait exceeds, in seconds.
        factor: by how much the bound grows with each failed attempt.
        jitter: whether a wait is drawn from ``[0, bound]``; without it the wait is the bound itself, and all
            clients return at once.
        attempts: how often in a row it is tried before the client gives up; ``None`` for ever.
        stable_s: a connection that lived this long was good: the next wait starts at ``initial_s`` again. A
            shorter one counts as a failed attempt, so that a node which accepts and cuts is not hammered.
    """

    initial_s: float = 0.5
    max_s: float = 30.0
    factor: float = 2.0
    jitter: bool = True
    attempts: int | None = None
    stable_s: float = 5.0

    def __post_init__(self) -> None:
        if self.initial_s < 0 or self.max_s < self.initial_s:
            raise ConfigurationError(
                f"Backoff: needs 0 <= initial_s <= max_s, has {self.initial_s} and {self.max_s}"
            )
        if self.factor < 1:
            raise ConfigurationError(f"Backoff: factor {self.factor} would make waits shorter; use 1 or more")
        if self.attempts is not None and self.attempts < 1:
            raise ConfigurationError(
                "Backoff: attempts must be at least 1; for no reconnect give reconnect=None"
            )

    def bound_s(self, attempt: int) -> float:
        """The longest wait before attempt ``attempt``, counted from 0, in seconds."""
        # The exponent is bounded first: a float overflows at about 2 ** 1024, which is two hours of attempts.
        return min(self.max_s, self.initial_s * self.factor ** min(attempt, 64))

    def delay_s(self, attempt: int, uniform: Callable[[], float]) -> float:
        """The wait before attempt ``attempt``.

        Args:
            attempt: counted from 0.
            uniform: chance, evenly from [0, 1); `random.random` outside of tests.
        """
        bound = self.bound_s(attempt)
        return bound * uniform() if self.jitter else bound

    def exhausted(self, attempt: int) -> bool:
        """Whether attempt ``attempt``, counted from 0, is one too many."""
        return self.attempts is not None and attempt >= self.attempts
