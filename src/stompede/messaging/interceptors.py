"""Interceptors: functions of the application around every command of a client."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, final

import msgspec

from stompede.errors import ConfigurationError
from stompede.messaging._naming import describe, type_hints
from stompede.messaging.commands import Answer, Command, SendCommand, SubscribeCommand
from stompede.messaging.dependencies import Style, style_of
from stompede.messaging.session import StompSession

C = TypeVar("C", bound=Command)

Interceptor: TypeAlias = Callable[
    [Any, StompSession], "Command | Answer | Awaitable[Command | Answer | None] | None"
]
"""``(command, session)``: ``None`` passes, a changed command goes on instead, `Answer` answers."""


class _Entry(msgspec.Struct, frozen=True):
    func: Interceptor
    name: str
    is_async: bool
    sees: tuple[type[Command], ...]


@final
class InterceptorChain:
    """The interceptors of an application, called in the order in which they were added.

    The annotation of an interceptor's first argument says which commands it sees: ``Command`` or none: all;
    ``SendCommand``, or ``SendCommand | SubscribeCommand``: only those. Commands that nobody wants to see need
    not be made: ask `wants` first.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._by_type: dict[type[Command], tuple[_Entry, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, func: Interceptor) -> None:
        """Adds one at the end of the chain.

        Raises:
            ConfigurationError: it does not take ``(command, session)``.
        """
        name = f"interceptor {describe(func)}"
        parameters = list(inspect.signature(func).parameters.values())
        if len(parameters) != 2 or any(
            p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in parameters
        ):
            raise ConfigurationError(
                f"{name}: an interceptor takes two arguments: (command: Command, session: StompSession)"
            )
        sees = _commands_of(type_hints(func, name).get(parameters[0].name, Command), name)
        self._entries.append(_Entry(func, name, style_of(func) is Style.ASYNC, sees))
        self._by_type.clear()

    def wants(self, command_type: type[Command]) -> bool:
        """Whether any interceptor sees commands of that type."""
        return bool(self._chain(command_type))

    def needs_await(self, command_type: type[Command]) -> bool:
        """Whether `run` must be awaited for commands of that type; else `run_nowait` serves."""
        return any(entry.is_async for entry in self._chain(command_type))

    def run_nowait(self, command: C, session: StompSession) -> C | Answer:
        """Runs the chain in one synchronous pass; only where `needs_await` is false.

        Returns:
            the command to go on with, changed or not, or the answer to send instead.

        Raises:
            Problem: an interceptor refused; whatever else it raises passes as well.
        """
        for entry in self._chain(type(command)):
            outcome = _checked(entry, command, entry.func(command, session))
            if isinstance(outcome, Answer):
                return outcome
            command = outcome
        return command

    async def run(self, command: C, session: StompSession) -> C | Answer:
        """Like `run_nowait`, and awaits the interceptors that are ``async def``."""
        for entry in self._chain(type(command)):
            result = entry.func(command, session)
            outcome = _checked(entry, command, await result if isinstance(result, Awaitable) else result)
            if isinstance(outcome, Answer):
                return outcome
            command = outcome
        return command

    def _chain(self, command_type: type[Command]) -> tuple[_Entry, ...]:
        chain = self._by_type.get(command_type)
        if chain is None:
            chain = tuple(entry for entry in self._entries if issubclass(command_type, entry.sees))
            self._by_type[command_type] = chain
        return chain


def _commands_of(annotation: Any, name: str) -> tuple[type[Command], ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    choices = typing.get_args(annotation) if union else (annotation,)
    if not all(isinstance(choice, type) and issubclass(choice, Command) for choice in choices):
        raise ConfigurationError(
            f"{name}: the first argument is annotated {annotation}; annotate it Command, or with the "
            "commands that it wants to see: ConnectCommand, SendCommand, SubscribeCommand, "
            "UnsubscribeCommand, DisconnectCommand"
        )
    return choices


def _checked(entry: _Entry, command: C, outcome: Any) -> C | Answer:
    if outcome is None:
        return command
    if type(outcome) is type(command):
        return outcome
    if isinstance(outcome, Answer) and isinstance(command, SendCommand | SubscribeCommand):
        return outcome
    raise TypeError(
        f"{entry.name} answered a {type(command).__name__} with {type(outcome).__name__}; it may return "
        f"None, a changed {type(command).__name__}, or for SEND and SUBSCRIBE an Answer, or raise Problem"
    )
