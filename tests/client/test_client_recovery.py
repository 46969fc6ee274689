"""The client recovers by itself: what it missed comes, nothing comes twice, and what cannot be had is said."""

import random
from contextlib import suppress
from typing import Any

import pytest

import stompede
from serving import Serve, Served, make_app, until
from stompede import History, SessionClosedError, Stompede
from stompede.client import Backoff, Client, Overflow
from stompede.client.track import Track
from stompede.store import MemoryHistory

AT_ONCE = Backoff(initial_s=0.0, max_s=0.01)
ROOM = "/topic/rooms/kitchen"
SMALL = "/topic/small/kitchen"


def an_app() -> Stompede:
    app = make_app()
    app.destination("/topic/rooms/{room}", history=History(count=1000))
    app.destination("/topic/small/{room}", history=History(count=2))
    return app


async def publish(served: Served, *numbers: int, destination: str = ROOM) -> None:
    for number in numbers:
        await served.app.publish(destination, str(number))


async def cut(served: Served, client: Client) -> None:
    """Cuts the connection, and waits until the client knows."""
    (session,) = served.node.sessions.values()
    session.transport.abort()
    await client.wait_disconnected()


async def taken(messages: Any, count: int) -> list[tuple[str, bool | None]]:
    return [((message := await messages.next(timeout_s=10)).body, message.recovered) for _ in range(count)]


async def test_what_was_missed_comes_first_and_says_so(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str) as messages:
            await publish(served, 1)
            assert await taken(messages, 1) == [("1", None)]
            for begin in (2, 12, 22):
                await cut(served, client)
                await publish(served, *range(begin, begin + 9))
                await client.wait_connected()
                assert await taken(messages, 9) == [(str(n), True) for n in range(begin, begin + 9)]
                await publish(served, begin + 9)
                assert (await taken(messages, 1))[0][0] == str(begin + 9)
            assert messages.statistics().gaps == 0


async def test_who_had_heard_nothing_yet_recovers_from_where_it_began(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, 1, 2)
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str) as messages:
            await cut(served, client)
            await publish(served, 3, 4)
            assert await taken(messages, 2) == [("3", True), ("4", True)]


async def test_the_newest_messages_are_asked_for_once(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, *range(1, 6))
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str, headers={"history-last": "3"}) as messages:
            assert await taken(messages, 3) == [("3", True), ("4", True), ("5", True)]
            await cut(served, client)
            await publish(served, 6)
            assert await taken(messages, 1) == [("6", True)]
            assert messages.statistics().repeated == 0


