"""Guards: who may subscribe or send to a destination.

A destination that no guard names is open. As soon as one does, by a pattern that matches, an operation that
no guard allows is denied; and where several match, all of them must agree.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Collection, Sequence
from inspect import isawaitable, iscoroutine
from typing import Any, Final, Literal, TypeAlias, final

import msgspec

from stompede.errors import ConfigurationError
from stompede.messaging._codegen import compile_call, make_plan
from stompede.messaging._naming import describe, did_you_mean
from stompede.messaging.arguments import Source
from stompede.messaging.dependencies import Overrides, RunBlocking, Style
from stompede.messaging.invocation import Invocation
from stompede.messaging.patterns import Pattern, holds_wildcard
from stompede.messaging.problem import Problem
from stompede.messaging.routing import Router
from stompede.messaging.wildcards import Wildcard

Operation: TypeAlias = Literal["subscribe", "send"]

OPERATIONS: Final[tuple[Operation, ...]] = typing.get_args(Operation)


class Guard(msgspec.Struct, frozen=True):
    """One guard with its binding.

    Attributes:
        call: calls it with the arguments that it asks for; `Problem` may come from the call itself.
        is_async: the call returns an awaitable.
        on: the operations that it decides on.
        pattern: the destinations that it names.
        where: how errors name it.
        wildcards: whether it may be asked about a wildcard that names its destinations among others.
    """

    call: Callable[[Invocation], Any]
    is_async: bool
    on: tuple[Operation, ...]
    pattern: Pattern
    where: str
    wildcards: bool = False


_Bound: TypeAlias = tuple[Guard, typing.Mapping[str, str]]


@final
class Gate:
    """The guards of one destination; may be remembered, since guards are only added before the start."""

    __slots__ = ("_guards",)

    def __init__(self, guards: Sequence[_Bound]) -> None:
        self._guards: Final[dict[Operation, tuple[_Bound, ...]]] = {
            operation: tuple(bound for bound in guards if operation in bound[0].on)
            for operation in OPERATIONS
        }

    def check(self, operation: Operation, invocation: Invocation) -> Awaitable[None] | None:
        """Asks the guards.

        Args:
            operation: what the client wants to do.
            invocation: with the message of a SEND, or one without a body for a SUBSCRIBE; its ``path`` is not
                used, since each guard has its own.

        Returns:
            ``None`` when it is allowed; an awaitable that says the same where a guard must be awaited.

        Raises:
            Problem: ``forbidden``, or what a guard raises or its arguments need (``login-required``,
                ``invalid-path``).
        """
        guards = self._guards[operation]
        if not guards:
            raise _denied(operation)
        for index, (guard, path) in enumerate(guards):
            if guard.is_async:
                return _check_rest(operation, guards[index:], invocation)
            if not _is_true(guard.call(_with_path(invocation, path)), guard):
                raise _denied(operation)
        return None


@final
class Guards:
    """All guards of an application.

    Args:
        run_blocking: runs ``def`` dependencies of guards; without it guards may have no dependencies at all.
        close_blocking: runs the end of their dependencies with ``yield``.
        overrides: replaces dependencies for tests.
    """

    def __init__(
        self,
        *,
        run_blocking: RunBlocking | None = None,
        close_blocking: RunBlocking | None = None,
        overrides: Overrides | None = None,
    ) -> None:
        self._router: Router[Guard] = Router(overlapping=True)
        self._run_blocking = run_blocking
        self._close_blocking = close_blocking
        self._overrides = overrides

    def __bool__(self) -> bool:
        return len(self._router) > 0

    def __iter__(self) -> typing.Iterator[Guard]:
        """Yields the guards in the order in which they were added."""
        return (guard for _, guard in self._router)

    def add(
        self,
        pattern: str,
        func: Callable[..., Any],
        *,
        on: Operation | Sequence[Operation] = OPERATIONS,
        wildcards: bool = False,
    ) -> None:
        """Adds a guard.

        Args:
            pattern: the destinations that it names, with their prefix: ``/topic/rooms/{room}``.
            func: returns whether it is allowed. It may ask for path variables, headers, ``Principal``,
                ``StompSession``, ``Message`` and dependencies. A plain ``def`` runs on the loop and must not
                block.
            on: the operations that it decides on.
            wildcards: whether it decides about wildcard subscriptions that overlap its pattern, too; see
                `gate_of_wildcard`.

        Raises:
            ConfigurationError: it cannot be bound.
        """
        where = f"guard {describe(func)}"
        parsed = Pattern.parse(pattern, where)
        plan = make_plan(
            func,
            role="guard",
            where=where,
            variables=parsed.variables,
            run_blocking=self._run_blocking,
            close_blocking=self._close_blocking,
        )
        if plan.result_type not in (bool, Any):
            raise ConfigurationError(f"{where}: a guard returns bool: True lets it pass, False denies it")
        is_async = plan.style is Style.ASYNC or any(a.source is Source.DEPENDENCY for a in plan.arguments)
        operations = _operations(on, where)
        if wildcards and "subscribe" not in operations:
            raise ConfigurationError(
                f'{where}: wildcards=True is about subscriptions; let on= name "subscribe", too'
            )
        guard = Guard(compile_call(plan, self._overrides), is_async, operations, parsed, where, wildcards)
        self._router.add(parsed, guard, where)

    def gate(self, destination: str) -> Gate | None:
        """Finds the guards of a destination; ``None`` where none names it, so that everything is allowed."""
        guards = self._router.all_matches(destination, wildcards=True)
        if not guards:
            return None
        # Variables hold no wildcards. Nor may a destination with one pass beside the guards: it is denied.
        return Gate(() if holds_wildcard(destination) else guards)

    def gate_of_wildcard(self, wildcard: Wildcard) -> Gate | None:
        """Finds the guards of a wildcard subscription: those whose destinations it would bring, too.

        Each of them must admit wildcards, or the subscription would be a way around it. A guard of SEND alone, by which
        subscribing is denied, must be within the pattern of one that does. They are asked with what the wildcard has
        in the place of their variables (`Wildcard.overlap`): ``*`` for ``{room}`` means every room.

        Returns:
            ``None`` where none overlaps, so that everything is allowed.

        Raises:
            Problem: ``forbidden``: a guard that overlaps admits no wildcards; the sentence names its pattern.
        """
        bound = [(guard, path) for guard in self if (path := wildcard.overlap(guard.pattern)) is not None]
        admitting = [guard for guard, _ in bound if guard.wildcards]
        for guard, _ in bound:
            if guard in admitting:
                continue
            asked_elsewhere = any(other.pattern.covers(guard.pattern) for other in admitting)
            if "subscribe" in guard.on or not asked_elsewhere:
                raise Problem(
                    "forbidden",
                    f"{wildcard.text} would bring {guard.pattern} as well, which is guarded and admits no wildcards; "
                    "subscribe to each destination by its name",
                )
        return Gate(bound) if bound else None

    def guarded(self, destination: str) -> bool:
        """Whether any guard names the destination."""
        return bool(self._router) and self.gate(destination) is not None

    def check(self, operation: Operation, invocation: Invocation) -> Awaitable[None] | None:
        """Finds the guards of the message's destination and asks them; see `Gate.check`."""
        gate = self.gate(invocation.message.destination) if self else None
        return None if gate is None else gate.check(operation, invocation)


