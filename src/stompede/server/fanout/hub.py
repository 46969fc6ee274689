"""The fan-out: from publications to the sockets of this node's subscribers.

Ticks and cohorts. Publications of one turn of the event loop are gathered per destination. At its end,
`Hub.flush` goes through the destinations that got something. Subscribers of a destination stand in *cohorts*:
same protocol version, same subscription id, same framing. A cohort's MESSAGE frames of the tick, WebSocket
headers included, are one `bytes` object that is made once and written once to every member.

Cohorts that differ only in the subscription id share nearly everything: a frame is ``before + id + after``,
and for ids of one length even the WebSocket header is the same. So a tick's frames are cut into pieces at the
places where the id stands, and the bytes for one cohort are ``id.join(pieces)``: one call in C, however many
messages the tick has.

There is no await in here, and no work per subscriber and message, but for sockets that are blocked.

A wildcard is a topic of its own, with cohorts like any other: a message goes to the topic of its destination, and to
those of the wildcards that match it. While no wildcard is subscribed to, nobody looks for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from stompede.messaging.message import Message
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.wildcards import Wildcard
from stompede.server.fanout.cuts import Cuts
from stompede.server.fanout.outbox import DEFAULT_POLICY, Offer, Outbox
from stompede.server.fanout.policies import SlowPolicy
from stompede.server.fanout.salvage import encodable
from stompede.server.fanout.topics import (
    Cohort,
    CohortKey,
    Listener,
    OfferOfTick,
    Pending,
    Shape,
    Topic,
    is_text,
    offers_of_tick,
    pieces_of_tick,
)
from stompede.server.fanout.wildcards import WildcardTopics
from stompede.transports.base import Framing
from stompede.wire.stomp import Version, escape

# A tick with more bodies than this is flushed early, so that no batch grows without bound.
FLUSH_BYTES: Final = 256 * 1024
_BURST_BYTES: Final = 256 * 1024  # encoded for small cohorts and not written yet
_MAX_SHAPES: Final = 1024
_FEW: Final = 8  # members of a cohort that is not worth a burst of its own

Burst = list[tuple[Callable[[bytes], None], bytes]]


class HubStatistics(msgspec.Struct, frozen=True):
    """What `Hub.statistics` tells.

    Attributes:
        topics: destinations and wildcards with a subscriber on this node.
        wildcards: of those, the wildcards.
        subscriptions: topic subscriptions on this node.
        published: messages that came in.
        delivered: messages times subscribers that went out.
        ticks: flushes.
        encoded: batches made, one per tick, destination and cohort.
        wildcards_resolved: destinations for which the wildcards that match them had to be found.
        unencodable: messages that were left out because no frame could be made of them.
    """

    topics: int
    wildcards: int
    subscriptions: int
    published: int
    delivered: int
    ticks: int
    encoded: int
    wildcards_resolved: int
    unencodable: int


def _write_burst(burst: Burst) -> None:
    """Writes one after the other: in turns with encoding, each would find the caches full of the other."""
    for write, data in burst:
        write(data)
    burst.clear()


class Hub:
    """All topic subscriptions of one node.

    Args:
        call_soon: the loop's ``call_soon``.
        id_prefix: what message ids begin with; differs at every boot, so that an id is never given twice.
        policy_of: the policy for a destination.
        write_first: called before anything is written: what stands before it in a session is written there.
        topic_prefix: of topics, the only destinations that wildcards are for.
        chunk_bytes: of messages that a blocked socket keeps or drops together.
    """

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], Any],
        id_prefix: str,
        policy_of: Callable[[str], SlowPolicy],
        write_first: Callable[[], None] | None = None,
        topic_prefix: str = "/topic",
        chunk_bytes: int = 0,
    ) -> None:
        self._call_soon = call_soon
        self._cuts = Cuts(call_soon)
        self._id_prefix = id_prefix
        self._policy_of = policy_of
        self._write_first = write_first
        self._topics: dict[str, Topic] = {}
        self._wildcards = WildcardTopics(topic_prefix)
        self._some_wildcards = False
        self._chunk_bytes = chunk_bytes
        self._shapes: dict[tuple[Framing, Version, int | None], Shape] = {}
        self._dirty: list[Topic] = []
        self._scheduled = False
        self._pending_bytes = 0
        self._next_id = 0
        self._subscriptions = 0
        self._published = 0
        self._delivered = 0
        self._ticks = 0
        self._encoded = self._unencodable = 0

    def statistics(self) -> HubStatistics:
        """Figures of now and since the start."""
        return HubStatistics(
            len(self._topics),
            len(self._wildcards),
            self._subscriptions,
            self._published,
            self._delivered,
            self._ticks,
            self._encoded,
            self._wildcards.looked_up,
            self._unencodable,
        )

    def __len__(self) -> int:
        return len(self._topics)

    def __contains__(self, destination: str) -> bool:
        return destination in self._topics

    def subscribers(self, destination: str) -> int:
        """How many subscriptions this node has on a destination."""
        topic = self._topics.get(destination)
        return 0 if topic is None else len(topic)

    def add(self, destination: str, key: CohortKey, outbox: Outbox) -> None:
        """Adds a subscriber. What is published from now on reaches it; what this tick has gathered already
        does not.
        """
        self.settle(destination)
        topic = self._topics.get(destination)
        if topic is None:
            topic = self._new_topic(destination)
        cohort = topic.cohorts.get(key)
        if cohort is None:
            cohort = topic.cohorts[key] = self._new_cohort(key)
        cohort.members[outbox] = None
        topic.look_for_only()
        outbox.topics += 1
        self._subscriptions += 1

    def listen(self, destination: str, listener: Listener) -> None:
        """Adds what takes messages one by one, as they come. What this tick has gathered already is not for it."""
        topic = self._topics.get(destination)
        if topic is None:
            topic = self._new_topic(destination)
        if topic.listeners is None:
            topic.listeners = {}
        topic.listeners[listener] = None
        self._subscriptions += 1

    def unlisten(self, destination: str, listener: Listener) -> None:
        """Takes a listener away."""
        topic = self._topics[destination]
        assert topic.listeners is not None
        del topic.listeners[listener]
        self._subscriptions -= 1
        if not topic.listeners:
            topic.listeners = None
            if not topic.cohorts:
                self._forget(topic)

    def _new_topic(self, destination: str) -> Topic:
        wildcard = None
        if holds_wildcard(destination):
            wildcard = Wildcard.parse(destination, self._wildcards.prefix)
        topic = self._topics[destination] = Topic(destination, self._policy_of(destination), wildcard)
        if wildcard is not None:
            self._wildcards.add(topic)
            self._some_wildcards = True
        return topic

    def _forget(self, topic: Topic) -> None:
        del self._topics[topic.destination]
        if topic.wildcard is not None:
            self._wildcards.remove(topic)
            self._some_wildcards = len(self._wildcards) > 0

    def settle(self, destination: str) -> None:
        """Delivers what this tick has gathered for a destination. Afterwards the destination may be gone: a
        subscriber that overflows is cut, and it may have been the last one.
        """
        topic = self._topics.get(destination)
        if topic is not None and topic.pending:
            self.flush()

    def _new_cohort(self, key: CohortKey) -> Cohort:
        framing, version, subscription = key
        sid = b"" if subscription is None else escape(version, subscription).encode()
        kind = (framing, version, None if subscription is None else len(sid))
        shape = self._shapes.get(kind)
        if shape is None:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()  # cohorts keep theirs; only later ones do not share it
            shape = self._shapes[kind] = Shape(*kind)
        return Cohort(shape, sid)

    def remove(self, destination: str, key: CohortKey, outbox: Outbox) -> None:
        """Takes a subscriber away; what this tick has gathered for it is delivered before."""
        topic = self._topics[destination]
        if topic.pending and not outbox.closed:
            self.flush()
        cohort = topic.cohorts[key]
        del cohort.members[outbox]
        outbox.topics -= 1
        self._subscriptions -= 1
        if not cohort.members:
            del topic.cohorts[key]
            if not topic.cohorts and topic.listeners is None:
                self._forget(topic)
        topic.look_for_only()

    def next_message_id(self) -> str:
        """An id that this node never gave before."""
        self._next_id += 1
        return f"{self._id_prefix}-{self._next_id}"

    def publish(self, message: Message, message_id: str | None = None) -> None:
        """Takes a message from the bus; its subscribers get it at the end of this turn of the loop.

        Args:
            message: what to deliver.
            message_id: its id, where it has one already.
        """
        self._published += 1
        topic = self._topics.get(message.destination)
        topics: tuple[Topic, ...]
        if self._some_wildcards:
            matching = self._wildcards.matching(message.destination)
            topics = matching if topic is None else (topic, *matching)
        else:
            topics = () if topic is None else (topic,)
        if not topics:
            return
        if message_id is None:
            self._next_id += 1
            message_id = f"{self._id_prefix}-{self._next_id}"
        body = message.body
        one = (message_id, message, body.isascii() or is_text(body))
        for topic in topics:
            if topic.listeners is not None:
                for listener in list(topic.listeners):
                    listener.take(message_id, message)
            if not topic.pending:
                self._dirty.append(topic)
            topic.pending.append(one)
            self._pending_bytes += len(body)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._end_of_tick)
        if self._pending_bytes > FLUSH_BYTES:
            self.flush()

    def _end_of_tick(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Writes what is gathered. Called at the end of a tick; earlier by `add` and `remove`, and when much
        is gathered.
        """
        dirty = self._dirty
        if not dirty:
            return
        if self._write_first is not None:
            self._write_first()
        self._dirty = []
        self._pending_bytes = 0
        self._ticks += 1
        overflown: list[Outbox] = []
        gathered: list[Outbox] | None = [] if len(dirty) > 1 or len(dirty[0].cohorts) > 1 else None
        burst: Burst = []
        for topic in dirty:
            only = topic.only
            pending = topic.pending
            topic.pending = []
            try:
                if only is None or only.outbox.blocked or only.outbox.topics > 1:
                    self._write_topic(topic, pending, burst, gathered, overflown)
                    continue
                burst.append((only.outbox.write, only.data(pending)))
            except Exception as error:  # costs the one message, and no other destination
                whole = encodable(topic, pending, error)
                self._unencodable += len(pending) - len(whole)
                if whole:
                    self._write_topic(topic, whole, burst, gathered, overflown)
                continue
            self._encoded += 1
            self._delivered += len(pending)
        _write_burst(burst)
        if gathered:
            self._write_gathered(gathered, overflown)
        if overflown:
            self._cuts.add(overflown)

    def cut(self, outboxes: list[Outbox]) -> None:
        """Gives up what waits for clients that take nothing; their sessions end, a few in a turn of the loop."""
        self._cuts.add(outboxes)

    def _write_topic(
        self, topic: Topic, pending: list[Pending], burst: Burst, gathered: list[Outbox] | None,
        overflown: list[Outbox],
    ) -> None:  # fmt: skip
        delivered = 0
        pieces_of: dict[Shape, list[bytes]] = {}
        for cohort in topic.cohorts.values():
            shape = cohort.shape
            pieces = pieces_of.get(shape)
            if pieces is None:
                pieces = pieces_of[shape] = pieces_of_tick(pending, shape)
            data = cohort.sid.join(pieces)
            delivered += len(cohort.members)
            in_burst = gathered is not None and len(cohort.members) <= _FEW
            slow: list[Outbox] | None = None
            for outbox in cohort.members:
                if outbox.blocked or (gathered is not None and outbox.topics > 1):
                    if slow is None:
                        slow = []
                    slow.append(outbox)
                elif in_burst:
                    burst.append((outbox.write, data))
                else:
                    outbox.write(data)
            if slow is not None:
                self._deliver_slowly(topic, cohort, pending, data, slow, gathered, overflown)
            if len(burst) * len(data) > _BURST_BYTES:
                _write_burst(burst)
        self._encoded += len(topic.cohorts)
        self._delivered += len(pending) * delivered

    def _deliver_slowly(
        self, topic: Topic, cohort: Cohort, pending: list[Pending], data: bytes, slow: list[Outbox],
        gathered: list[Outbox] | None, overflown: list[Outbox],
    ) -> None:  # fmt: skip
        """Subscribers whose socket is blocked, or who stand in more than one cohort of this tick."""
        offers: list[OfferOfTick] | None = None
        for outbox in slow:
            if not outbox.blocked:
                assert gathered is not None
                if outbox.gathered is None:
                    outbox.gathered = [data]
                    gathered.append(outbox)
                else:
                    outbox.gathered.append(data)
                outbox.gathered_bytes += len(data)
                if outbox.gathered_bytes > FLUSH_BYTES:  # else one message times many ids would be one write
                    parts, outbox.gathered, outbox.gathered_bytes = outbox.gathered, [], 0
                    outbox.write(b"".join(parts))
                continue
            if offers is None:
                offers = offers_of_tick(pending, topic, cohort, self._policy_of, self._chunk_bytes)
            for offered in offers:
                if outbox.offer(*offered) is Offer.OVERFLOW:
                    overflown.append(outbox)
                    break

    def _write_gathered(self, gathered: list[Outbox], overflown: list[Outbox]) -> None:
        for outbox in gathered:
            parts = outbox.gathered
            outbox.gathered = None
            outbox.gathered_bytes = 0
            if parts and not outbox.closed:
                if outbox.blocked:  # by one of our own writes of this tick
                    if outbox.offer(b"".join(parts), DEFAULT_POLICY, None) is Offer.OVERFLOW:
                        overflown.append(outbox)
                else:
                    outbox.write(parts[0] if len(parts) == 1 else b"".join(parts))
