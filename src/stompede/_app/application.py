"""`Stompede`: what users write their application with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar, final

import structlog
from fastapi import FastAPI

from stompede._app.backends import Places, backends_of, routes_of
from stompede._app.endpoints import compressing_of, endpoints_of
from stompede._app.foreign import stopping_with_server
from stompede._app.http import install_routes
from stompede._app.places import servers_of, websocket_url
from stompede._app.registration import Registrations
from stompede._app.rest import answer_refusals
from stompede._app.settled import fastapi_of, rules_of, settings_of
from stompede._app.tcp import serving_tcp
from stompede._traceback import traceback_of
from stompede._types import NO_HEADERS, Principal
from stompede.auth import TokenIssuer, bearer_token, issuer_from, verifier_from
from stompede.errors import ConfigurationError, SessionClosedError, StompedeError
from stompede.messaging.destinations import Kind
from stompede.messaging.guards import Operation
from stompede.registry import ClockedRoutes, MemoryRoutingTable
from stompede.server.describing import new_node_id
from stompede.server.handlers.pool import Pool
from stompede.server.node import Node
from stompede.server.presence.events import Present
from stompede.server.session import connected
from stompede.server.settings import Settings
from stompede.transports import Receiver, Refusal, TlsHandshakes, TlsListener, Transport, serve_asgi
from stompede.transports.complaints import Complaints

log = structlog.get_logger("stompede.app")
F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=Exception)


@final
class Stompede(Registrations):
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
        own = settings_of(settings)
        self._rules = rules_of(own)
        super().__init__(fastapi_of(fastapi, title, version), own, title, version)
        self._places = Places(own)
        answer_refusals(self.fastapi)
        self._endpoints = endpoints_of(own, self, self._rules)
        self._compressing = compressing_of(own)
        self._node: Node | None = None
        self._issuer: TokenIssuer | None = None
        self._routing = ClockedRoutes(MemoryRoutingTable(), ttl_s=own.route_ttl_s, clock=time.time)
        self._listens_at = "ws://127.0.0.1:8080"
        self._certificate: tuple[str, str | None] | None = None
        self._tcp_server: asyncio.Server | TlsListener | None = None
        self._tls_handshakes = TlsHandshakes(own.max_handshakes, self.handshake_refused)
        self._complaints = Complaints()
        self._server_stops_node = False
        self._routes_installed = False
        self._start_error: BaseException | None = None

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

    def publish_nowait(
        self,
        destination: str,
        value: Any,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
    ) -> Awaitable[None] | None:
        """Publishes without waiting: ``None`` when the bus has taken it already, else what to await until it has.

        For handlers on the hot path; everybody else uses `publish`. Arguments and errors as there.
        """
        return self.node.publisher.publish(destination, value, headers=headers, content_type=content_type)

    async def publish(
        self,
        destination: str,
        value: Any,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
    ) -> None:
        """Publishes to a topic or queue; returns when the bus or the queue took it.

        Args:
            destination: the whole destination.
            value: ``bytes`` and ``str`` go as they are, everything else as JSON.
            headers: further headers of the message, of texts. ``Authorization``, ``login`` and ``passcode`` are
                refused, and so are those that the server writes itself.
            content_type: instead of the one that ``value`` suggests.

        Raises:
            ValueError: a header that no message may have.
            Problem: ``invalid-destination``; ``queue-full``: the queue holds as much as it may.
            BusError: the bus did not take it.
        """
        await _taken(self.publish_nowait(destination, value, headers=headers, content_type=content_type))

    def publish_threadsafe(self, destination: str, value: Any) -> None:
        """Publishes from another thread, without waiting.

        Raises:
            Problem: ``invalid-destination``.
            BusError: too many publications from threads wait (``threadsafe_queue``).
        """
        self.node.publisher.publish_threadsafe(destination, value)

    async def send_to_user(
        self, name: str, destination: str, value: Any, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Sends to all sessions of a member, subscribed to ``/user`` and ``destination``: ``/user/queue/offers``."""
        await _taken(self.node.publisher.send_to(Kind.USER, name, destination, value, headers))

    async def send_to_session(
        self, session_id: str, destination: str, value: Any, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Sends to one session; it is subscribed to ``/session`` and ``destination``, for example
        ``/session/queue/offers``.
        """
        await _taken(self.node.publisher.send_to(Kind.SESSION, session_id, destination, value, headers))

    async def presence(self, destination: str, *, limit: int = 100) -> Present:
        """Who is on a destination, on whatever node: at most ``limit`` members, and how many there are.

        Raises:
            Problem: ``not-found``: it has no ``presence=True``.
        """
        return await self.node.who_is_on(destination).present(destination, limit)

    async def presence_count(self, destination: str) -> int:
        """How many are on a destination, members and guests; cheap, however many there are.

        Raises:
            Problem: ``not-found``: it has no ``presence=True``.
        """
        return await self.node.who_is_on(destination).count(destination)

    async def sessions(
        self, *, user: str | None = None, limit: int = 100, after: str = ""
    ) -> list[connected.SessionReport]:
        """Who is connected to this node, by the ids of the sessions.

        Args:
            user: sessions of this member alone.
            limit: at most so many.
            after: ids behind this one, to go on where the last call ended.
        """
        return connected.sessions(self.node, user=user, limit=limit, after=after)

    async def close_session(self, session_id: str) -> bool:
        """Closes a session, which is told not to come back; false if no node has one of that id.

        Raises:
            BusError: it is not here, and other nodes are out of reach.
        """
        return (await self.node.orders.close_session(session_id)).total > 0

    async def close_user_sessions(self, name: str) -> int:
        """Closes all sessions of a member, which are told not to come back; returns how many, on all nodes.

        Raises:
            BusError: those here are closed, and other nodes are out of reach.
        """
        return (await self.node.orders.close_user(name)).total

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
        """The WebSocket URL under which clients reach this node: the setting ``public_url``, or where it listens."""
        return websocket_url(self.settings, self._listens_at)

    def public_url_at(self, base_url: str) -> str:
        """`public_url` for somebody who reached this node by an HTTP URL: without the setting its host is the right
        one, whatever address the node listens at.
        """
        return websocket_url(self.settings, base_url)

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

    def catalogue(self, base_url: str | None = None) -> dict[str, Any]:
        """The AsyncAPI 3 document of all destinations.

        Args:
            base_url: under which HTTP URL clients reach the node, for the document's servers; by default what the
                setting ``public_url`` says, or where the node listens.
        """
        return self._catalogue.document(servers_of(self.settings, base_url or self._listens_at))

    # Running.

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
            backends = backends_of(settings, self._places, self.prefixes, new_node_id(time.time()))
            node = Node(
                settings, self._program, prefixes=self.prefixes, backends=backends,
                verifier=verifier_from(settings), pool=self._pool, url=lambda: self.public_url,
                routed=self._routing.get,
                transports_tick=self._endpoints.tick,
            )  # fmt: skip
            try:
                async with routes_of(settings, self._places, self._routing), node.running():
                    self._node = node
                    try:
                        yield state
                    finally:
                        await node.stop()
            finally:
                self._endpoints.close()
                self._node = None
                self._pool.close()
                self._pool = None

    def _install_routes(self) -> None:
        if not self._routes_installed:
            install_routes(self)
            self._routes_installed = True

    def refuse(self, address: str = "") -> Refusal | None:
        """See `stompede.transports.Acceptor`."""
        if self._node is None:
            return Refusal(503, "this node is starting or stopping; try again", 1)
        return self._node.refuse(address)

    def handshake_refused(self) -> None:
        """A handshake was refused before anybody was asked; it is counted."""
        if self._node is not None:
            self._node.attendance.refused()

    def accept(self, transport: Transport) -> Receiver:
        """See `stompede.transports.Acceptor`."""
        return self.node.accept(transport)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket" and (acceptor := self._endpoints.websocket(scope["path"])):
            await serve_asgi(
                acceptor, scope, receive, send, rules=self._rules,
                max_message_bytes=self.settings.max_message_bytes,
                close_timeout_s=self.settings.close_timeout_s,
            )  # fmt: skip
        elif scope["type"] != "http" or not await self._endpoints.serve_http(scope, receive, send):
            await self.fastapi(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        started = False
        try:
            async with self.running() as state, serving_tcp(self), stopping_with_server(self):
                if state is not None and "state" in scope:
                    scope["state"].update(state)
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except BaseException as error:
            phase = "shutdown" if started else "startup"
            if started:
                log.error("shutdown failed", exception=traceback_of(error))
            else:
                self._start_error = error
                self._log_start(error)
            # The node's own server says it once, at its end.
            message = "" if self._server_stops_node and not started else f"{type(error).__name__}: {error}"
            await send({"type": f"lifespan.{phase}.failed", "message": message})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    def _log_start(self, error: BaseException) -> None:
        """What somebody can mend is a sentence; everything else is a bug and keeps its traceback."""
        if not isinstance(error, StompedeError):
            log.error("startup failed", error=str(error), exception=traceback_of(error))
        elif not self._server_stops_node:
            log.error("startup failed", error=str(error))

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        """Serves on a port until SIGTERM or SIGINT; the fast way, on uvicorn and picows. Returns after a
        graceful stop; SIGINT during that ends the process at once, with exit code 130.

        Args:
            host: address to listen at.
            port: port to listen at; 0 for a free one.
            certfile: PEM certificate chain, for TLS.
            keyfile: its private key.

        Raises:
            ConfigurationError: a port is taken, the certificate does not load, or the application does not
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
