"""The figures of a node in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from stompede.auth.verifier import VerifierStatistics
from stompede.bus import BusStatistics
from stompede.registry import ReporterStatistics
from stompede.server.aging import AgingStatistics
from stompede.server.deadlines import DeadlinesStatistics
from stompede.server.draining import DrainStatistics
from stompede.server.fanout.hub import HubStatistics
from stompede.server.fanout.outbox import OutboxCounters
from stompede.server.fanout.probing import ProbeStatistics
from stompede.server.fanout.publishing import PublisherStatistics
from stompede.server.gateway import GatewayStatistics
from stompede.server.handlers.pool import PoolStatistics
from stompede.server.handlers.routes import RoutesStatistics
from stompede.server.handlers.running import RunningStatistics
from stompede.server.presence.presence import PresenceStatistics
from stompede.server.queues.queues import QueuesStatistics
from stompede.server.queues.topic_acks import TopicAcksStatistics
from stompede.server.recovery.histories import HistoriesStatistics
from stompede.server.recovery.recovering import RecoveryStatistics
from stompede.server.session.sessions import SessionsStatistics
from stompede.server.session.transactions import TransactionsStatistics
from stompede.store import HistoryStatistics
from stompede.wire.stomp import HeadCacheStatistics

if TYPE_CHECKING:
    from stompede.server.node import Node


class NodeStatistics(SessionsStatistics, frozen=True):
    """What `Node.statistics` tells, besides who is here.

    Attributes:
        problems: soft errors, by code.
        problems_unheard: soft errors that no client heard.
        replies_unheard: results of handlers that no client heard.
        bytes_in: payload bytes from clients.
        bytes_out: bytes of answers; what the hub sent is counted in messages.
        heart_beats_out: heart-beats sent.
        reading_paused_total: how often a socket was not read because its session was busy.
        reading_slowed_total: how often a socket was not read because more came than ``max_inbound_bytes_per_s``.
        rate_limited_total: frames refused because more came than ``max_sends_per_s``.
        address_limited_total: handshakes refused because more came than ``max_connects_per_address_per_s``.
        loop_lag_s: how late the node's clock was called last.
        hub: fan-out.
        outboxes: queues of slow clients.
        history: what is kept of destinations with history.
        histories: positions of what the bus brings.
        recovery: subscriptions that catch up.
        publisher: what the application publishes.
        routes: destinations that are remembered.
        deadlines: what waits for a time.
        handlers: running handlers.
        pool: threads.
        bus: the bus.
        queues: queues and their consumers.
        temporary_queues: temporary queues of sessions here, whether or not something is in them.
        topic_acks: topics whose subscribers acknowledge.
        transactions: transactions of sessions.
        heads: the cache of header blocks.
        tokens: the token verifier.
        presence: who is on destinations; zeros where the application asks for none.
        probe: what the node sends itself by a bus that it shares; zeros where it is alone.
        registry: what the registry is told; zeros where the node is alone.
        gateway: where new clients were sent.
        drain: clients that were moved to other nodes.
        aging: clients that were moved because of their age; zeros where none is.
    """

    problems: Mapping[str, int]
    problems_unheard: int
    replies_unheard: int
    bytes_in: int
    bytes_out: int
    heart_beats_out: int
    reading_paused_total: int
    reading_slowed_total: int
    rate_limited_total: int
    address_limited_total: int
    loop_lag_s: float
    hub: HubStatistics
    outboxes: OutboxCounters
    history: HistoryStatistics
    histories: HistoriesStatistics
    recovery: RecoveryStatistics
    publisher: PublisherStatistics
    routes: RoutesStatistics
    deadlines: DeadlinesStatistics
    handlers: RunningStatistics
    pool: PoolStatistics
    bus: BusStatistics
    queues: QueuesStatistics
    temporary_queues: int
    topic_acks: TopicAcksStatistics
    transactions: TransactionsStatistics
    heads: HeadCacheStatistics
    tokens: VerifierStatistics
    presence: PresenceStatistics
    probe: ProbeStatistics
    registry: ReporterStatistics
    gateway: GatewayStatistics
    drain: DrainStatistics
    aging: AgingStatistics


def node_statistics(node: Node) -> NodeStatistics:
    """Gathers the figures of a node."""
    reporter, aging = node.attendance.reporter, node.attendance.aging
    return NodeStatistics(
        **msgspec.structs.asdict(node.attendance.statistics()),
        problems=dict(node.problems.counts),
        problems_unheard=node.problems.unheard,
        replies_unheard=node.problems.replies_unheard,
        bytes_in=node.bytes_in,
        bytes_out=node.bytes_out,
        heart_beats_out=node.heart_beats_out,
        reading_paused_total=node.readers_paused,
        reading_slowed_total=node.admission.reading_slowed,
        rate_limited_total=node.admission.rate_limited,
        address_limited_total=node.admission.address_limited,
        loop_lag_s=node.ticker.lag_s,
        hub=node.hub.statistics(),
        outboxes=msgspec.structs.replace(node.outbox_counters),
        history=node.histories.store.statistics(),
        histories=node.histories.statistics(),
        recovery=node.recoverer.statistics(),
        publisher=node.publisher.statistics(),
        routes=node.routes.statistics(),
        deadlines=node.deadlines.statistics(),
        handlers=node.runner.statistics(),
        pool=node.pool.statistics(),
        bus=node.bus.statistics(),
        queues=node.queues.statistics(),
        temporary_queues=len(node.temporary),
        topic_acks=msgspec.structs.replace(node.topic_acks),
        transactions=msgspec.structs.replace(node.transactions),
        heads=node.head_cache.statistics(),
        tokens=node.verifier.statistics(),
        presence=PresenceStatistics() if node.presence is None else node.presence.statistics(),
        probe=ProbeStatistics() if node.probe is None else node.probe.statistics(),
        registry=ReporterStatistics() if reporter is None else reporter.statistics(),
        gateway=node.gateway.statistics(),
        drain=node.drain.statistics(),
        aging=AgingStatistics() if aging is None else aging.statistics(),
    )
