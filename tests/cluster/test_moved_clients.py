"""Clients of a drained node, over real sockets: they go on at the other node and miss nothing."""

from __future__ import annotations

import uuid

from redisserving import running_redis
from serving import make_app, serving, until, until_told
from stompede import History, Stompede, connect
from stompede.client import Backoff
from stompede.server.draining import DrainOrder

NEVER_YET = Backoff(initial_s=300, max_s=300, jitter=False)


def a_node(url: str, namespace: str) -> Stompede:
    app = make_app(bus=url, namespace=namespace)
    app.destination("/topic/log/{name}", history=History(count=100))
    return app


async def test_a_client_of_a_drained_node_goes_on_at_the_other_and_misses_nothing() -> None:
    namespace = f"test-{uuid.uuid4().hex}"
    with running_redis() as redis:
        async with serving(a_node(redis.url, namespace)) as one, serving(a_node(redis.url, namespace)) as two:

            async def both_known() -> bool:
                return len(await two.node.gateway.nodes()) == 2

            await until_told(both_known)
            async with (
                connect(one.url, reconnect=NEVER_YET) as client,
                client.subscribe("/topic/log/x", int) as log,
            ):
                for number in range(5):
                    await two.app.publish("/topic/log/x", number)
                assert [(await log.next()).body for _ in range(5)] == list(range(5))
                await two.node.drain_node(one.node.id, DrainOrder(rate_per_s=100, within_s=5))
                await until(lambda: client.statistics().moves == 1)
                for number in range(5, 10):
                    await two.app.publish("/topic/log/x", number)
                assert [(await log.next()).body for _ in range(5)] == list(range(5, 10))
                assert log.statistics().gaps == 0
                assert client.session_id in two.node.sessions
                assert one.node.ends == {"moved": 1}
