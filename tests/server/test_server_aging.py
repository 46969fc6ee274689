"""Connections that are too old are moved; clocks are moved, not waited for."""

from serving import Serve, Served, make_app, until

FOREVER_S = 100_000


async def looked_at(served: Served) -> None:
    """Waits until the node's clock has looked at everything that is due at the present shift."""
    then = served.clock.now()
    await until(lambda: (served.node.deadlines._last or 0) * 0.25 > then + 0.25)


async def test_a_session_that_is_too_old_is_moved(serve: Serve) -> None:
    served = await serve(make_app(max_connection_age_s=1000, idle_timeout_s=FOREVER_S))
    client = await served.client()
    served.clock.shift = 880
    await looked_at(served)
    assert await client.settle() == []
    served.clock.shift = 1101
    error = await client.error()
    assert (error.headers["disconnect-reason"], error.headers["reconnect"]) == ("moved", "true")
    assert 0 <= int(error.headers["reconnect-delay-ms"]) < 1000
    assert "reconnect-url" not in error.headers, "there is no other node"
    assert "max_connection_age_s" in error.headers["message"]
    assert (await client.closed()).code == 4005
    assert served.node.ends == {"moved": 1}
    aging = served.node.statistics().aging
    assert (aging.waiting, aging.moved) == (0, 1)


async def test_those_that_came_together_do_not_leave_together(serve: Serve) -> None:
    served = await serve(make_app(max_connection_age_s=1000, idle_timeout_s=FOREVER_S))
    clients = [await served.client() for _ in range(40)]
    left = []
    for shift in (880, 1000, 1101):
        served.clock.shift = shift
        await looked_at(served)
        left.append(len(served.node.sessions))
    assert left[0] == 40
    assert 0 < left[1] < 40
    await until(lambda: not served.node.sessions)
    for client in clients:
        assert (await client.closed()).code == 4005


async def test_nothing_waits_for_a_session_that_has_ended(serve: Serve) -> None:
    served = await serve(make_app(max_connection_age_s=1000))
    client, other = await served.client(), await served.client()
    await served.open()  # has not sent CONNECT: its time is connect_timeout_s
    assert served.node.statistics().aging.waiting == 2
    client.drop()
    other.drop()
    await until(lambda: not served.node.sessions)
    assert served.node.statistics().aging.waiting == 0
    await until(lambda: len(served.node.deadlines) == 1)


async def test_without_the_setting_nobody_has_a_time(serve: Serve) -> None:
    served = await serve(make_app())
    await served.client()
    assert served.node.attendance.aging is None
    assert len(served.node.deadlines) == 1