async def test_what_is_no_longer_kept_is_said_with_the_next_message(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(SMALL, str) as messages:
            await publish(served, 1, destination=SMALL)
            assert await taken(messages, 1) == [("1", None)]
            await cut(served, client)
            await publish(served, *range(2, 9), destination=SMALL)
            await until(lambda: messages.statistics().gaps == 1)
            await publish(served, 9, 10, destination=SMALL)
            assert await taken(messages, 2) == [("9", False), ("10", None)]


async def test_a_node_that_began_anew_has_another_epoch(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str) as messages:
            await publish(served, 1, 2, 3)
            assert len(await taken(messages, 3)) == 3
            await cut(served, client)
            served.node.histories.store = MemoryHistory()
            await until(lambda: messages.statistics().gaps == 1)
            await publish(served, 1, 2)
            assert await taken(messages, 2) == [("1", False), ("2", None)]


async def test_messages_that_nobody_has_any_more_are_a_gap(serve: Serve) -> None:
    served = await serve(an_app())
    told: list[str] = []
    async with stompede.connect(served.url, on_error=lambda error: told.append(error.code)) as client:
        async with client.subscribe(SMALL, str) as messages:
            await publish(served, 1, destination=SMALL)
            assert await taken(messages, 1) == [("1", None)]
            for number in range(2, 9):
                message = stompede.Message(SMALL, str(number).encode())
                served.node.histories.store.append(SMALL, message, 1, History(count=2), 0)
            await publish(served, 9, destination=SMALL)
            await until(lambda: messages.statistics().gaps == 1)
            assert told == ["messages-lost"]


async def test_what_the_reader_let_fall_itself_is_no_gap(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        options: Any = {"max_queued": 3, "overflow": Overflow.DROP_OLDEST}
        async with client.subscribe(ROOM, str, **options) as messages:
            await cut(served, client)
            await publish(served, *range(1, 11))
            await until(lambda: messages.statistics().received == 10)
            await publish(served, 11)
            await until(lambda: messages.statistics().received == 11)
            assert await taken(messages, 3) == [("9", True), ("10", True), ("11", None)]


async def test_what_was_not_acknowledged_comes_again_with_what_was_missed(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str, ack="client-individual", prefetch=4) as messages:
            await publish(served, *range(1, 8))
            got = [await messages.next(timeout_s=10) for _ in range(3)]
            assert await got[0].ack()
            await got[1].nack(receipt=True)
            again = {(await messages.next(timeout_s=10)).body for _ in range(3)}
            assert again == {"2", "4", "5"}
            await cut(served, client)
            await publish(served, 8)
            assert await taken(messages, 4) == [(str(n), True) for n in range(2, 6)]
            assert messages.statistics().gaps == 0


async def test_a_nack_that_is_lost_with_its_connection_is_asked_again(serve: Serve) -> None:
    served = await serve(an_app())
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        async with client.subscribe(ROOM, str, ack="client-individual") as messages:
            await publish(served, 1, 2)
            one, two = [await messages.next(timeout_s=10) for _ in range(2)]
            (session,) = served.node.sessions.values()
            session.busy += 1  # the server does not get round to it
            assert await one.nack()
            assert await two.ack()
            session.transport.abort()
            await client.wait_disconnected()
            await client.wait_connected()
            assert await taken(messages, 2) == [("1", True), ("2", True)]
            assert messages.statistics().gaps == 0
            if not session.closed:
                session.pump()


async def test_a_refused_message_of_a_history_is_not_taken_for_a_double(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, 1, 2)
    async with stompede.connect(served.url) as client:
        headers = {"history-last": "2"}
        async with client.subscribe(ROOM, str, ack="client-individual", headers=headers) as messages:
            one, two = [await messages.next(timeout_s=10) for _ in range(2)]
            assert await two.ack()
            assert await one.nack()
            again = await messages.next(timeout_s=10)
            assert (again.body, again.redelivered, again.message_id) == ("1", True, one.message_id)
            assert messages.statistics().repeated == 0


@pytest.mark.parametrize("seed", range(3))
async def test_each_message_is_worked_off_in_one_transaction_over_lost_connections(
    serve: Serve, seed: int
) -> None:
    served = await serve(an_app())
    chance = random.Random(seed)
    done: list[str] = []
    await publish(served, *range(60))
    async with stompede.connect(served.url, reconnect=AT_ONCE) as client:
        headers = {"history-last": "60"}
        async with client.subscribe(ROOM, str, ack="client", prefetch=7, headers=headers) as messages:
            while len(done) < 60:
                message = await messages.next(timeout_s=10)
                if chance.random() < 0.3:
                    await cut(served, client)
                with suppress(SessionClosedError):
                    async with client.transaction() as transaction:
                        transaction.send("/queue/done", message.body)
                        transaction.ack(message)
                    done.append(message.body)
    assert done == [str(number) for number in range(60)]
    assert served.node.statistics().queues.store.appended == 60


def test_a_track_of_acknowledged_messages_goes_back_to_the_first_that_was_not() -> None:
    track = Track(acknowledged=True)
    track.subscribe({})
    assert track.confirmed({"position": "e-3"})
    assert [track.accept(text) for text in ("e-4", "e-5", "e-6", "e-4")] == [True, True, True, True]
    track.rewind(["e-6", "e-5", "other", "f-1"])
    again: dict[str, str] = {}
    track.subscribe(again)
    assert again == {"recover-from": "e-4"}


def test_a_track_drops_what_came_before_and_asks_for_what_comes_next() -> None:
    track = Track()
    first: dict[str, str] = {"id": "1", "history-last": "5"}
    track.subscribe(first)
    assert first == {"id": "1", "history-last": "5"}
    assert track.confirmed({"position": "e-3"})
    assert [track.accept(text) for text in ("e-4", "e-4", "e-6", "e-5", "f-1")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    again = {"id": "1", "history-last": "5"}
    track.subscribe(again)
    assert again == {"id": "1", "recover-from": "f-1"}
    assert not track.confirmed({"recovered": "false", "position": "f-9"})
    assert not track.accept("f-9")
    assert track.accept("f-10")


def test_ids_that_only_look_like_positions_are_none() -> None:
    track = Track()
    track.subscribe({"id": "1"})
    assert track.confirmed({})
    assert track.accept("a-2")
    assert track.accept("a-1")
    assert not track.positional
    again = {"id": "1"}
    track.subscribe(again)
    assert again == {"id": "1"}


def test_a_position_that_comes_after_messages_does_not_lead_back() -> None:
    track = Track()
    track.subscribe({"id": "1"})
    assert track.accept("e-4")
    assert track.confirmed({"position": "e-3"})
    again: dict[str, str] = {}
    track.subscribe(again)
    assert again == {"recover-from": "e-4"}
