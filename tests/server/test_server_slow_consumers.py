"""Clients that do not read their sockets, and what each policy makes of them."""

import asyncio
from itertools import pairwise
from typing import Any

from serving import Serve, Served, make_app, until
from stompede import Conflate, DropOldest, Stompede
from stompsocket import Closed, Frame, StompSocket

BODY = "x" * 20_000


def an_app(**settings: Any) -> Stompede:
    app = make_app(**{"outbound_bytes": 200_000, "close_timeout_s": 5, **settings})
    app.destination("/topic/dropping/{id}", slow=DropOldest())
    app.destination("/topic/positions/{id}", slow=Conflate())
    app.destination("/topic/riders", slow=Conflate(by="rider"))

    @app.message("/big")
    async def big() -> str:
        return BODY

    return app


async def slow(served: Served, *destinations: str) -> StompSocket:
    """A client that subscribes and then reads nothing more."""
    client = await served.client(receive_buffer=4096)
    for number, destination in enumerate(destinations):
        await client.subscribe(destination, number)
    return client


async def block(served: Served, client: StompSocket, destination: str) -> int:
    """Publishes until the client's socket takes nothing more; returns how many were published."""
    session = served.session(client)
    count = 0
    while not session.outbox.blocked:
        await served.app.publish(destination, f"{count:>8} {BODY}")
        count += 1
        assert count < 5000, "the socket never fills"
    return count


async def rest(client: StompSocket) -> tuple[list[Frame], Closed]:
    closed = await client.closed()
    return client.frames, closed


def numbers(frames: list[Frame]) -> list[int]:
    return [int(frame.text.split()[0]) for frame in frames if frame.command == "MESSAGE"]


