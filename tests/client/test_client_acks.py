"""Acknowledgement: against a node by all transports, in all versions; and what is refused before it is written."""

from typing import Any

import pytest
from client_house import JOBS, House, taken
from hypothesis import given
from hypothesis import strategies as st

import stompede
from serving import make_app, until
from stompede import LocalProtocolError, RequestError, SessionClosedError, SlowConsumerError, testing
from stompede.client import Overflow
from stompede.client.acks import Book, answer_headers

VERSIONS = ("1.0", "1.1", "1.2")


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_mode_acknowledges_as_its_name_says_in_each_version(house: House, version: str) -> None:
    async with house.client(connect_headers={"accept-version": version}) as client:
        await house.put(*"abcd")
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            got = await taken(messages, 4)
            assert await got[2].ack(receipt=True)
            assert house.kept == (0, 3)
            assert messages.statistics().unacknowledged == 3
            for each in (got[3], got[0], got[1]):
                assert await each.ack()
            await until(lambda: house.kept == (0, 0))
        await house.put(*"efgh")
        async with client.subscribe(JOBS, str, ack="client") as messages:
            got = await taken(messages, 4)
            assert await got[2].ack(receipt=True)
            assert house.kept == (0, 1)
            assert messages.statistics().unacknowledged == 1
            assert await got[3].ack(receipt=True)
            assert house.kept == (0, 0)


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_what_is_refused_comes_again_and_says_so(house: House, version: str) -> None:
    await house.put("soup", destination="/queue/fragile")
    async with house.client(connect_headers={"accept-version": version}) as client:
        async with client.subscribe("/queue/fragile", str, ack="client-individual") as messages:
            (first,) = await taken(messages, 1)
            assert not first.redelivered
            assert await first.nack(receipt=True)
            (second,) = await taken(messages, 1)
            assert second.redelivered
            assert (second.body, second.headers["delivery-count"]) == ("soup", "2")
            await second.nack()
        async with client.subscribe("/queue/dead", str) as dead:
            assert [each.body for each in await taken(dead, 1)] == ["soup"]


async def test_stomp_1_0_has_no_nack_and_the_message_can_still_be_acknowledged(house: House) -> None:
    await house.put("a")
    async with house.client(connect_headers={"accept-version": "1.0"}) as client:
        async with client.subscribe(JOBS, str, ack="client") as messages:
            (message,) = await taken(messages, 1)
            with pytest.raises(LocalProtocolError, match=r"STOMP 1\.0, which has no NACK"):
                await message.nack()
            assert await message.ack(receipt=True)
            assert client.statistics().connects == 1


async def test_prefetch_bounds_what_comes_before_the_first_ack(house: House) -> None:
    await house.put(*"abcde")
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual", prefetch=2) as messages:
            await until(lambda: messages.statistics().queued == 2)
            assert house.kept == (3, 2)
            for body in "abcde":
                message = await messages.next(timeout_s=10)
                assert message.body == body
                assert await message.ack()
            await until(lambda: house.kept == (0, 0))


async def test_topics_are_acknowledged_too(house: House) -> None:
    async with house.client() as client:
        async with client.subscribe("/topic/a", str, ack="client-individual", prefetch=1) as messages:
            await house.put("1", "2", destination="/topic/a")
            for body in "12":
                message = await messages.next(timeout_s=10)
                assert message.body == body
                assert await message.ack(receipt=True)
            assert house.served.node.statistics().topic_acks.acknowledged == 2


async def test_after_a_lost_connection_an_ack_says_no_and_the_message_comes_again(house: House) -> None:
    await house.put(*"abc")
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            (old,) = await taken(messages, 1)
            await until(lambda: messages.statistics().queued == 2)
            await house.cut(client)
            assert messages.statistics().queued == 0  # what was not taken will come again, too
            assert not await old.ack()
            again = await taken(messages, 3)
            assert [(each.body, each.redelivered, each.recovered) for each in again] == [
                ("a", True, None),
                ("b", True, None),
                ("c", True, None),
            ]
            assert not await old.nack()  # also when there is a connection again
            assert messages.statistics().gaps == 0  # a queue keeps what was not acknowledged
            for each in again:
                assert await each.ack(receipt=True)
            assert house.kept == (0, 0)
            assert client.statistics().connects == 2


