"""The HAProxy configuration that is shipped, before three nodes that share a Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest
from websockets.exceptions import InvalidStatus

import stompede
from balancing import HAProxy, Node, ended_address, running_haproxy, running_nodes, until
from redisserving import free_port, running_redis
from sockjsclient import fetch
from stompede.client import Client, Subscription
from stompsocket import StompSocket

pytestmark = pytest.mark.proof  # three nodes take their time to start


class Cluster(NamedTuple):
    """Three nodes, and the HAProxy before them."""

    proxy: HAProxy
    nodes: list[Node]


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    port = free_port()
    with running_redis() as redis, running_nodes(3, redis.url, f"ws://127.0.0.1:{port}/stomp") as nodes:
        with running_haproxy(nodes, port) as proxy:
            yield Cluster(proxy, nodes)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """For tests that leave it as it was."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """For tests that break it."""
    with running_cluster() as running:
        yield running


@contextlib.asynccontextmanager
async def connected(proxy: HAProxy, count: int) -> AsyncIterator[list[Client]]:
    """Clients, of which each hears of what is new."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(stompede.connect(proxy.url)) for _ in range(count)]


@contextlib.asynccontextmanager
async def listening(clients: list[Client]) -> AsyncIterator[list[Subscription[int]]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client.subscribe("/topic/news", int)) for client in clients]


async def all_hear(clients: list[Client], news: list[Subscription[int]]) -> None:
    """Each client gets what one of them says now."""
    for client in clients:
        await client.wait_connected()
    await clients[0].send("/topic/news", 1)
    async with asyncio.timeout(10):
        assert [(await messages.next()).body for messages in news] == [1] * len(news)


async def test_clients_are_spread_over_the_nodes_and_hear_each_other(cluster: Cluster) -> None:
    await until(lambda: sum(cluster.proxy.sessions()) == 0)
    async with connected(cluster.proxy, 12) as clients, listening(clients) as news:
        assert cluster.proxy.sessions() == [4, 4, 4]
        await all_hear(clients, news)


async def test_all_requests_of_a_sockjs_session_come_to_one_node(cluster: Cluster) -> None:
    connect = json.dumps(["CONNECT\naccept-version:1.2\nhost:test\nheart-beat:0,0\n\n\0"])
    for number in range(12):
        session = f"{cluster.proxy.http}/stomp/000/session{number}"
        assert (await fetch(f"{session}/xhr", "POST")).text == "o\n"
        assert (await fetch(f"{session}/xhr_send", "POST", connect)).status == 204
        assert (await fetch(f"{session}/xhr", "POST")).text.startswith('a["CONNECTED')
    asked = [int(number) for number in cluster.proxy.figures("stot", "blue-sockjs")]
    assert sum(asked) == 36
    assert min(asked) > 0


async def test_a_client_that_names_another_address_is_not_believed(cluster: Cluster) -> None:
    lies = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Forwarded-Proto": "https"}
    async with await StompSocket.open(cluster.proxy.url, headers=lies) as client:
        session = (await client.connect()).headers["session"]
    assert await ended_address(cluster.nodes, session) == "127.0.0.1"


async def test_an_address_that_connects_too_often_gets_429(cluster: Cluster) -> None:
    with running_haproxy(cluster.nodes, free_port(), CONNECTS_PER_10S="60") as proxy:
        with pytest.raises(InvalidStatus) as refused:
            await connect_and_leave(proxy.url, 100)
    response = refused.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (429, "10")


async def connect_and_leave(url: str, times: int) -> None:
    for _ in range(times):
        (await StompSocket.open(url)).drop()


async def test_the_map_turns_new_clients_from_blue_to_green(cluster: Cluster) -> None:
    blue, green = cluster.nodes[:2], cluster.nodes[2].address
    with running_haproxy([*blue, blue[0]], free_port(), GREEN_1=green, GREEN_2=green, GREEN_3=green) as proxy:
        async with connected(proxy, 3) as before:
            await until(lambda: set(proxy.figures("status", "green")) == {"UP"})
            proxy.ask(f"set map {proxy.map} active green")
            async with connected(proxy, 3) as after:
                assert (sum(proxy.sessions("blue")), sum(proxy.sessions("green"))) == (3, 3)
                async with listening([*before, *after]) as news:
                    await all_hear([*before, *after], news)


async def test_a_reload_refuses_nobody_and_leaves_the_clients_of_before(cluster: Cluster) -> None:
    reloaded = asyncio.Event()
    opened = 0

    async def connect_again_and_again() -> None:
        nonlocal opened
        while not reloaded.is_set():
            async with asyncio.timeout(10), await StompSocket.open(cluster.proxy.url) as client:
                await client.connect()
                opened += 1

    async with connected(cluster.proxy, 6) as clients, asyncio.TaskGroup() as connecting:
        for _ in range(3):
            connecting.create_task(connect_again_and_again())
        for _ in range(2):
            enough = opened + 20
            await until(lambda enough=enough: opened > enough)  # type: ignore[misc]
            await asyncio.to_thread(cluster.proxy.reload)
        enough = opened + 20
        await until(lambda: opened > enough)
        reloaded.set()
        assert [client.statistics().connects for client in clients] == [1] * 6


async def test_clients_of_a_node_that_is_killed_go_on_at_the_others(own_cluster: Cluster) -> None:
    proxy, nodes = own_cluster
    async with connected(proxy, 50) as clients, listening(clients) as news:
        assert sorted(proxy.sessions()) == [16, 17, 17]
        os.kill(nodes[0].process.pid, signal.SIGKILL)
        await until(lambda: proxy.sessions()[0] == 0 and sum(proxy.sessions()) == 50, 10)
        await all_hear(clients, news)


async def test_a_node_that_drains_gets_no_new_clients_and_its_own_go_to_the_others(
    own_cluster: Cluster,
) -> None:
    proxy, nodes = own_cluster
    async with connected(proxy, 30) as clients, listening(clients) as news:
        nodes[0].drain()
        await until(lambda: proxy.figures("status")[0] == "DOWN")
        await until(lambda: proxy.sessions()[0] == 0 and sum(proxy.sessions()) == 30)
        async with connected(proxy, 6):
            assert proxy.sessions()[0] == 0
        await all_hear(clients, news)
        # Those that came to the draining node first were asked in by another one.
        assert sum(client.statistics().attempts_failed for client in clients) == 0
        assert nodes[0].process.process.poll() is None
