"""The node: one server process with its sessions, its hub and its place on the bus.

This module joins the rooms of a node. What goes on in them stands in modules of their own: who is here in
`sessions`, what is subscribed and delivered in `delivery`, time in `ticking`, the end in `stopping`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, final

import structlog

from stompede._types import Principal
from stompede.auth import KeyUnknown, TokenVerifier
from stompede.messaging import codecs
from stompede.messaging.commands import SendCommand
from stompede.messaging.destinations import Prefixes
from stompede.messaging.guards import Operation
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession
from stompede.registry import NodeInfo, SessionReporter
from stompede.server import stopping
from stompede.server.admission import Admission
from stompede.server.aging import Aging
from stompede.server.backends import Backends
from stompede.server.deadlines import Deadlines
from stompede.server.describing import node_info
from stompede.server.draining import Drain
from stompede.server.fanout.delivery import Delivery
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.outbox import OutboxCounters
from stompede.server.fanout.probing import Probe
from stompede.server.fanout.publishing import Publisher
from stompede.server.gateway import Gateway
from stompede.server.handlers.answers import Answers
from stompede.server.handlers.pool import Pool
from stompede.server.handlers.routes import Routes
from stompede.server.handlers.running import HandlerRunner
from stompede.server.handlers.turns import Turns
from stompede.server.limits import wire_limits
from stompede.server.moving import Mover
from stompede.server.options import OptionsTable
from stompede.server.orders import Orders
from stompede.server.presence.presence import Presence
from stompede.server.problems import Problems
from stompede.server.program import Program
from stompede.server.queues.queues import Queues
from stompede.server.queues.temporary import TemporaryQueues
from stompede.server.queues.topic_acks import TopicAcksStatistics
from stompede.server.recovery.histories import Histories
from stompede.server.recovery.losses import Losses
from stompede.server.recovery.recovery import Recoverer
from stompede.server.session.beating import HeartBeats
from stompede.server.session.session import Session
from stompede.server.session.sessions import Sessions
from stompede.server.session.telling import Teller
from stompede.server.session.transactions import TransactionsStatistics
from stompede.server.settings import Settings
from stompede.server.statistics import NodeStatistics, node_statistics
from stompede.server.ticking import Ticker
from stompede.transports.base import Receiver, Refusal, Transport
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
        backends: what the node shares with others.
        verifier: proves tokens.
        pool: threads for blocking work.
        url: WebSocket URL at which clients connect, once it is known.
        routed: the URL that the routing table has for a key.
        transports_tick: does what is due in transports; called four times a second.
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
        backends: Backends,
        verifier: TokenVerifier,
        pool: Pool,
        url: Callable[[], str] = lambda: "",
        routed: Callable[[str], Awaitable[str | None]] | None = None,
        transports_tick: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.prefixes = prefixes
        self.backends = backends
        self.bus = backends.bus
        self.verifier = verifier
        self.pool = pool
        self.now = clock
        self.unix_now = unix_clock
        self.url = url
        self.id = backends.node_id
        self.server_name = "stompede"
        self.encode = codecs.encode
        self.interceptors = program.interceptors
        self.events = program.events
        self.authenticate = program.authenticate
        self.send_interceptors = program.interceptors.wants(SendCommand)
        self.send_interceptors_wait = program.interceptors.needs_await(SendCommand)
        self.max_sends_per_s = settings.max_sends_per_s
        self.options = OptionsTable(program.destinations)
        self.routes = Routes(
            prefixes,
            program.messages,
            program.subscribes,
            program.guards,
            self.options,
            settings.max_destination_bytes,
        )
        self.problems = Problems(program.errors, prefixes.errors, lambda: secrets.token_hex(8))
        self.wire_limits = wire_limits(settings)
        self.heart_beat = stomp.HeartBeat(settings.heart_beat_send_ms, settings.heart_beat_receive_ms)
        self.head_cache = stomp.HeadCache(settings.head_cache)
        self.accepting = False
        self._loop: asyncio.AbstractEventLoop
        teller = Teller(self.events, self.problems, self.spawn)
        self.orders = Orders(self)
        self.drain_node = self.orders.drain
        self._furnish_fan_out()
        self._furnish_queues(teller)
        self._furnish_attendance(teller)
        self.presence: Presence | None = None
        if any(options.presence for _, options in program.destinations):
            self.presence = Presence(self, backends.presence, program.presence_info)
        self.ticker = Ticker(self, transports_tick)
        self.drain = Drain(self)
        self.mover = Mover(self)
        self.gateway = Gateway(
            backends.registry if backends.shared else None,
            self.describe,
            routed,
            clock,
            unix_clock,
        )

    def _furnish_fan_out(self) -> None:
        """What goes out to sessions, and what is kept of it."""
        settings = self.settings
        self.outbox_counters = OutboxCounters()
        self.answers = Answers(self.call_soon)
        self.hub = Hub(
            self.call_soon,
            secrets.token_hex(4),
            self.options.policy_of,
            self.answers.write,
            self.prefixes.topic,
            settings.outbound_bytes // 64,
        )
        self.losses = Losses(self)
        self.histories = Histories(
            self.backends.history, self.bus, self.hub, lambda: self.now(), self.losses.add
        )
        self.probe: Probe | None = None
        if self.backends.shared:
            self.probe = Probe(
                self.bus, self.id, settings.bus_deaf_s, self.histories.spawn, self.orders.obey, self.now
            )

    def _furnish_queues(self, teller: Teller) -> None:
        """Queues, what is acknowledged, and what is published to all of it."""
        settings = self.settings
        self.turns = Turns(self.call_soon)
        self.queues = Queues(
            settings,
            self.options,
            self.backends.queues,
            self.turns,
            lambda: self.unix_now(),
            self.spawn,
            teller,
        )
        self.temporary = TemporaryQueues(
            self.prefixes, self.queues, settings.max_temporary_queues, settings.max_destination_bytes
        )
        self.queues.check = self.temporary.check
        self.transactions = TransactionsStatistics()
        self.topic_acks = TopicAcksStatistics()
        self.publisher = Publisher(
            settings,
            self.prefixes,
            self.bus,
            self.options,
            self.histories,
            self.problems,
            self.spawn,
            self.queues.put,
        )

    def _furnish_attendance(self, teller: Teller) -> None:
        """Who is here, what they hear, and what they may."""
        self.deadlines = Deadlines()
        self.heart_beats = HeartBeats(self)
        self.bytes_in = self.bytes_out = self.heart_beats_out = self.readers_paused = 0
        attendance = self.attendance = Sessions(teller, self.unix_now)
        self.delivery = Delivery(
            self.prefixes, self.bus, self.hub, self.histories, attendance, teller, self.settings.max_topics
        )
        if self.backends.shared:
            attendance.reporter = SessionReporter(
                self.backends.registry, info=self.describe, sessions=attendance.entries, spawn=self.spawn,
                unix_now=self.unix_now, ttl_s=self.settings.registry_ttl_s,
            )  # fmt: skip
        if self.settings.max_connection_age_s:
            attendance.aging = Aging(self)
        self.recoverer = Recoverer(self, self.delivery, self.histories)
        self.admission = Admission(self)
        self.runner: HandlerRunner
        # What sessions use all the time, without the way through the room that it stands in.
        self.sessions = attendance.connected
        self.users = attendance.users
        self.blocked = attendance.blocked
        self.transports = attendance.transports
        self.ends = attendance.ends
        self.check_rate = self.admission.check_rate
        self.session_connected = attendance.begun
        self.session_ended = attendance.ended
        self.unblocked = attendance.unblocked
        self.transport_gone = attendance.gone

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
                    await self.runner.aclose()
                    self.histories.close()
                    await self.bus.aclose()
                    await self.queues.aclose()
                    await self.histories.store.aclose()
                    await self.backends.registry.aclose()
                    await self.backends.presence.aclose()
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
        self.histories.start(group)
        await self.queues.start()
        deliver = self.delivery.deliver
        await self.bus.start(deliver if self.probe is None else self.probe.before(deliver), self._interrupted)
        if self.probe is not None:
            await self.probe.start(self.now())
        self.runner = HandlerRunner(self._loop, settings.max_handlers, settings.handler_timeout_s)
        self.ticker.start(self._loop)
        if self.presence is not None:
            await self.presence.start()
        self.accepting = True
        if self.attendance.reporter is not None:
            await self.attendance.reporter.start()
        log.info("node started", node=self.id)

    def _interrupted(self) -> None:
        """The bus may have missed something: what has positions is checked, whoever else subscribes is told."""
        log.warning("the bus was interrupted", node=self.id)
        self.histories.check_all()
        self.losses.add_all()

    async def stop(self) -> None:
        """Takes no new sessions and no new frames, lets handlers end, sends what is queued, closes with 1012.
        Idempotent.
        """
        await stopping.stop(self)

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

    def refuse(self, address: str = "") -> Refusal | None:
        """See `Acceptor`."""
        return self.admission.refuse(address)

    def accept(self, transport: Transport) -> Receiver:
        """See `Acceptor`."""
        session = Session(self, transport, f"{secrets.token_hex(10)}")
        self.attendance.accepted(session)
        return session

    def who_is_on(self, destination: str) -> Presence:
        """What knows who is on a destination.

        Raises:
            Problem: ``not-found``: nobody does.
        """
        if self.presence is None or not self.routes.has_presence(destination):
            raise Problem(
                "not-found",
                f"nobody notes who is on {destination}: app.destination(..., presence=True) asks for it",
            )
        return self.presence

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
                operation, Invocation(Message(route.asked_of, b""), asking, principal, route.path)
            )
            if waits is not None:
                await waits

    def describe(self) -> NodeInfo:
        """What other nodes and the gateway know of this one."""
        return node_info(self)

    def statistics(self) -> NodeStatistics:
        """Figures of now and since the start, of the node and its parts."""
        return node_statistics(self)

    @property
    def ready(self) -> bool:
        """Whether new clients should come here."""
        deaf = self.probe is not None and self.probe.deaf
        return self.accepting and not self.drain.draining and not deaf