async def test_a_worker_lives_through_lost_connections_and_does_each_job(house: House) -> None:
    jobs = [str(number) for number in range(40)]
    await house.put(*jobs)
    done: list[str] = []
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual", prefetch=5) as messages:
            async for message in messages:
                if len(done) % 9 == 8 and not message.redelivered:
                    await house.cut(client)
                if await message.ack():
                    done.append(message.body)
                if set(done) == set(jobs):
                    break
            await until(lambda: house.kept == (0, 0))
        assert client.statistics().connects > 3


async def test_a_topic_without_history_has_a_gap_in_ack_mode_too(house: House) -> None:
    async with house.client() as client:
        async with client.subscribe("/topic/a", str, ack="client-individual") as messages:
            await house.cut(client)
            await client.wait_connected()
            await house.put("1", destination="/topic/a")
            assert [each.recovered for each in await taken(messages, 1)] == [False]


async def test_leaving_gives_back_what_was_not_acknowledged(house: House) -> None:
    await house.put(*"abc")
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            (first, second) = await taken(messages, 2)
            await first.ack()
        await until(lambda: house.kept == (2, 0))
        with pytest.raises(LocalProtocolError, match="was left; the server delivers again"):
            await second.ack()
        with pytest.raises(SessionClosedError, match="has ended"):
            await messages.next()
        async with client.subscribe(JOBS, str) as others:
            assert [each.body for each in await taken(others, 2)] == ["b", "c"]


async def test_a_message_is_answered_once(house: House) -> None:
    await house.put(*"abcd")
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            one, two = await taken(messages, 2)
            await one.ack()
            for answer in (one.ack, one.nack):
                with pytest.raises(
                    LocalProtocolError, match="this message of /queue/jobs was answered before"
                ):
                    await answer()
            await two.ack()
        async with client.subscribe(JOBS, str, ack="client") as messages:
            one, two = await taken(messages, 2)
            await two.ack(receipt=True)
            with pytest.raises(LocalProtocolError, match=r"with a later one \(ack='client'\)"):
                await one.ack()
        assert client.statistics().connects == 1


async def test_what_need_not_be_acknowledged_says_so(house: House) -> None:
    await house.put("a")
    async with house.client() as client, client.subscribe(JOBS, str) as messages:
        (message,) = await taken(messages, 1)
        with pytest.raises(LocalProtocolError, match="subscribe with ack='client-individual'"):
            await message.ack()


async def test_a_message_that_went_back_on_the_server_is_a_soft_error(house: House) -> None:
    told: list[str] = []
    await house.put("a", "b")
    async with house.client(on_error=lambda error: told.append(error.code)) as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            one, two = await taken(messages, 2)
            assert client.session_id is not None
            (subscription,) = [
                each
                for each in house.served.node.sessions[client.session_id].subscriptions.values()
                if each.destination == JOBS
            ]
            subscription.source.drop(house.served.node.sessions[client.session_id], subscription)  # type: ignore[union-attr]
            with pytest.raises(RequestError, match="not-found"):
                await one.ack(receipt=True)
            assert await two.ack()
            await until(lambda: told == ["not-found"])


async def test_who_takes_too_slowly_gives_the_rest_back(house: House) -> None:
    await house.put(*(str(number) for number in range(8)))
    async with house.client() as client:
        async with client.subscribe(JOBS, str, ack="client-individual", max_queued=3) as messages:
            await until(lambda: messages.statistics().dropped > 0)
            with pytest.raises(SlowConsumerError):
                await messages.next(timeout_s=10)
            await until(lambda: house.kept == (8, 0))