def _operations(on: Operation | Sequence[Operation], where: str) -> tuple[Operation, ...]:
    if not isinstance(on, str | Collection):
        raise ConfigurationError(f'{where}: on={on!r} is no operation; there are "subscribe" and "send"')
    operations: tuple[Operation, ...] = (on,) if isinstance(on, str) else tuple(on)
    for operation in operations:
        if operation not in OPERATIONS:
            raise ConfigurationError(
                f'{where}: on="{operation}" is no operation'
                + (did_you_mean(operation, OPERATIONS, '"{}"') or '; there are "subscribe" and "send"')
            )
    if not operations:
        raise ConfigurationError(f'{where}: on= is empty; name "subscribe", "send" or both')
    return operations


def _with_path(invocation: Invocation, path: typing.Mapping[str, str]) -> Invocation:
    return Invocation(invocation.message, invocation.session, invocation.principal, path)


async def _check_rest(operation: Operation, guards: Sequence[_Bound], invocation: Invocation) -> None:
    for guard, path in guards:
        allowed = guard.call(_with_path(invocation, path))
        if not _is_true(await allowed if guard.is_async else allowed, guard):
            raise _denied(operation)


def _is_true(allowed: Any, guard: Guard) -> bool:
    # A coroutine is true whatever it would have said: a guard that forgets to await must not let all pass.
    if isawaitable(allowed):
        if iscoroutine(allowed):
            allowed.close()
        raise TypeError(
            f"{guard.where}{'' if guard.is_async else ' is no async def and'} returned "
            f"{type(allowed).__name__}; await it there"
        )
    # Nor must "no", or {"allowed": False}. A guard that forgets to return denies.
    if not isinstance(allowed, bool | None):
        raise TypeError(f"{guard.where} returned {type(allowed).__name__}; a guard says True or False")
    return bool(allowed)


def _denied(operation: Operation) -> Problem:
    return Problem("forbidden", f"Not allowed to {operation} to this destination.")
