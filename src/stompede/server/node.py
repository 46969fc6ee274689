"""The node: one server process with its sessions, its hub and its place on the bus."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, final

import structlog

from stompede._types import Principal
from stompede.auth import KeyUnknown, TokenVerifier
from stompede.bus import Bus
from stompede.messaging import codecs
from stompede.messaging.commands import SendCommand
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.guards import Operation
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession
from stompede.server.answers import Answers
from stompede.server.deadlines import RESOLUTION_S, Deadlines
from stompede.server.disconnects import Disconnect, Disconnects
from stompede.server.events import Moment
from stompede.server.hub import Hub
from stompede.server.outbox import DEFAULT_POLICY, OutboxCounters
from stompede.server.policies import SlowPolicy
from stompede.server.pool import Pool
from stompede.server.problems import Problems
from stompede.server.program import Program
from stompede.server.publication import Publication
from stompede.server.publishing import Publisher
from stompede.server.routes import Routes
from stompede.server.running import HandlerRunner
from stompede.server.session import Session
from stompede.server.settings import Settings
from stompede.server.statistics import NodeStatistics, node_statistics
from stompede.server.subscription import Subscription
from stompede.transports.base import Receiver, Transport
from stompede.wire import stomp

log = structlog.get_logger("stompede.node")


@final
class Node:
    """See the module. Use `running` to start and stop it; everything else happens on the loop that it was
    started on.

    Args:
        settings: the settings.
        program: what the application registered.
        prefixes: of destinations.
        bus: how publications reach all nodes.
        verifier: proves tokens.
        pool: threads for blocking work.
        clock: seconds that never go back.
        unix_clock: seconds of the Unix epoch.
    """

    key_unknown = KeyUnknown

    def __init__(
        self,
        settings: Settings,
        program: Program,
        *,
        prefixes: Prefixes,
        bus: Bus[Publication],
        verifier: TokenVerifier,
        pool: Pool,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.prefixes = prefixes
        self.bus = bus
        self.verifier = verifier
        self.pool = pool
        self.now = clock
        self.unix_now = unix_clock
        self.id = f"{int(unix_clock() * 1000)}/{uuid.uuid4()}"
        self.server_name = "stompede"
        self.encode = codecs.encode
        self.interceptors = program.interceptors
        self.events = program.events
        self.authenticate = program.authenticate
        self.send_interceptors = program.interceptors.wants(SendCommand)
        self.send_interceptors_wait = program.interceptors.needs_await(SendCommand)
        self.max_sends_per_s = settings.max_sends_per_s
        self.routes = Routes(
            prefixes, program.messages, program.subscribes, program.guards, settings.max_destination_bytes
        )
        self._policies = program.policies
        self.problems = Problems(program.errors, prefixes.errors, lambda: secrets.token_hex(8))
        self.wire_limits = stomp.Limits(
            max_headers=settings.max_headers,
            max_header_line_bytes=settings.max_header_line_bytes,
            max_header_block_bytes=settings.max_header_block_bytes,
            max_body_bytes=settings.max_body_bytes,
        )
        self.heart_beat = stomp.HeartBeat(settings.heart_beat_send_ms, settings.heart_beat_receive_ms)
        self.head_cache = stomp.HeadCache(settings.head_cache)
        self.outbox_counters = OutboxCounters()
        self.deadlines = Deadlines()
        self.answers = Answers(self._call_soon)
        self.hub = Hub(self._call_soon, secrets.token_hex(4), self._policy_of, self.answers.write)
        self.sessions: dict[str, Session] = {}
        self.users: dict[str, dict[Session, None]] = {}
        self.blocked: dict[Session, None] = {}
        self.transports: dict[Session, None] = {}
        self.runner: HandlerRunner
        self.bytes_in = self.bytes_out = self.heart_beats_out = self.readers_paused = 0
        self.connected_total = self.refused_total = 0
        self.loop_lag_s = 0.0
        self.ends: dict[str, int] = {}
        self.accepting = False
        self._loop: asyncio.AbstractEventLoop
        self._second = 0
        self._ticker: asyncio.TimerHandle | None = None
        self.publisher = Publisher(settings, prefixes, bus, self.problems, self.spawn)
        self._all_gone = asyncio.Event()
        self._unblocked = asyncio.Event()

    # Life.

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        """Starts the node, and stops it gracefully at the end."""
        self._loop = asyncio.get_running_loop()
        self.publisher.start(self._loop)
        try:
            async with asyncio.TaskGroup() as group:
                await self._start(group)
                try:
                    yield self
                finally:
                    await self.stop()
                    self.runner.close()
                    await self.bus.aclose()
                    await self.verifier.aclose()
                    log.info("node stopped", node=self.id)
        except BaseExceptionGroup as group_of_one:
            # The tasks of the group answer their own errors: what comes here is the one of the caller's block.
            if len(group_of_one.exceptions) == 1:
                raise group_of_one.exceptions[0] from None
            raise

    async def _start(self, group: asyncio.TaskGroup) -> None:
        settings = self.settings
        await self.verifier.refresh(self.unix_now())
        await self.bus.start(self._deliver)
        self.runner = HandlerRunner(self._loop, group, settings.max_handlers, settings.handler_timeout_s)
        self._tick(self.now())
        self.accepting = True
        log.info("node started", node=self.id)

    async def stop(self) -> None:
        """Takes no new sessions and no new frames, lets handlers end, sends what is queued, closes with 1012.
        Idempotent.
        """
        if not self.accepting and self._ticker is None:
            return
        self.accepting = False
        for session in list(self.transports):  # those that have not sent CONNECT, too
            session.stop_reading()
        try:
            async with asyncio.timeout(self.settings.shutdown_timeout_s):
                await self.runner.wait_empty()
                self.hub.flush()
                self._unblocked.clear()
                if self.blocked:
                    await self._unblocked.wait()
        except TimeoutError:
            self.runner.expire(math.inf)
        for session in list(self.sessions.values()):
            session.error_and_end(Disconnects.RESTART, "the node stops; come back in a moment")
        for session in [one for one in self.transports if not one.closed]:  # not connected yet
            session.end(Disconnects.RESTART.value)
        if self.transports:
            self._all_gone.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.close_timeout_s + 1):
                    await self._all_gone.wait()
        for session in list(self.transports):
            session.transport.abort()
        with contextlib.suppress(TimeoutError):  # listeners that were told of the ends
            async with asyncio.timeout(self.settings.close_timeout_s):
                await asyncio.sleep(0)
                await self.runner.wait_empty()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def _tick(self, expected: float) -> None:
        now = self.now()
        self.loop_lag_s = max(0.0, now - expected)
        try:
            self.deadlines.expire(now)
            second = int(now)
            if second != self._second:
                self._second = second
                self._each_second(now)
        except Exception:
            log.exception("the node's clock failed")
        self._ticker = self._loop.call_later(RESOLUTION_S, self._tick, now + RESOLUTION_S)

    def _each_second(self, now: float) -> None:
        self.runner.expire(self._loop.time())
        self.verifier.tick(self.unix_now())
        if self.verifier.refresh_due(self.unix_now()):
            self.spawn(self.verifier.refresh(self.unix_now()), "keys could not be refreshed")
        oldest = now - self.settings.outbound_age_s
        for session in [one for one in self.blocked if one.outbox.since < oldest]:
            session.overflow()

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback)

    def call_soon(self, callback: Callable[[], Any]) -> None:
        """Calls back from the loop, outside of any task."""
        self._loop.call_soon(callback)

    def spawn(self, coro: Coroutine[Any, Any, Any], failed: str) -> None:
        """Runs something that nobody waits for; its failure is logged as ``failed``."""

        def done(_: Any, error: BaseException | None) -> None:
            if error is not None:
                self.problems.log_failure(None, error, None, failed)

        self._loop.call_soon(lambda: self.runner.start(coro, done))

    # Sessions. `refuse` and `accept` are the `Acceptor` of the transports.

    def refuse(self) -> tuple[int, str] | None:
        """See `Acceptor`."""
        if not self.accepting:
            self.refused_total += 1
            return 503, "this node takes no new connections now; try again, or another node"
        if len(self.transports) >= self.settings.max_sessions:
            self.refused_total += 1
            return 503, "this node is full (max_sessions); try again, or another node"
        return None

    def accept(self, transport: Transport) -> Receiver:
        """See `Acceptor`."""
        session = Session(self, transport, f"{secrets.token_hex(10)}")
        self.transports[session] = None
        return session

    def session_connected(self, session: Session) -> None:
        """CONNECTED was sent."""
        self.sessions[session.id] = session
        self.connected_total += 1
        self._tell("session-start", session)

    def session_ended(self, session: Session, why: Disconnect) -> None:
        """A session ended, for whatever reason; its socket may still be closing."""
        self.ends[why.reason] = self.ends.get(why.reason, 0) + 1
        principal = session.principal
        if principal is not None:
            theirs = self.users.get(principal.name)
            if theirs is not None:
                theirs.pop(session, None)
                if not theirs:
                    del self.users[principal.name]
        if self.sessions.pop(session.id, None) is not None:
            self._tell("session-end", session, why)

    def unblocked(self, session: Session) -> None:
        """A session's socket takes bytes again, or the session has ended."""
        self.blocked.pop(session, None)
        if not self.blocked:
            self._unblocked.set()

    def transport_gone(self, session: Session) -> None:
        """The socket of a session is gone."""
        self.transports.pop(session, None)
        if not self.transports:
            self._all_gone.set()

    def _tell(self, moment: Moment, *arguments: Any) -> None:
        if self.events.wants(moment):
            self.spawn(self.events.tell(moment, *arguments), f"a listener of {moment} failed")

    def _tell_in_order(self, moment: Moment, session: Session, destination: str) -> None:
        """Tells of a subscription before the session's next frame is looked at: who subscribes faster than the
        listeners listen is slowed down, and nothing piles up.
        """
        if not self.events.wants(moment):
            return
        if session.closed or session.busy:
            self._tell(moment, session, destination)
            return

        def done(_: Any, error: BaseException | None) -> None:
            if error is not None:
                self.problems.log_failure(session, error, destination, f"a listener of {moment} failed")

        session.run(self.events.tell(moment, session, destination), done)

    def close_session(self, session_id: str) -> bool:
        """Closes a session of this node; false if there is none of that id."""
        session = self.sessions.get(session_id)
        if session is None:
            return False
        session.error_and_end(Disconnects.CLOSED_BY_SERVER, "the session was closed by the server")
        return True

    def check_rate(self, session: Session) -> None:
        """Counts a SEND or SUBSCRIBE; raises `Problem` ``rate-limited`` beyond ``max_sends_per_s``."""
        limit = self.max_sends_per_s
        if not limit:
            return
        second = int(self.now())
        if session.rate_second != second:
            session.rate_second = second
            session.rate_used = 0
        session.rate_used += 1
        if session.rate_used > limit:
            raise Problem("rate-limited", f"a session may send {limit} frames a second (max_sends_per_s)")

    async def check_access(self, operation: Operation, destination: str, principal: Principal | None) -> None:
        """Holds a request that came by HTTP to the guards of a destination.

        Raises:
            Problem: a guard denies it, or the destination is malformed.
        """
        route = self.routes.find(operation, destination)
        if route.problem is not None:
            raise route.refusal(route.problem)
        if route.gate is not None:
            asking = StompSession(id="http", node_id=self.id, principal=principal)
            waits = route.gate.check(
                operation, Invocation(Message(destination, b""), asking, principal, route.path)
            )
            if waits is not None:
                await waits

    # Subscriptions.

    def _policy_of(self, destination: str) -> SlowPolicy:
        found = self._policies.match(destination)
        return DEFAULT_POLICY if found is None else found[0]

    def subscribe(self, session: Session, subscription: Subscription) -> Awaitable[None] | None:
        """Puts a topic subscription into the hub; the awaitable ends when the bus listens for it."""
        destination = subscription.destination
        ready = None
        self.hub.settle(destination)  # it may end the last subscriber, and with it what the bus listens for
        if session.closed:  # or this very session
            return None
        if destination not in self.hub:
            if len(self.hub) >= self.settings.max_topics:
                raise Problem("unavailable", "this node has no room for another destination (max_topics)")
            ready = self.bus.want(destination)
        version = session.wire.version
        assert version is not None
        subscription.cohort = (
            session.transport.framing,
            version,
            subscription.id if subscription.id_given else None,
        )
        self.hub.add(destination, subscription.cohort, session.outbox)
        self._tell_in_order("subscribe", session, destination)
        return ready

    def unsubscribe(self, session: Session, subscription: Subscription) -> None:
        """Takes a topic subscription out of the hub."""
        assert subscription.cohort is not None
        destination = subscription.destination
        self.hub.remove(destination, subscription.cohort, session.outbox)
        subscription.cohort = None
        if destination not in self.hub:
            self.bus.unwant(destination)
        self._tell_in_order("unsubscribe", session, destination)

    # From the bus.

    def _deliver(self, publication: Publication) -> None:
        """What the bus brings."""
        message = publication.message
        if publication.principal is None:
            self.hub.publish(message)
            return
        if self.prefixes.classify(message.destination) is Kind.SESSION:
            session = self.sessions.get(publication.principal)
            if session is not None:
                session.deliver_to_user(message)
            return
        for session in list(self.users.get(publication.principal, ())):
            session.deliver_to_user(message)

    def statistics(self) -> NodeStatistics:
        """Figures of now and since the start, of the node and its parts."""
        return node_statistics(self)

    @property
    def ready(self) -> bool:
        """Whether new clients should come here."""
        return self.accepting