async def test_the_test_kit_has_it_too() -> None:
    app = make_app()
    async with testing.connect(app) as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as messages:
            await client.send(JOBS, "soup")
            message = await messages.next()
            await message.nack()
            again = await messages.next()
            assert (again.body, again.redelivered) == ("soup", True)
            assert await again.ack(receipt=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ack": "individual"}, "ack= is one of 'auto', 'client', 'client-individual', not 'individual'"),
        ({"prefetch": 3}, "prefetch= needs ack='client' or"),
        ({"ack": "client", "prefetch": 0}, "from 1 to max_queued=1000, is 0"),
        ({"ack": "client", "prefetch": 9, "max_queued": 8}, "from 1 to max_queued=8, is 9"),
        ({"ack": "client", "overflow": Overflow.DROP_OLDEST}, "choose overflow=Overflow.FAIL"),
        ({"ack": "client", "prefetch": 1, "headers": {"prefetch-count": "2"}}, "leave that out of headers="),
        ({"headers": {"ack": "client"}}, "writes the header ack itself; use the argument"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(options: dict[str, Any], said: str) -> None:
    client = stompede.connect("ws://127.0.0.1:1")
    with pytest.raises(LocalProtocolError) as refused:
        client.subscribe(JOBS, str, **options)
    assert said in str(refused.value)


def test_an_answer_names_its_message_as_the_version_does() -> None:
    message = {"message-id": "m", "subscription": "1", "ack": "a"}
    assert answer_headers("ACK", "1.2", message) == {"id": "a"}
    for version in ("1.0", "1.1"):
        assert answer_headers("ACK", version, message) == {"message-id": "m", "subscription": "1"}
    assert answer_headers("NACK", "1.1", message) == {"message-id": "m", "subscription": "1"}
    with pytest.raises(LocalProtocolError, match="no header ack"):
        answer_headers("ACK", "1.2", {"message-id": "m", "subscription": "1"})


def a_book(prefetch: int | None = None) -> Book:
    return Book(JOBS, "client-individual", None, prefetch)  # type: ignore[arg-type]


def test_what_was_refused_is_unfinished_until_it_comes_again() -> None:
    book = a_book()
    taken = book.take(book.add("a").number)
    book.refuse(taken)
    assert (len(book), book.unfinished()) == (0, ["a"])
    book.take(book.add("a").number)
    assert book.unfinished() == []
    book.refuse(taken)
    book.put_back(taken)  # it was never written
    assert book.unfinished() == ["a"]
    book.take(1)
    assert book.unfinished() == []


@pytest.mark.parametrize(("prefetch", "others"), [(3, 6), (None, 64)])
def test_what_was_refused_once_too_often_is_not_waited_for(prefetch: int | None, others: int) -> None:
    book = a_book(prefetch)
    book.refuse(book.take(book.add("a").number))
    for number in range(others):
        book.take(book.add(str(number)).number)
    assert book.unfinished() == ["a"]
    book.take(book.add("last").number)
    assert book.unfinished() == []


def test_what_a_transaction_refused_may_come_again_when_it_has_committed() -> None:
    book = a_book(prefetch=1)
    taken = book.take(book.add("a").number)
    book.promise(taken)
    book.refuse(taken)
    for text in "bcd":  # it takes its time
        book.take(book.add(text).number)
    book.settled(taken)
    for text in "ef":
        book.take(book.add(text).number)
    assert book.unfinished() == ["a"]
    book.take(book.add("a").number)
    assert book.unfinished() == []


@given(
    cumulative=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(("add", "take", "back")), st.integers(0, 30)), max_size=60),
)
def test_a_book_is_a_set_of_numbers(cumulative: bool, steps: list[tuple[str, int]]) -> None:
    book = Book(JOBS, "client" if cumulative else "client-individual", None)  # type: ignore[arg-type]
    numbers: set[int] = set()
    out: list[dict[int, str]] = []
    count = 0
    for what, pick in steps:
        if what == "add":
            count += 1
            assert book.add(str(count)).number == count
            numbers.add(count)
        elif what == "take" and numbers:
            number = sorted(numbers)[pick % len(numbers)]
            book.check(number)
            out.append(book.take(number))
            meant = sorted(each for each in numbers if each <= number) if cumulative else [number]
            assert out[-1] == {each: str(each) for each in meant}
            numbers -= set(out[-1])
            with pytest.raises(LocalProtocolError):
                book.check(number)
        elif what == "back" and out:
            back = out.pop(pick % len(out))
            book.put_back(back)
            numbers |= set(back)
        assert book.unfinished() == [str(each) for each in sorted(numbers)]
        assert len(book) == len(numbers)
