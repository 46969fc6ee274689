"""The nginx configuration that is shipped, before three nodes that share a Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import stompede
from balancing import Node, ended_address, running_nginx, running_nodes
from redisserving import free_port, running_redis
from sockjsclient import fetch
from stompsocket import StompSocket

pytestmark = pytest.mark.proof  # three nodes take their time to start


class Proxy(NamedTuple):
    """nginx before its nodes."""

    process: subprocess.Popen[bytes]
    address: str
    nodes: list[Node]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    port = free_port()
    with running_redis() as redis, running_nodes(3, redis.url, f"ws://127.0.0.1:{port}/stomp") as nodes:
        with running_nginx(nodes, port) as process:
            yield Proxy(process, f"127.0.0.1:{port}", nodes)


async def test_websockets_pass_hear_each_other_and_outlive_a_reload(proxy: Proxy) -> None:
    url = f"ws://{proxy.address}/stomp"
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(stompede.connect(url)) for _ in range(6)]
        news = [await stack.enter_async_context(client.subscribe("/topic/news", int)) for client in clients]
        proxy.process.send_signal(signal.SIGHUP)
        for number in range(20):
            async with stompede.connect(url) as another:
                await another.send("/topic/news", number)
            async with asyncio.timeout(10):
                assert [(await messages.next()).body for messages in news] == [number] * 6
        assert [client.statistics().connects for client in clients] == [1] * 6


async def test_all_requests_of_a_sockjs_session_come_to_one_node(proxy: Proxy) -> None:
    connect = json.dumps(["CONNECT\naccept-version:1.2\nhost:test\nheart-beat:0,0\n\n\0"])
    for number in range(9):
        session = f"http://{proxy.address}/stomp/000/session{number}"
        assert (await fetch(f"{session}/xhr", "POST")).text == "o\n"
        assert (await fetch(f"{session}/xhr_send", "POST", connect)).status == 204
        assert (await fetch(f"{session}/xhr", "POST")).text.startswith('a["CONNECTED')


async def test_a_client_that_names_another_address_is_not_believed(proxy: Proxy) -> None:
    lies = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}
    async with await StompSocket.open(f"ws://{proxy.address}/stomp", headers=lies) as client:
        session = (await client.connect()).headers["session"]
    assert await ended_address(proxy.nodes, session) == "127.0.0.1"
