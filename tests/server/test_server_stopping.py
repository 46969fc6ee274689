"""The stop of a node with sessions that are not equally fast."""

import asyncio
from typing import Any

from serving import Serve, make_app, shortly
from stompede.server.session.sessions import Sessions
from stompede.server.session.telling import Teller


async def test_who_reads_slowly_keeps_nobody_else_and_gets_what_is_queued(serve: Serve) -> None:
    app = make_app(outbound_bytes=20_000_000, shutdown_timeout_s=60, close_timeout_s=10)
    served = await serve(app)
    slow, other = await served.client(receive_buffer=4096), await served.client()
    await slow.subscribe("/topic/news")
    session = served.session(slow)
    count = 0
    while session not in served.node.blocked:
        await other.request("SEND", {"destination": "/topic/news"}, "x" * 50_000)
        count += 1
    stop = asyncio.create_task(served.node.stop())
    assert (await other.closed()).code == 1012
    assert not session.closed, "it has not got everything yet"
    for _ in range(count):
        assert len((await slow.message()).body) == 50_000
    assert (await slow.error()).headers["disconnect-reason"] == "service-restart"
    assert (await slow.closed()).code == 1012
    await stop


async def test_a_stop_looks_once_at_each_socket_and_once_more_when_it_is_empty() -> None:
    attendance = Sessions(Teller(None, None, None), lambda: 0.0)  # type: ignore[arg-type]  # nothing is told
    sessions: list[Any] = [object() for _ in range(3)]
    for session in sessions:
        attendance.blocked[session] = None
    attendance.unblocked(sessions[0])
    waiting = asyncio.create_task(attendance.wait_fewer_blocked())
    await shortly()
    attendance.unblocked(sessions[1])
    attendance.unblocked(sessions[1])
    attendance.unblocked(sessions[2])
    assert await waiting == sessions[1:]


async def test_a_node_that_drains_first_moves_its_clients_over_so_many_seconds(serve: Serve) -> None:
    served = await serve(make_app(drain_s=0.5))
    clients = [await served.client() for _ in range(3)]
    stop = asyncio.create_task(served.node.stop())
    for client in clients:
        assert (await client.error()).headers["disconnect-reason"] == "moved"
        assert (await client.closed()).code == 4005
    await stop
    assert served.node.ends == {"moved": 3}
