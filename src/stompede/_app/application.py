"""`Stompede`: what users write their application with."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, final

import structlog
from fastapi import FastAPI

from stompede._app.http import install_routes
from stompede._types import NO_HEADERS, Principal
from stompede.auth import TokenIssuer, bearer_token, issuer_from, verifier_from
from stompede.bus import Bus, MemoryBus
from stompede.errors import ConfigurationError, SessionClosedError
from stompede.messaging.binding import BoundHandler, bind_handler
from stompede.messaging.catalogue import Catalogue
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.errors_to_client import ErrorHandlers
from stompede.messaging.guards import Guards, Operation
from stompede.messaging.interceptors import InterceptorChain
from stompede.messaging.routing import Router
from stompede.registry import ClockedRoutes, MemoryRoutingTable
from stompede.server.events import Moment, SessionEvents
from stompede.server.node import Node, Program
from stompede.server.policies import Cut, SlowPolicy
from stompede.server.pool import Pool
from stompede.server.publication import Publication
from stompede.server.routes import Served
from stompede.server.settings import Settings
from stompede.transports import Receiver, Rules, Transport, serve_asgi

log = structlog.get_logger("stompede.app")
F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=Exception)


@final
class Stompede:
    """A STOMP application, and an ASGI application.

    Args:
        fastapi: your FastAPI application, which answers HTTP; by default an empty one. Its lifespan runs,
            too; handlers end before it does.
        settings: by default from the environment (``STOMPEDE_*``); `stompede serve` adds what its file and
            its options say.
        title: name in the catalogue of destinations.
        version: version in the catalogue.

    Attributes:
        fastapi: the FastAPI application, for your HTTP routes.
        settings: the settings.
        prefixes: the destination prefixes that the settings say.

    Raises:
        ConfigurationError: settings that cannot work.
    """

    def __init__(
        self,
        fastapi: FastAPI | None = None,
        *,
        settings: Settings | None = None,
        title: str = "Stompede application",
        version: str = "0.1.0",
    ) -> None:
        self.settings = settings or Settings()
        own = self.settings
        try:
            self._rules = Rules.of(own.allowed_origins, own.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(
                f"trusted_proxies: {error}; give addresses or networks like 10.0.0.0/8"
            ) from None
        self.fastapi = fastapi or FastAPI(title=title, version=version)
        self._own_fastapi = fastapi is None
        self.prefixes = Prefixes(
            own.app_prefixes, own.topic_prefix, own.queue_prefix, own.session_prefix, own.user_prefix
        )
        self._program = Program(
            Router(),
            Router(),
            Guards(
                run_blocking=self._run_blocking,
                close_blocking=self._close_blocking,
                overrides=self._overrides,
            ),
            InterceptorChain(),
            ErrorHandlers(),
            SessionEvents(),
            Router(overlapping=True),
        )
        self._catalogue = Catalogue(title=title, version=version, prefixes=self.prefixes)
        self._node: Node | None = None
        self._pool: Pool | None = None
        self._issuer: TokenIssuer | None = None
        self._routing = ClockedRoutes(MemoryRoutingTable(), ttl_s=own.route_ttl_s, clock=time.time)
        self._listens_at = "ws://127.0.0.1:8080"
        self._routes_installed = False

    # What the application registers.

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

        def register(func: F) -> F:
            handler = self._bind(func, pattern, "message", publish)
            if publish is not None and self.prefixes.classify(publish) not in (Kind.TOPIC, Kind.QUEUE):
                raise ConfigurationError(
                    f"{handler.where}: publish={publish!r} is no topic and no queue; begin it "
                    f"with {self.prefixes.topic}/ "
                    f"or {self.prefixes.queue}/"
                )
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

        def register(func: F) -> F:
            handler = self._bind(func, pattern, "subscribe", None)
            self._program.subscribes.add(handler.pattern, Served(handler, True), handler.where)
            self._catalogue.add_subscribe_handler(handler)
            return func

        return register

    def guard(
        self, pattern: str, *, on: Operation | Sequence[Operation] = ("subscribe", "send")
    ) -> Callable[[F], F]:
        """Decides who may subscribe or send to the destinations that a pattern names.

        The function returns a bool, or raises `Problem`; its arguments are bound like a handler's, without a
        body. Once any guard names a destination, an operation that no guard allows is denied, and all guards
        that match must agree. A guard that is ``def`` runs on the loop and must not block.

        Args:
            pattern: whole destination, for example ``/topic/rooms/{room}``.
            on: ``"subscribe"``, ``"send"``, or both, the default.
        """

        def register(func: F) -> F:
            self._program.guards.add(pattern, func, on=on)
            self._catalogue.add_guard(pattern, (on,) if isinstance(on, str) else tuple(on))
            return func

        return register

    def intercept(self, func: F) -> F:
        """Puts a function around CONNECT, SUBSCRIBE, SEND, UNSUBSCRIBE and DISCONNECT, in the order of
        registration.

        ``(command, session)``: ``None`` lets the command pass; a changed command goes on instead; an `Answer`
        ends its way; `Problem` refuses. Annotate the first argument with the commands that it wants to see.
        """
        self._program.interceptors.add(func)
        return func

    def on_error(self, exception_class: type[E]) -> Callable[[F], F]:
        """Says what a client is told of an exception: the function takes it and returns a `Problem`."""

        def register(func: F) -> F:
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
        self._program.events.add(moment, func)
        return func

    def authenticate(self, func: F) -> F:
        """Proves ``login`` and ``passcode`` of CONNECT: ``(login, passcode) -> Principal``, sync or async.

        Where it has a parameter ``client_address`` it gets the client's IP address there, to slow down
        guessing.

        Raise `AuthenticationError` ``login-failed`` to refuse. Without such a function the two headers are
        not looked at, and tokens alone count.
        """
        if self._program.authenticate is not None:
            raise ConfigurationError("@app.authenticate is given twice; one function proves logins")
        if "client_address" in inspect.signature(func).parameters:
            self._program.authenticate = func
        else:
            self._program.authenticate = lambda login, passcode, client_address: func(login, passcode)  # noqa: ARG005
        return func

    def destination(
        self,
        pattern: str,
        *,
        slow: SlowPolicy | None = None,
        carries: Sequence[Any] = (),
        description: str = "",
    ) -> None:
        """Says how a topic or queue behaves, and what it carries.

        Args:
            pattern: whole destination, for example ``/topic/rider/{id}``.
            slow: what happens when a subscriber reads too slowly: `Cut` (default), `DropOldest`, `Conflate`.
            carries: types of its messages, for the catalogue.
            description: for the catalogue.
        """
        if self.prefixes.classify(pattern) not in (Kind.TOPIC, Kind.QUEUE):
            raise ConfigurationError(
                f"app.destination({pattern!r}): begin it with {self.prefixes.topic}/ or "
                f"{self.prefixes.queue}/"
            )
        self._program.policies.add(pattern, slow or Cut(), f"app.destination({pattern!r})")
        if carries or description:
            self._catalogue.add_publication(pattern, tuple(carries), description=description)

    # What the application does while it runs.

    @property
    def node(self) -> Node:
        """The node that serves this application.

        Raises:
            SessionClosedError: it does not run.
        """
        if self._node is None:
            raise SessionClosedError(
                "the application does not run: use this while it serves, or within `async with app.running()`"
            )
        return self._node

    async def publish(
        self,
        destination: str,
        value: Any,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
    ) -> None:
        """Publishes to a topic or queue; returns when the bus took it.

        Args:
            destination: the whole destination.
            value: ``bytes`` and ``str`` go as they are, everything else as JSON.
            headers: headers of the message.
            content_type: instead of the one that ``value`` suggests.

        Raises:
            Problem: ``invalid-destination``.
            BusError: the bus did not take it.
        """
        await _taken(self.node.publish(destination, value, headers=headers, content_type=content_type))

    def publish_threadsafe(self, destination: str, value: Any) -> None:
        """Publishes from another thread, without waiting.

        Raises:
            BusError: too many publications from threads wait (``threadsafe_queue``).
        """
        self.node.publish_threadsafe(destination, value)

    async def send_to_user(
        self, name: str, destination: str, value: Any, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Sends to all sessions of a member; they are subscribed to ``/user`` and ``destination``, for
        example ``/user/queue/offers``.
        """
        await _taken(self.node.send_to(Kind.USER, name, destination, value, headers))

    async def send_to_session(
        self, session_id: str, destination: str, value: Any, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Sends to one session; it is subscribed to ``/session`` and ``destination``, for example
        ``/session/queue/offers``.
        """
        await _taken(self.node.send_to(Kind.SESSION, session_id, destination, value, headers))

    def close_session(self, session_id: str) -> bool:
        """Closes a session of this node, which is told not to come back; false if there is none of that id."""
        return self.node.close_session(session_id)

    async def check_access(self, operation: Operation, destination: str, principal: Principal | None) -> None:
        """Holds an HTTP request to the guards of a destination: what REST reads passes the same guards.

        Raises:
            Problem: ``forbidden`` or ``login-required``.
        """
        await self.node.check_access(operation, destination, principal)

    async def prove(self, authorization: str | None) -> Principal | None:
        """Whom the ``Authorization`` header of an HTTP request proves; ``None`` without one.

        Raises:
            AuthenticationError: ``token-expired``, ``token-invalid``, ``token-missing`` or ``unavailable``.
        """
        if authorization is None:
            return None
        node = self.node
        return await node.verifier.verify(bearer_token(authorization), node.unix_now())

    @property
    def routing(self) -> ClockedRoutes:
        """The routing table, key to the URL of the node that serves it; entries expire after ``route_ttl_s``."""
        return self._routing

    @property
    def public_url(self) -> str:
        """The WebSocket URL under which clients reach this node."""
        return self.settings.public_url or f"{self._listens_at}{self.settings.endpoints[0]}"

    def serves_at(self, authority: str, *, secure: bool) -> None:
        """Says where the server listens, which only it knows; `public_url` is made from it."""
        self._listens_at = f"{'wss' if secure else 'ws'}://{authority}"

    @property
    def issuer(self) -> TokenIssuer:
        """Makes tokens that this application accepts.

        Raises:
            ConfigurationError: only public keys are configured.
        """
        if self._issuer is None:
            self._issuer = issuer_from(self.settings)
        return self._issuer

    def catalogue(self) -> dict[str, Any]:
        """The AsyncAPI 3 document of all destinations."""
        return self._catalogue.document()

    # Running.

    def _bind(
        self,
        func: Callable[..., Any],
        pattern: str,
        kind: Literal["message", "subscribe"],
        publish: str | None,
    ) -> BoundHandler:
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
        if self._pool is None:
            raise SessionClosedError("the application does not run")
        return await self._pool.run_always(func, *arguments)

    async def _run_blocking(self, func: Callable[..., Any], /, *arguments: Any) -> Any:
        if self._pool is None:
            raise SessionClosedError("the application does not run")
        return await self._pool.run(func, *arguments)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Mapping[str, Any] | None]:
        """Runs the application without a server: the FastAPI application's lifespan around the node's.

        Yields:
            the state of the FastAPI application's lifespan.
        """
        if self._node is not None:
            raise ConfigurationError("the application runs already")
        self._install_routes()
        settings = self.settings
        async with self.fastapi.router.lifespan_context(self.fastapi) as state:
            self._pool = Pool(settings.pool_threads, settings.pool_queue)
            node = Node(
                settings, self._program, prefixes=self.prefixes, bus=_bus(settings),
                verifier=verifier_from(settings), pool=self._pool,
            )  # fmt: skip
            try:
                async with node.running():
                    self._node = node
                    try:
                        yield state
                    finally:
                        await node.stop()
            finally:
                self._node = None
                self._pool.close()
                self._pool = None

    def _install_routes(self) -> None:
        if not self._routes_installed:
            install_routes(self)
            self._routes_installed = True

    def refuse(self) -> tuple[int, str] | None:
        """See `stompede.transports.Acceptor`."""
        return (
            (503, "this node is starting or stopping; try again")
            if self._node is None
            else self._node.refuse()
        )

    def accept(self, transport: Transport) -> Receiver:
        """See `stompede.transports.Acceptor`."""
        return self.node.accept(transport)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] in self.settings.endpoints:
            await serve_asgi(
                self, scope, receive, send, rules=self._rules,
                max_message_bytes=self.settings.max_message_bytes,
                close_timeout_s=self.settings.close_timeout_s,
            )  # fmt: skip
        else:
            await self.fastapi(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        started = False
        try:
            async with self.running() as state:
                if state is not None and "state" in scope:
                    scope["state"].update(state)
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except BaseException as error:
            phase = "shutdown" if started else "startup"
            log.exception(f"{phase} failed")
            await send({"type": f"lifespan.{phase}.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        """Serves on a port until SIGTERM or SIGINT; the fast way, on uvicorn and picows. Returns after a
        graceful stop.

        Args:
            host: address to listen at.
            port: port to listen at; 0 for a free one.
            certfile: PEM certificate chain, for TLS.
            keyfile: its private key.

        Raises:
            ConfigurationError: the port is taken, the certificate does not load, or the application does not
                start.
        """
        from stompede._app.serve import serve

        serve(self, host, port, certfile=certfile, keyfile=keyfile)


async def _taken(taken: Awaitable[None] | None) -> None:
    if taken is not None:
        await taken
    else:
        # Publishing in a loop must not keep the node from everything else.
        await asyncio.sleep(0)


def _bus(settings: Settings) -> Bus[Publication]:
    if settings.bus == "memory://":
        return MemoryBus()
    raise ConfigurationError(f"bus {settings.bus!r} is not known; this version has memory://")