async def test_by_default_a_slow_consumer_is_cut_and_told_and_others_notice_nothing(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/news")
    fast = await served.client()
    await fast.subscribe("/topic/other")
    count = await block(served, client, "/topic/news")
    session = served.session(client)
    while not session.closed:
        await served.app.publish("/topic/news", f"{count:>8} {BODY}")
        count += 1
        assert session.outbox.queued_bytes <= 200_000
    await served.app.publish("/topic/other", "fine")
    assert (await fast.message()).text == "fine"
    frames, closed = await rest(client)
    assert frames[-1].command == "ERROR"
    assert (frames[-1].headers["reconnect"], frames[-1].headers["disconnect-reason"]) == (
        "true",
        "slow-consumer",
    )
    assert (closed.code, closed.reason) == (4003, "slow-consumer")
    assert numbers(frames) == list(range(len(frames) - 1)), "what came is without a gap"
    statistics = served.node.statistics()
    assert (statistics.outboxes.overflows, statistics.outboxes.blocked, statistics.outboxes.queued_bytes) == (
        1,
        0,
        0,
    )
    assert served.logged("session ended", why="slow-consumer")


async def test_what_waited_within_the_bound_arrives_complete_and_in_order(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/news")
    count = await block(served, client, "/topic/news")
    for number in range(count, count + 5):
        await served.app.publish("/topic/news", f"{number:>8} {BODY}")
    assert served.session(client).outbox.queued_bytes > 80_000
    assert served.node.statistics().outboxes.blocked == 1
    assert [int((await client.message()).text.split()[0]) for _ in range(count + 5)] == list(range(count + 5))
    assert served.node.statistics().outboxes.queued_bytes == 0
    await client.settle()


async def test_drop_oldest_loses_the_oldest_and_keeps_the_session(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/dropping/1")
    count = await block(served, client, "/topic/dropping/1")
    for number in range(count, count + 50):
        await served.app.publish("/topic/dropping/1", f"{number:>8} {BODY}")
    assert served.session(client).outbox.queued_bytes <= 200_000
    await client.send("SEND", {"destination": "/topic/nobody", "receipt": "end"})
    await client.frame_where(lambda frame: frame.command == "RECEIPT", "RECEIPT")
    came = numbers(client.frames)
    assert came == sorted(came)
    assert came[-9:] == list(range(count + 41, count + 50))
    dropped = served.node.statistics().outboxes.dropped
    assert dropped > 30
    assert len(came) + dropped == count + 50


async def test_conflate_keeps_the_newest_of_each_destination(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/positions/1", "/topic/positions/2")
    count = await block(served, client, "/topic/positions/1")
    for number in range(count, count + 50):
        await served.app.publish("/topic/positions/1", f"{number:>8} {BODY}")
        await served.app.publish("/topic/positions/2", f"{number:>8} {BODY}")
    assert served.session(client).outbox.queued_bytes < 50_000
    assert served.node.statistics().outboxes.conflated > 90
    await client.send("SEND", {"destination": "/topic/nobody", "receipt": "end"})
    await client.frame_where(lambda frame: frame.command == "RECEIPT", "RECEIPT")
    last = {frame.headers["destination"]: int(frame.text.split()[0]) for frame in client.frames}
    assert last == {"/topic/positions/1": count + 49, "/topic/positions/2": count + 49}


async def test_conflate_by_a_header_keeps_the_newest_of_each_value(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/riders")
    count = await block(served, client, "/topic/riders")
    for number in range(count, count + 60):
        await served.app.publish("/topic/riders", f"{number:>8}", headers={"rider": str(number % 3)})
    await client.send("SEND", {"destination": "/topic/nobody", "receipt": "end"})
    await client.frame_where(lambda frame: frame.command == "RECEIPT", "RECEIPT")
    assert numbers(client.frames)[-3:] == [count + 57, count + 58, count + 59]


async def test_answers_count_too_and_are_never_dropped(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/session/queue/replies")
    session = served.session(client)
    for _ in range(5000):
        if session.closed:
            break
        await client.send("SEND", {"destination": "/app/big"})
    await until(lambda: session.closed)
    frames, closed = await rest(client)
    assert closed.code == 4003
    assert frames[-1].headers["disconnect-reason"] == "slow-consumer"


async def test_a_client_that_takes_nothing_for_too_long_is_cut_by_age(serve: Serve) -> None:
    served = await serve(an_app(outbound_age_s=30))
    client = await slow(served, "/topic/positions/1")
    await block(served, client, "/topic/positions/1")
    session = served.session(client)
    served.clock.shift = 31
    await until(lambda: session.closed)
    _, closed = await rest(client)
    assert closed.code == 4003


async def test_many_that_take_nothing_for_too_long_end_in_several_turns(serve: Serve) -> None:
    served = await serve(an_app(outbound_age_s=30))
    sessions = [served.session(await served.client()) for _ in range(20)]
    for session in sessions:
        session.paused()  # as a socket says that is full
    served.clock.shift = 31
    loop = asyncio.get_running_loop()
    ended = [0]  # turn by turn

    def look() -> None:
        ended.append(sum(session.closed for session in sessions))
        if ended[-1] < len(sessions):
            loop.call_soon(look)

    look()
    await until(lambda: ended[-1] == len(sessions))
    assert max(after - before for before, after in pairwise(ended)) <= 8
    assert served.node.statistics().outboxes.overflows == 20


async def test_one_who_never_reads_again_is_gone_after_the_close_timeout(serve: Serve) -> None:
    served = await serve(an_app(close_timeout_s=0.3))
    client = await slow(served, "/topic/news")
    await block(served, client, "/topic/news")
    await served.app.close_session(client.session)
    await until(lambda: served.node.statistics().connections == 0)
    assert served.node.statistics().outboxes.queued_bytes == 0


async def test_a_session_that_ends_in_order_says_its_last_words_behind_what_waits(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/news")
    count = await block(served, client, "/topic/news")
    await served.app.publish("/topic/news", f"{count:>8} {BODY}")
    await served.app.close_session(client.session)
    frames, closed = await rest(client)
    assert numbers(frames) == list(range(count + 1))
    assert frames[-1].headers["disconnect-reason"] == "closed-by-server"
    assert closed.code == 4500


async def test_slow_consumers_are_counted(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow(served, "/topic/positions/1")
    count = await block(served, client, "/topic/positions/1")
    for number in range(count, count + 5):
        await served.app.publish("/topic/positions/1", f"{number:>8} {BODY}")
    figures = served.node.statistics().outboxes
    assert figures.blocked == 1
    assert figures.queued_bytes > 0
    assert figures.conflated >= 3
