"""Guards: who may subscribe or send to a destination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeAlias, final

from stompede.messaging.invocation import Invocation

Operation: TypeAlias = Literal["subscribe", "send"]


@final
class Gate:
    """The guards of one destination; may be remembered with the destination."""

    def check(self, operation: Operation, invocation: Invocation) -> Awaitable[None] | None:
        """None: allowed. An awaitable where a guard is async. Raises Problem (forbidden, login-required...)."""
        raise NotImplementedError


@final
class Guards:
    def add(
        self,
        pattern: str,
        func: Callable[..., Any],
        *,
        on: Operation | Sequence[Operation] = ("subscribe", "send"),
    ) -> None:
        raise NotImplementedError

    def gate(self, destination: str) -> Gate | None:
        """None: no guard names the destination."""
        raise NotImplementedError

    def guarded(self, destination: str) -> bool:
        raise NotImplementedError

    def check(self, operation: Operation, invocation: Invocation) -> Awaitable[None] | None:
        """gate(invocation.message.destination).check(...); None also where the destination is unguarded."""
        raise NotImplementedError
