"""Heart-beats to clients: who beats together, and when."""

import pytest

from serving import Serve, Served, make_app, serving, until
from stompede.server.session import beating

TEN_SECONDS = {"heart-beat": "0,10000"}


def pass_time(served: Served, seconds: float) -> None:
    """Moves the clock, and lets the node look at what is due by then."""
    served.clock.shift += seconds
    served.node.deadlines.expire(served.node.now())


async def test_sessions_of_one_interval_that_connect_at_once_beat_together(serve: Serve) -> None:
    served = await serve()
    clients = [await served.client(TEN_SECONDS) for _ in range(20)]
    assert len(served.node.heart_beats) < len(clients)
    pass_time(served, 9.75)
    for client in clients:
        await client.beat()
    assert served.node.heart_beats_out == len(clients)


async def test_a_beat_comes_in_every_interval() -> None:
    async with serving(make_app()) as served:
        client = await served.client(TEN_SECONDS)
        for _ in range(10):
            pass_time(served, 10)
            await client.beat()
        await client.settle()
        assert client.parser.beats in (10, 11)


async def test_after_a_long_pause_there_is_one_beat_not_all_that_were_missed() -> None:
    async with serving(make_app(idle_timeout_s=9000)) as served:
        client = await served.client(TEN_SECONDS)
        pass_time(served, 3600)
        await client.settle()
        assert client.parser.beats == 1


async def test_a_session_that_ended_beats_no_more_and_the_last_one_takes_the_rhythm_with_it() -> None:
    async with serving(make_app()) as served:
        client = await served.client(TEN_SECONDS)
        other = await served.client({"heart-beat": "0,20000"})
        assert len(served.node.heart_beats) == 2
        client.drop()
        await until(lambda: len(served.node.sessions) == 1)
        assert len(served.node.heart_beats) == 1
        pass_time(served, 20)
        await other.beat()
        assert served.node.heart_beats_out == 1


async def test_a_crowd_that_connects_at_once_is_spread_over_the_ticks_of_its_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beating, "_CROWD", 3)
    async with serving(make_app()) as served:
        clients = [await served.client(TEN_SECONDS) for _ in range(12)]
        assert len(served.node.heart_beats) >= 4
        pass_time(served, 9.75)
        for client in clients:
            await client.beat()
        assert served.node.heart_beats_out == len(clients)


async def test_a_beat_that_cannot_be_written_costs_no_other_session_its_own() -> None:
    def broken(data: bytes) -> None:
        raise OSError("no such socket")

    async with serving(make_app()) as served:
        served.may_fail = True
        clients = [await served.client(TEN_SECONDS) for _ in range(3)]
        served.session(clients[0]).outbox.write = broken
        pass_time(served, 9.75)
        for client in clients[1:]:
            await client.beat()
        assert served.logged("a heart-beat could not be written")


async def test_a_rhythm_ends_with_its_last_session_also_in_the_tick_of_its_own_beat() -> None:
    async with serving(make_app()) as served:
        client = await served.client(TEN_SECONDS)
        session = served.session(client)
        rhythm = session.rhythm
        assert rhythm is not None
        waiting = served.node.deadlines.statistics().waiting
        session.outbox.write = lambda data: served.node.heart_beats.end(session)
        pass_time(served, 9.75)
        assert len(served.node.heart_beats) == 0
        assert served.node.deadlines.statistics().waiting == waiting - 1, "it ticks no more"
        assert rhythm.on_deadline(served.node.now()) is None, "nor where the session ends before it is called"
