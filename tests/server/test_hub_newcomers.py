"""A subscriber that comes while the one before it is cut."""

from __future__ import annotations

from collections.abc import Callable

from stompede.messaging.message import Message
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.outbox import Outbox, OutboxCounters
from stompede.server.fanout.policies import Cut
from stompede.transports import WEBSOCKET
from stompede.wire.stomp import Version


def test_a_newcomer_is_heard_though_the_flush_before_it_cuts_the_only_other_subscriber() -> None:
    later: list[Callable[[], None]] = []
    hub = Hub(later.append, "m", lambda _: Cut())
    counters = OutboxCounters()
    key = (WEBSOCKET, Version.V1_2, "0")

    def cut() -> None:
        slow.close()
        hub.remove("/topic/x", key, slow)

    slow = Outbox(lambda _: None, 10, counters, cut)
    hub.add("/topic/x", key, slow)
    slow.block(0.0)
    hub.publish(Message("/topic/x", b"more than ten bytes"))

    got: list[bytes] = []
    newcomer = Outbox(got.append, 1000, counters, lambda: None)
    hub.add("/topic/x", key, newcomer)
    hub.publish(Message("/topic/x", b"news"))
    for callback in later:
        callback()

    assert slow.closed
    assert "/topic/x" in hub
    assert len(got) == 1
    assert b"news" in got[0]
    hub.remove("/topic/x", key, newcomer)
    assert len(hub) == 0
