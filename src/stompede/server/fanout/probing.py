"""The channel of one node: whether the bus still brings what is published, and what other nodes order.

A node that went deaf says so.

A connection may stand while nothing comes any more: its server hangs, or the network swallows what is sent. So a node
that shares its bus sends itself a message about once a second. When none has come back for `bus_deaf_s`, the node is
not ready: a balancer sends new clients elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, final

import msgspec
import structlog

from stompede.bus import Bus
from stompede.errors import BusError
from stompede.messaging.message import Message
from stompede.server.fanout.publication import Publication

log = structlog.get_logger("stompede.bus")


class ProbeStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Probe.statistics` tells.

    Attributes:
        deaf: whether the bus brings nothing.
        times_deaf: how often that began.
        round_trip_s: how long the last own message was on its way.
    """

    deaf: bool = False
    times_deaf: int = 0
    round_trip_s: float = 0.0


def channel_of_node(node_id: str) -> str:
    """What is for one node is published on this channel, as it is the destination."""
    return f"/node/{node_id}"


@final
class Probe:
    """Listens to itself.

    Args:
        bus: the bus.
        node_id: names the channel, which is nobody else's.
        deaf_s: after so many seconds without an own message the node is deaf.
        spawn: runs what waits for the bus.
        ordered: gets what another node sends.
        now: the node's clock.

    Attributes:
        channel: what this node listens to.
        deaf: whether the bus brings nothing.
    """

    def __init__(
        self,
        bus: Bus[Publication],
        node_id: str,
        deaf_s: float,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        ordered: Callable[[bytes], None],
        now: Callable[[], float],
    ) -> None:
        self._now = now
        self.channel = channel_of_node(node_id)
        self._ordered = ordered
        self._bus = bus
        self._deaf_s = deaf_s
        self._spawn = spawn
        self._message = Publication(Message(self.channel, b""))
        self._sent: float | None = None
        self._heard = 0.0
        self._round_trip_s = 0.0
        self._times_deaf = 0
        self.deaf = False

    def statistics(self) -> ProbeStatistics:
        """Figures of now and since the start."""
        return ProbeStatistics(self.deaf, self._times_deaf, self._round_trip_s)

    async def start(self, now: float) -> None:
        """Listens from now on.

        Raises:
            BusError: the bus does not.
        """
        self._heard = now
        ready = self._bus.want(self.channel)
        if ready is not None:
            await ready

    def each_second(self, now: float) -> None:
        """Sends the next one, and sees whether the last one came."""
        if now - self._heard >= self._deaf_s and not self.deaf:
            self.deaf = True
            self._times_deaf += 1
            log.error("the bus brings nothing: this node is not ready", silent_s=round(now - self._heard, 1))
        self._sent = now
        try:
            taken = self._bus.publish(self.channel, self._message)
        except BusError:
            return  # it is noticed by the silence
        if taken is not None:
            self._spawn(self._wait(taken))

    @staticmethod
    async def _wait(taken: Awaitable[None]) -> None:
        try:
            await taken
        except BusError as error:
            log.debug("a probe was not taken", reason=str(error))

    def before(self, deliver: Callable[[Publication], None]) -> Callable[[Publication], None]:
        """What takes out of all that the bus brings what is for this."""
        channel = self.channel

        def sorted_out(publication: Publication) -> None:
            if publication.message.destination == channel:
                self._came(publication.message.body, self._now())
            else:
                deliver(publication)

        return sorted_out

    def _came(self, body: bytes, now: float) -> None:
        """One came back, or an order of another node came, which shows as well that the bus brings something."""
        if body:
            self._ordered(body)
        self._heard = now
        if self._sent is not None:
            self._round_trip_s = now - self._sent
        if self.deaf:
            self.deaf = False
            log.info("the bus brings messages again")
