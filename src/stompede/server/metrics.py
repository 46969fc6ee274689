"""The figures of a node for Prometheus: counted as plain integers on the message path, read only when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stompede.server import cluster_metrics
from stompede.server.recovery import history_metrics

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.statistics import NodeStatistics

Figure = Callable[["NodeStatistics"], float]

_GAUGES: Final[tuple[tuple[str, str, Figure], ...]] = (
    ("stompede_sessions", "Sessions that got CONNECTED.", lambda s: s.sessions),
    (
        "stompede_connections",
        "Sockets, those that are connecting or closing included.",
        lambda s: s.connections,
    ),
    ("stompede_connecting", "Sockets that have not sent CONNECT.", lambda s: s.connecting),
    ("stompede_members", "Principals with at least one session.", lambda s: s.members),
    ("stompede_subscriptions", "Topic and queue subscriptions.", lambda s: s.hub.subscriptions),
    (
        "stompede_destinations",
        "Destinations and wildcards with at least one subscriber.",
        lambda s: s.hub.topics,
    ),
    ("stompede_wildcards", "Of those, wildcards.", lambda s: s.hub.wildcards),
    ("stompede_outbox_blocked", "Sessions whose socket takes no bytes now.", lambda s: s.outboxes.blocked),
    ("stompede_outbox_bytes", "Bytes that wait for slow clients.", lambda s: s.outboxes.queued_bytes),
    (
        "stompede_threadsafe_queued",
        "Publications of other threads that wait for the loop.",
        lambda s: s.publisher.threadsafe_queued,
    ),
    ("stompede_routes_remembered", "Destinations whose route is remembered.", lambda s: s.routes.remembered),
    ("stompede_deadlines_waiting", "Deadlines of sessions that wait.", lambda s: s.deadlines.waiting),
    ("stompede_handlers_running", "Handlers that wait for something now.", lambda s: s.handlers.running),
    ("stompede_handlers_queued", "Handlers that wait for their turn.", lambda s: s.handlers.queued),
    ("stompede_pool_threads", "Threads for blocking handlers.", lambda s: s.pool.threads),
    ("stompede_pool_running", "Threads that are busy.", lambda s: s.pool.running),
    ("stompede_pool_queued", "Blocking calls that wait for a thread.", lambda s: s.pool.queued),
    ("stompede_queues", "Queues that hold messages.", lambda s: s.queues.store.queues),
    ("stompede_queue_waiting", "Messages that wait in queues.", lambda s: s.queues.store.waiting),
    (
        "stompede_queue_unacknowledged",
        "Messages of queues that were delivered and not acknowledged.",
        lambda s: s.queues.store.taken,
    ),
    ("stompede_queue_bytes", "Bytes of all messages in queues.", lambda s: s.queues.store.size_bytes),
    ("stompede_queue_consumers", "Consumers of queues on this node.", lambda s: s.queues.consumers),
    ("stompede_temporary_queues", "Temporary queues of sessions here.", lambda s: s.temporary_queues),
    (
        "stompede_topic_consumers",
        "Subscriptions to topics that acknowledge.",
        lambda s: s.topic_acks.consumers,
    ),
    (
        "stompede_topic_waiting",
        "Messages that wait for subscriptions to topics that acknowledge.",
        lambda s: s.topic_acks.waiting,
    ),
    (
        "stompede_topic_waiting_bytes",
        "Bytes of messages that wait for subscriptions to topics that acknowledge.",
        lambda s: s.topic_acks.waiting_bytes,
    ),
    ("stompede_transactions_open", "Transactions that are open.", lambda s: s.transactions.open),
    (
        "stompede_transactions_bytes",
        "Bytes of messages in transactions that are open.",
        lambda s: s.transactions.size_bytes,
    ),
    (
        "stompede_head_cache_entries",
        "Header blocks whose parsed form is remembered.",
        lambda s: s.heads.entries,
    ),
    (
        "stompede_tokens_remembered",
        "Verified tokens that are remembered.",
        lambda s: s.tokens.remembered.entries,
    ),
    (
        "stompede_presence_members",
        "Members times destinations that note who is there.",
        lambda s: s.presence.members,
    ),
    (
        "stompede_presence_guests",
        "Anonymous sessions times destinations that note who is there.",
        lambda s: s.presence.guests,
    ),
    (
        "stompede_presence_unnoted",
        "Members of this node that the presence table has no room for.",
        lambda s: s.presence.unnoted,
    ),
    ("stompede_presence_leaving", "Members that may still come back.", lambda s: s.presence.leaving),
    ("stompede_loop_lag_seconds", "How late the event loop called the node's clock.", lambda s: s.loop_lag_s),
)

_COUNTERS: Final[tuple[tuple[str, str, Figure], ...]] = (
    (
        "stompede_connections_accepted",
        "Handshakes that were accepted. Each is one session that ends, whether it got CONNECTED or not.",
        lambda s: s.accepted_total,
    ),
    ("stompede_sessions_started", "Sessions that got CONNECTED.", lambda s: s.connected_total),
    (
        "stompede_handshakes_refused",
        "Handshakes refused because the node was full or stopping, or the address came too often.",
        lambda s: s.refused_total,
    ),
    (
        "stompede_messages_published",
        "Messages that the bus brought for topics and queues.",
        lambda s: s.hub.published,
    ),
    ("stompede_messages_delivered", "Messages times subscribers.", lambda s: s.hub.delivered),
    (
        "stompede_messages_unencodable",
        "Messages that were left out because no frame could be made of them.",
        lambda s: s.hub.unencodable,
    ),
    (
        "stompede_wildcards_resolved",
        "Destinations for which the wildcards that match them had to be found.",
        lambda s: s.hub.wildcards_resolved,
    ),
    ("stompede_ticks", "Turns of the loop that delivered something.", lambda s: s.hub.ticks),
    (
        "stompede_batches_encoded",
        "Batches encoded, one per tick, destination and cohort.",
        lambda s: s.hub.encoded,
    ),
    (
        "stompede_messages_dropped",
        "Messages dropped for slow clients by policy.",
        lambda s: s.outboxes.dropped,
    ),
    (
        "stompede_messages_conflated",
        "Waiting messages replaced by a newer one.",
        lambda s: s.outboxes.conflated,
    ),
    (
        "stompede_slow_consumers",
        "Sessions closed because they read too slowly.",
        lambda s: s.outboxes.overflows,
    ),
    (
        "stompede_application_published",
        "Publications of the application to topics and queues.",
        lambda s: s.publisher.published,
    ),
    (
        "stompede_application_sent_to_users",
        "Messages of the application to sessions and members.",
        lambda s: s.publisher.sent_to_users,
    ),
    (
        "stompede_threadsafe_refused",
        "Publications of other threads refused because the queue was full.",
        lambda s: s.publisher.threadsafe_refused,
    ),
    (
        "stompede_threadsafe_failed",
        "Publications of other threads that failed later.",
        lambda s: s.publisher.threadsafe_failed,
    ),
    ("stompede_routes_resolved", "Destinations looked up in full.", lambda s: s.routes.resolved),
    ("stompede_routes_refused", "Destinations that cannot be served.", lambda s: s.routes.refused),
    (
        "stompede_routes_forgotten",
        "Times that all routes were forgotten, because there were too many.",
        lambda s: s.routes.forgotten,
    ),
    ("stompede_deadlines_failed", "Deadlines of sessions that failed.", lambda s: s.deadlines.failed),
    ("stompede_received_bytes", "Payload bytes from clients.", lambda s: s.bytes_in),
    ("stompede_answered_bytes", "Bytes of answers, receipts and errors.", lambda s: s.bytes_out),
    ("stompede_heart_beats_sent", "Heart-beats sent.", lambda s: s.heart_beats_out),
    (
        "stompede_reading_paused",
        "Times that a socket was not read because its session was busy.",
        lambda s: s.reading_paused_total,
    ),
    (
        "stompede_reading_slowed",
        "Times that a socket was not read because more came than max_inbound_bytes_per_s.",
        lambda s: s.reading_slowed_total,
    ),
    (
        "stompede_frames_rate_limited",
        "Frames refused because more came than max_sends_per_s.",
        lambda s: s.rate_limited_total,
    ),
    (
        "stompede_addresses_limited",
        "Handshakes refused because more came than max_connects_per_address_per_s.",
        lambda s: s.address_limited_total,
    ),
    ("stompede_handlers_started", "Handlers started.", lambda s: s.handlers.started),
    ("stompede_handlers_waited", "Handlers that had to wait for something.", lambda s: s.handlers.waited),
    (
        "stompede_handlers_timed_out",
        "Handlers cancelled after handler_timeout_s.",
        lambda s: s.handlers.timed_out,
    ),
    (
        "stompede_handlers_given_up",
        "Handlers that did not end when they were cancelled.",
        lambda s: s.handlers.given_up,
    ),
    ("stompede_pool_refused", "Blocking calls refused because the queue was full.", lambda s: s.pool.refused),
    ("stompede_pool_done", "Blocking calls that ended.", lambda s: s.pool.done),
    ("stompede_queue_appended", "Messages that queues took.", lambda s: s.queues.store.appended),
    (
        "stompede_queue_full",
        "Messages that queues refused, because they were full.",
        lambda s: s.queues.store.refused,
    ),
    (
        "stompede_queue_dropped",
        "Messages that full queues dropped, by drop-oldest.",
        lambda s: s.queues.store.dropped,
    ),
    ("stompede_queue_delivered", "Messages of queues delivered.", lambda s: s.queues.delivered),
    (
        "stompede_queue_redelivered",
        "Messages of queues delivered again.",
        lambda s: s.queues.redelivered,
    ),
    (
        "stompede_queue_acknowledged",
        "Messages of queues acknowledged.",
        lambda s: s.queues.acknowledged,
    ),
    (
        "stompede_queue_refused",
        "Messages of queues refused by NACK.",
        lambda s: s.queues.refused,
    ),
    (
        "stompede_queue_dead",
        "Messages of queues that were delivered too often.",
        lambda s: s.queues.dead,
    ),
    ("stompede_queue_expired", "Messages of queues whose time was over.", lambda s: s.queues.expired),
    (
        "stompede_queue_dead_letters",
        "Dead and expired messages that went to dead-letter queues.",
        lambda s: s.queues.buried,
    ),
    (
        "stompede_topic_redelivered",
        "Messages of topics delivered again after NACK.",
        lambda s: s.topic_acks.redelivered,
    ),
    (
        "stompede_topic_acknowledged",
        "Messages of topics acknowledged.",
        lambda s: s.topic_acks.acknowledged,
    ),
    (
        "stompede_topic_acks_dropped",
        "Messages of topics that acknowledging subscribers did not get.",
        lambda s: s.topic_acks.dropped,
    ),
    (
        "stompede_transactions_committed",
        "Transactions that took effect.",
        lambda s: s.transactions.committed,
    ),
    ("stompede_transactions_aborted", "Transactions aborted.", lambda s: s.transactions.aborted),
    (
        "stompede_transactions_refused",
        "COMMITs that took no effect.",
        lambda s: s.transactions.refused,
    ),
    ("stompede_problems_unheard", "Soft errors that no client heard.", lambda s: s.problems_unheard),
    ("stompede_replies_unheard", "Results of handlers that no client heard.", lambda s: s.replies_unheard),
    (
        "stompede_presence_events",
        "Joins and leaves that were told one by one.",
        lambda s: s.presence.told,
    ),
    (
        "stompede_presence_events_withheld",
        "Joins and leaves that went into a count, because there were too many.",
        lambda s: s.presence.withheld,
    ),
    ("stompede_presence_counts", "Counts that were told.", lambda s: s.presence.counted),
    (
        "stompede_presence_failed",
        "Updates of the presence table that failed and were repeated, and events that the bus did not take.",
        lambda s: s.presence.failed,
    ),
    (
        "stompede_presence_full",
        "Times that a member was not noted, because the presence table was full; it is tried again.",
        lambda s: s.presence.table.refused,
    ),
    (
        "stompede_presence_info_refused",
        "Times that what is told of a member could not be made, or was too large.",
        lambda s: s.presence.info_refused,
    ),
    ("stompede_tokens_verified", "Tokens verified in full.", lambda s: s.tokens.verified),
    ("stompede_tokens_refused", "Tokens refused.", lambda s: s.tokens.refused),
    ("stompede_tokens_expired", "Tokens refused because they had expired.", lambda s: s.tokens.expired),
)


class NodeCollector(Collector):
    """Reads the statistics of the running node at each scrape.

    Args:
        node: gives the running node, or ``None``.
    """

    def __init__(self, node: Callable[[], Node | None]) -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        node = self._node()
        if node is None:
            return
        figures = node.statistics()
        for name, text, figure in (*_GAUGES, *history_metrics.GAUGES, *cluster_metrics.GAUGES):
            yield GaugeMetricFamily(name, text, value=figure(figures))
        for name, text, figure in (*_COUNTERS, *history_metrics.COUNTERS, *cluster_metrics.COUNTERS):
            yield CounterMetricFamily(name, text, value=figure(figures))
        yield _labelled(
            "stompede_sessions_ended",
            "Sessions that ended, by reason; those that never got CONNECTED, too.",
            "reason",
            figures.ended,
        )
        yield _labelled("stompede_problems", "Soft errors, by code.", "code", figures.problems)


def _labelled(name: str, text: str, label: str, values: object) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    assert isinstance(values, dict)
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
