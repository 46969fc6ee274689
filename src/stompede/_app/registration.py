"""What an application registers: handlers, guards, interceptors, listeners and destinations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from fastapi import FastAPI

from stompede._app.bounds import check_history, check_queue
from stompede._app.forms import (
    check_carried,
    check_kinds,
    check_publish,
    check_result,
    needs_exception,
    needs_function,
    needs_pattern,
    needs_relative,
    takes_address,
)
from stompede.errors import ConfigurationError, SessionClosedError
from stompede.messaging._naming import describe
from stompede.messaging.binding import BoundHandler, bind_handler
from stompede.messaging.catalogue import Catalogue
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.errors_to_client import ErrorHandlers
from stompede.messaging.guards import Guards, Operation
from stompede.messaging.interceptors import InterceptorChain
from stompede.messaging.routing import Router
from stompede.server.events import Moment, SessionEvents
from stompede.server.fanout.policies import Cut, SlowPolicy
from stompede.server.handlers.pool import Pool
from stompede.server.handlers.routes import Served
from stompede.server.options import DestinationOptions
from stompede.server.presence.events import PRESENCE_TYPES
from stompede.server.program import Program
from stompede.server.settings import Settings
from stompede.store import History, Queue

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=Exception)
_TopicGuard = tuple[str, Callable[..., Any], Operation | Sequence[Operation], bool]


class Registrations:
    """The part of `Stompede` that takes what the application registers, before it runs.

    Attributes:
        fastapi: the FastAPI application, for your HTTP routes.
        settings: the settings.
        prefixes: the destination prefixes that the settings say.
    """

    def __init__(self, fastapi: FastAPI, settings: Settings, title: str, version: str) -> None:
        self.fastapi = fastapi
        self.settings = settings
        self.prefixes = Prefixes(
            settings.app_prefixes,
            settings.topic_prefix,
            settings.queue_prefix,
            settings.session_prefix,
            settings.user_prefix,
            settings.temp_queue_prefix,
        )
        guards = Guards(
            run_blocking=self._run_blocking, close_blocking=self._close_blocking, overrides=self._overrides
        )
        self._program = Program(
            Router(),
            Router(),
            guards,
            InterceptorChain(),
            ErrorHandlers(),
            SessionEvents(),
            Router(),
        )
        self._catalogue = Catalogue(title=title, version=version, prefixes=self.prefixes)
        self._presence = False
        self._topic_guards: list[_TopicGuard] = []
        self._pool: Pool | None = None

    def message(
        self, pattern: str, *, publish: str | None = None, reply: bool | None = None
    ) -> Callable[[F], F]:
        """Handles SENDs to an application destination.

        Args:
            pattern: what follows the application prefix, for example ``/rooms/{room}/say``.
            publish: topic or queue that the result is published to; may use the pattern's variables. ``None``
                as result publishes nothing.
            reply: whether the result goes back to the asking session, with its ``client-request-code``, on
                ``/session/queue/replies``. By default it does exactly where there is no ``publish``.

        Raises:
            ConfigurationError: at registration, with a sentence that says where and how to mend it.
        """

        needs_relative("message", pattern, self.prefixes)

        def register(func: F) -> F:
            self._still_registering(func)
            handler = self._bind(func, pattern, "message", publish)
            if publish is not None:
                check_publish(handler, publish, self.prefixes)
            check_result(handler)
            answers = publish is None if reply is None else reply
            self._program.messages.add(handler.pattern, Served(handler, answers), handler.where)
            self._catalogue.add_message_handler(handler, reply=answers)
            return func

        return register

    def subscribe(self, pattern: str) -> Callable[[F], F]:
        """Answers SUBSCRIBEs to an application destination: once, directly, with what the handler returns.

        Raises:
            ConfigurationError: as `message`.
        """

        needs_relative("subscribe", pattern, self.prefixes)

        def register(func: F) -> F:
            self._still_registering(func)
            handler = self._bind(func, pattern, "subscribe", None)
            check_result(handler)
            self._program.subscribes.add(handler.pattern, Served(handler, True), handler.where)
            self._catalogue.add_subscribe_handler(handler)
            return func

        return register

    def guard(
        self,
        pattern: str,
        *,
        on: Operation | Sequence[Operation] = ("subscribe", "send"),
        wildcards: bool = False,
    ) -> Callable[[F], F]:
        """Decides who may subscribe or send to the destinations that a pattern names.

        The function returns a bool, or raises `Problem`; its arguments are bound like a handler's, without a
        body. Once any guard names a destination, an operation that no guard allows is denied, and all guards
        that match must agree. A guard that is ``def`` runs on the loop and must not block.

        Args:
            pattern: whole destination, for example ``/topic/rooms/{room}``.
            on: ``"subscribe"``, ``"send"``, or both, the default.
            wildcards: whether it is asked about subscriptions with wildcards that would bring these destinations,
                too, with the wildcard in the place of the variable: ``room`` is ``"*"`` where ``/topic/rooms/*`` is
                subscribed to, ``"**"``, ``">"`` or ``"#"`` where such a wildcard stands for it and more. Without it
                such subscriptions are refused.
        """

        needs_pattern("guard", pattern)

        def register(func: F) -> F:
            self._still_registering(func)
            if wildcards and self.prefixes.classify(pattern) is not Kind.TOPIC:
                raise ConfigurationError(
                    f'guard {describe(func)}: only topics have wildcards; take wildcards= away from "{pattern}"'
                )
            self._program.guards.add(self._guarded(pattern, func), func, on=on, wildcards=wildcards)
            self._catalogue.add_guard(pattern, (on,) if isinstance(on, str) else tuple(on))
            if self.prefixes.classify(pattern) is Kind.TOPIC:
                self._topic_guards.append((pattern, func, on, wildcards))
                if self._presence:
                    self._guard_presence(pattern, func, on, wildcards)
            return func

        return register

    def _guard_presence(
        self,
        pattern: str,
        func: Callable[..., Any],
        on: Operation | Sequence[Operation],
        wildcards: bool,
    ) -> None:
        """Who may not see a topic may not see who is on it. By the pattern, so that wildcards are no way around."""
        about = self.prefixes.presence_of(pattern)
        self._program.guards.add(about, func, on=on, wildcards=wildcards)
        self._catalogue.add_guard(about, (on,) if isinstance(on, str) else tuple(on))

    def _guarded(self, pattern: str, func: Callable[..., Any]) -> str:
        """What guards are looked up by; a pattern that no destination can match would let all pass."""
        if self.prefixes.classify(pattern) is Kind.UNKNOWN:
            known = ", ".join(self.prefixes.all)
            raise ConfigurationError(
                f'guard {describe(func)}: pattern "{pattern}" names no destination; begin it with one of {known}'
            )
        return self.prefixes.canonical(pattern)

    def intercept(self, func: F) -> F:
        """Puts a function around CONNECT, SUBSCRIBE, SEND, UNSUBSCRIBE and DISCONNECT, in the order of registration.

        ``(command, session)``: ``None`` lets the command pass; a changed command goes on instead; an `Answer`
        ends its way; `Problem` refuses. Annotate the first argument with the commands that it wants to see.
        """
        self._still_registering(func)
        needs_function("intercept", func)
        self._program.interceptors.add(func)
        return func

    def on_error(self, exception_class: type[E]) -> Callable[[F], F]:
        """Says what a client is told of an exception: the function takes it and returns a `Problem`.

        Raises:
            ConfigurationError: it is no exception class, or has a function already.
        """

        needs_exception(exception_class)

        def register(func: F) -> F:
            self._still_registering(func)
            needs_function("on_error", func)
            self._program.errors.add(exception_class, func)
            return func

        return register

    def on_session_start(self, func: F) -> F:
        """Is told of each session that got CONNECTED: ``(session)``."""
        return self._listen("session-start", func)

    def on_session_end(self, func: F) -> F:
        """Is told of each session that ended, and why: ``(session, why)``, where ``why`` is a `Disconnect`."""
        return self._listen("session-end", func)

    def on_subscribe(self, func: F) -> F:
        """Is told of each subscription to a topic or queue: ``(session, destination)``."""
        return self._listen("subscribe", func)

    def on_unsubscribe(self, func: F) -> F:
        """Is told when a subscription to a topic or queue ends: ``(session, destination)``."""
        return self._listen("unsubscribe", func)

    def _listen(self, moment: Moment, func: F) -> F:
        self._still_registering(func)
        needs_function(f"on_{moment.replace('-', '_')}", func)
        self._program.events.add(moment, func)
        return func

    def presence_info(self, func: F) -> F:
        """Says what is told of a member that is on a destination with presence: ``(session, destination) -> info``.

        It is asked at the first subscription of a member to a destination on a node, and returns what JSON can carry,
        at most ``presence_info_bytes`` of it. Everybody who may see the destination gets it. A plain function, which
        runs on the loop and must not block: what takes time is looked up when the session connects, by an interceptor
        of `ConnectCommand`, and kept in ``session.attributes``.
        """
        self._still_registering(func)
        if self._program.presence_info is not None:
            raise ConfigurationError("@app.presence_info is given twice; one function tells of members")
        if inspect.iscoroutinefunction(func):
            raise ConfigurationError(
                f"{describe(func)}: @app.presence_info takes a plain def, so that nobody waits for it; look up what "
                "takes time in an interceptor of ConnectCommand and keep it in session.attributes"
            )
        try:
            inspect.signature(func).bind("session", "destination")
        except TypeError:
            raise ConfigurationError(
                f"{describe(func)}: @app.presence_info takes (session, destination)"
            ) from None
        self._program.presence_info = func
        return func

    def authenticate(self, func: F) -> F:
        """Proves ``login`` and ``passcode`` of CONNECT: ``(login, passcode) -> Principal``, sync or async.

        Where it has a parameter ``client_address`` it gets the client's IP address there, to slow down
        guessing.

        Raise `AuthenticationError` ``login-failed`` to refuse. Without such a function the two headers are
        not looked at, and tokens alone count.
        """
        self._still_registering(func)
        if self._program.authenticate is not None:
            raise ConfigurationError("@app.authenticate is given twice; one function proves logins")
        if takes_address(func):
            self._program.authenticate = func
        else:
            self._program.authenticate = lambda login, passcode, client_address: func(login, passcode)  # noqa: ARG005
        return func

    def destination(
        self,
        pattern: str,
        *,
        slow: SlowPolicy | None = None,
        history: History | None = None,
        presence: bool = False,
        queue: Queue | None = None,
        carries: Sequence[Any] = (),
        description: str = "",
    ) -> None:
        """Says how a topic or queue behaves, and what it carries.

        Args:
            pattern: whole destination, for example ``/topic/rider/{id}``.
            slow: what happens when a subscriber reads too slowly: `Cut` (default), `DropOldest`, `Conflate`.
            history: how much of its past is kept, so that clients recover what they missed. Topics alone have it.
            presence: whether it is known who is subscribed, and told to the subscribers of
                ``/topic/presence/...``. Topics alone have it.
            queue: bounds of a queue: what it holds, and what becomes of messages that nobody takes.
            carries: types of its messages, for the catalogue.
            description: for the catalogue.
        """
        self._still_registering(f"app.destination({pattern!r})")
        check_kinds(f"app.destination({pattern!r})", slow, history, queue)
        check_carried(f"app.destination({pattern!r})", carries)
        if self.prefixes.classify(pattern) not in (Kind.TOPIC, Kind.QUEUE):
            raise ConfigurationError(
                f"app.destination({pattern!r}): begin it with {self.prefixes.topic}/ or "
                f"{self.prefixes.queue}/"
            )
        if queue is not None:
            self._take_queue(pattern, queue)
        if history is not None:
            check_history(f"app.destination({pattern!r})", history, self.prefixes.classify(pattern))
        if presence:
            self._take_presence(pattern)
        options = DestinationOptions(slow or Cut(), history, presence, queue or Queue())
        self._program.destinations.add(pattern, options, f"app.destination({pattern!r})")
        if carries or description:
            self._catalogue.add_publication(pattern, tuple(carries), description=description)

    def _take_queue(self, pattern: str, queue: Queue) -> None:
        where = f"app.destination({pattern!r})"
        check_queue(where, pattern, queue, self.prefixes, self.settings.max_destination_bytes)
        if self.prefixes.classify(pattern) is Kind.QUEUE:
            bounds = msgspec.to_builtins(queue)
            self._catalogue.add_queue(
                pattern, {name: value for name, value in bounds.items() if value is not None}
            )

    def _take_presence(self, pattern: str) -> None:
        if self.prefixes.classify(pattern) is not Kind.TOPIC:
            raise ConfigurationError(
                f"app.destination({pattern!r}): presence=True is for topics; nobody is on a queue"
            )
        if not self._presence:
            self._presence = True
            for guard in self._topic_guards:
                self._guard_presence(*guard)
        self._catalogue.add_publication(
            self.prefixes.presence_of(pattern),
            PRESENCE_TYPES,
            description=f"Who is on {pattern}: all at once to begin with, then who joins and leaves.",
        )

    def _still_registering(self, what: Callable[..., Any] | str) -> None:
        """What is found once the application runs is remembered: a guard added later would not be asked."""
        if self._pool is not None:
            name = what if isinstance(what, str) else describe(what)
            raise ConfigurationError(
                f"{name}: the application runs already; register everything before it starts"
            )

    def _bind(
        self,
        func: Callable[..., Any],
        pattern: str,
        kind: Literal["message", "subscribe"],
        publish: str | None,
    ) -> BoundHandler:
        needs_function(kind, func)
        return bind_handler(
            func,
            pattern=pattern,
            kind=kind,
            run_blocking=self._run_blocking,
            close_blocking=self._close_blocking,
            publish=publish,
            overrides=self._overrides,
        )

    def _overrides(self) -> Mapping[Callable[..., Any], Callable[..., Any]]:
        return self.fastapi.dependency_overrides

    async def _close_blocking(self, func: Callable[..., Any], /, *arguments: Any) -> Any:
        """Ends `def` dependencies with ``yield``: what was begun is ended, however full the pool is."""
        return await self._running_pool().run_always(func, *arguments)

    async def _run_blocking(self, func: Callable[..., Any], /, *arguments: Any) -> Any:
        return await self._running_pool().run(func, *arguments)

    def _running_pool(self) -> Pool:
        if self._pool is None:
            raise SessionClosedError("the application does not run")
        return self._pool
