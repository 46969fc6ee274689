"""Transactions of the client, against a node by all transports; and how they go through lost connections."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

import pytest
from client_house import JOBS, House, taken
from stomp_peer import Peer

from serving import make_app, until
from stompede import LimitError, LocalProtocolError, RequestError, SessionClosedError, testing
from stompede.client import Backoff, Client, Received, Transaction
from stompede.client import connect as connect_to

DONE = "/queue/done"


class OfTheUserError(Exception):
    """Raised inside of a transaction."""


async def commit(
    client: Client,
    *sends: tuple[str, str],
    acks: Sequence[Received[str]] = (),
    at_last: Callable[[], Awaitable[None]] | None = None,
    **options: float,
) -> None:
    """A transaction with these messages and acknowledgements."""
    async with client.transaction(**options) as transaction:
        for destination, body in sends:
            transaction.send(destination, body)
        for message in acks:
            transaction.ack(message)
        if at_last is not None:
            await at_last()


def figures(house: House) -> tuple[int, int, int, int]:
    said = house.served.node.statistics().transactions
    return said.open, said.committed, said.aborted, said.refused


async def test_all_of_it_takes_effect_at_the_end(house: House) -> None:
    await house.put("soup")
    async with (
        house.client() as client,
        client.subscribe(JOBS, str, ack="client-individual") as jobs,
        client.subscribe(DONE, str) as done,
        client.subscribe("/topic/news", str) as news,
    ):
        (job,) = await taken(jobs, 1)
        async with client.transaction() as transaction:
            transaction.send(DONE, "cooked soup", headers={"by": "mary"})
            transaction.send("/topic/news", {"dish": "soup"})
            transaction.ack(job)
            await client.send("/topic/news", "before")
            assert (await news.next(timeout_s=10)).body == "before"
            assert done.statistics().received == 0
        assert house.kept == (0, 0)
        (message,) = await taken(done, 1)
        assert (message.body, message.headers["by"]) == ("cooked soup", "mary")
        assert "transaction" not in message.headers
        assert (await news.next(timeout_s=10)).body == '{"dish":"soup"}'
        assert figures(house) == (0, 1, 0, 0)


async def test_an_exception_undoes_it_and_what_it_acknowledged_can_be_acknowledged(house: House) -> None:
    await house.put("soup")
    async with house.client() as client, client.subscribe(JOBS, str, ack="client-individual") as jobs:
        (job,) = await taken(jobs, 1)

        async def fail() -> None:
            with pytest.raises(LocalProtocolError, match="answered before"):
                await job.ack()
            raise OfTheUserError

        with pytest.raises(OfTheUserError):
            await commit(client, (DONE, "never"), acks=[job], at_last=fail)
        assert house.kept == (0, 1)
        assert await job.ack(receipt=True)
        assert house.kept == (0, 0)
        assert figures(house) == (0, 0, 0, 0)  # the server has heard nothing of it


async def test_a_nack_and_a_cumulative_ack_in_one(house: House) -> None:
    await house.put(*"abc")
    async with house.client() as client, client.subscribe(JOBS, str, ack="client", prefetch=3) as jobs:
        got = await taken(jobs, 3)
        async with client.transaction() as transaction:
            transaction.ack(got[1])
            transaction.nack(got[2])
        (again,) = await taken(jobs, 1)
        assert (again.body, again.redelivered) == ("c", True)
        await again.ack(receipt=True)
        assert house.kept == (0, 0)


async def test_a_refused_frame_is_raised_and_nothing_takes_effect(house: House) -> None:
    await house.put("soup")
    told: list[str] = []
    async with house.client(on_error=lambda error: told.append(error.code)) as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as jobs:
            (job,) = await taken(jobs, 1)
            with pytest.raises(RequestError, match="login-required"):
                await commit(client, (DONE, "never"), ("/queue/shut", "not mine"), acks=[job])
            assert house.kept == (0, 1)
            assert await job.ack(receipt=True)
    assert told == []
    assert figures(house) == (0, 0, 0, 1)


async def test_a_full_queue_refuses_all_of_it(house: House) -> None:
    async with house.client() as client:
        with pytest.raises(RequestError, match="queue-full"):
            await commit(client, *(("/queue/small", body) for body in "abc"))
        assert house.kept == (0, 0)
        assert client.statistics().in_flight == 0


async def test_an_empty_one_does_nothing_and_one_that_has_ended_takes_nothing(house: House) -> None:
    async with house.client() as client:
        transaction = client.transaction()
        with pytest.raises(LocalProtocolError, match="not open; use it inside of"):
            transaction.send(DONE, "early")
        async with transaction:
            pass
        with pytest.raises(LocalProtocolError, match="not open"):
            transaction.send(DONE, "late")
        with pytest.raises(LocalProtocolError, match="entered before"):
            await transaction.__aenter__()
        assert figures(house) == (0, 0, 0, 0)


async def test_a_message_of_a_lost_connection_aborts_it(house: House) -> None:
    await house.put("soup")
    async with house.client() as client, client.subscribe(JOBS, str, ack="client-individual") as jobs:
        (job,) = await taken(jobs, 1)
        with pytest.raises(SessionClosedError, match="no longer this client's"):
            await commit(client, (DONE, "never"), acks=[job], at_last=lambda: house.cut(client))
        (job,) = await taken(jobs, 1)
        await house.cut(client)
        with pytest.raises(SessionClosedError, match="the server delivers it again"):
            await commit(client, acks=[job])
        (job,) = await taken(jobs, 1)
        await commit(client, acks=[job])
        assert house.kept == (0, 0)
        assert figures(house) == (0, 1, 0, 0)


async def test_one_without_acknowledgements_waits_for_the_next_connection(house: House) -> None:
    async with house.client(reconnect=Backoff(initial_s=0.05, max_s=0.05)) as client:
        await house.cut(client)
        await commit(client, (DONE, "a"), (DONE, "b"))
        assert house.kept == (2, 0)
        assert client.statistics().connects == 2


async def test_a_token_that_has_run_out_is_replaced_and_all_of_it_tried_again(house: House) -> None:
    served = house.served
    fetched: list[str] = []

    def fetch() -> str:
        fetched.append(served.token("cook", ttl_s=60).removeprefix("Bearer "))
        return fetched[-1]

    await house.put(*"ab")
    async with house.client(token=fetch) as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as jobs:
            one, two = await taken(jobs, 2)
            served.clock.shift += 61
            await commit(client, ("/queue/shut", "for cooks"), acks=[one])
            served.clock.shift += 61
            await commit(client, acks=[two])  # here only COMMIT is told of the token
        assert house.kept == (1, 0)
        assert (len(fetched), client.statistics().connects) == (3, 1)
        assert figures(house) == (0, 2, 0, 1)


async def test_without_a_new_token_it_takes_no_effect_and_nothing_stays_open(house: House) -> None:
    served = house.served
    token = served.token("cook", ttl_s=60).removeprefix("Bearer ")
    await house.put("a")
    async with house.client(token=lambda: token) as client:
        async with client.subscribe(JOBS, str, ack="client-individual") as jobs:
            (job,) = await taken(jobs, 1)
            served.clock.shift += 61
            for _ in range(2):
                with pytest.raises(RequestError, match="token-expired"):
                    await commit(client, (DONE, "never"), acks=[job])
            assert house.kept == (0, 1)
            await until(lambda: figures(house)[0] == 0)
            assert await job.ack(receipt=True)
            assert house.kept == (0, 0)
        assert client.statistics().connects == 1


async def test_many_at_once_do_not_mix(house: House) -> None:
    async def one(client: Client, name: str) -> None:
        async with client.transaction() as transaction:
            for number in range(5):
                transaction.send(f"{DONE}-{name}", f"{number}")
                await asyncio.sleep(0)

    async with house.client() as client:
        await asyncio.gather(*(one(client, str(number)) for number in range(20)))
        for number in range(20):
            async with client.subscribe(f"{DONE}-{number}", str) as done:
                assert [each.body for each in await taken(done, 5)] == list("01234")
    assert figures(house) == (0, 20, 0, 0)


async def test_handlers_run_when_it_commits_and_their_failures_go_to_on_error(house: House) -> None:
    told: list[str] = []
    async with house.client(on_error=lambda error: told.append(error.code)) as client:
        async with client.subscribe("/topic/hot", str) as hot:
            await commit(client, ("/app/cook", "bad soup"), ("/app/cook", "bread"), (DONE, "all"))
            assert [each.body for each in await taken(hot, 1)] == ["bread"]
            assert told == ["spoiled"]
            assert house.kept == (1, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_a_job_and_its_result_stay_together_when_connections_are_cut(house: House, seed: int) -> None:
    chance = random.Random(seed)
    jobs = [str(number) for number in range(60)]
    await house.put(*jobs)
    cuts = 0

    def results() -> int:
        return house.served.node.statistics().queues.store.appended - len(jobs)

    async with house.client() as client, client.subscribe(JOBS, str, ack="client-individual") as messages:
        while results() < len(jobs):
            message = await messages.next(timeout_s=10)
            if cuts < 25 and chance.random() < 0.5:
                cuts += 1
                asyncio.get_running_loop().call_later(chance.random() * 0.002, house.cut_now)
            with suppress(SessionClosedError):
                await commit(client, (DONE, message.body), acks=[message])
    async with house.client() as client, client.subscribe(DONE, str) as done:
        assert sorted([each.body for each in await taken(done, len(jobs))]) == sorted(jobs)
        assert done.statistics().received == len(jobs)
    assert cuts


async def test_the_test_kit_has_them_too() -> None:
    async with testing.connect(make_app()) as client, client.subscribe(DONE, str) as done:
        async with client.transaction() as transaction:
            assert isinstance(transaction, Transaction)
            transaction.send(DONE, "soup")
        assert (await done.next()).body == "soup"


# What only a peer that does as it is told can show.


async def test_its_frames_leave_together_at_the_end(peer: Peer) -> None:
    async with connect_to(peer.url) as client:
        async with client.transaction() as transaction:
            transaction.send(DONE, "a")
            transaction.send(DONE, "b")
            await client.send("/topic/a", "between")
            assert "BEGIN" not in peer.commands()
        assert peer.commands()[-5:] == [
            "SEND /topic/a",
            "BEGIN",
            f"SEND {DONE}",
            f"SEND {DONE}",
            "COMMIT",
        ]
        names = {got.headers["transaction"] for got in peer.got if "transaction" in got.headers}
        assert len(names) == 1


async def test_a_connection_that_breaks_before_the_receipt_leaves_it_unknown(peer: Peer) -> None:
    peer.no_receipts_for.add("COMMIT")
    async with connect_to(peer.url, reconnect=Backoff(initial_s=0.0, max_s=0.01)) as client:
        task = asyncio.create_task(commit(client, (DONE, "a")))
        await peer.until(lambda: "COMMIT" in peer.commands())
        peer.cut()
        with pytest.raises(SessionClosedError):
            await task
        await client.wait_connected()
        assert peer.commands().count("COMMIT") == 1


async def test_it_is_withdrawn_whole_where_it_waited_too_long(peer: Peer) -> None:
    async with connect_to(peer.url) as client:
        assert client._supervisor is not None
        client._supervisor.courier.on_paused()
        with pytest.raises(TimeoutError):
            await commit(client, (DONE, "a"), timeout_s=0.01)
        assert client.statistics().queued_sends == 0
        client._supervisor.courier.on_resumed()
        await client.send("/topic/a", "x")
        assert "BEGIN" not in peer.commands()


async def test_its_size_is_bounded(peer: Peer) -> None:
    async with connect_to(peer.url, max_queued_sends=2, max_queued_bytes=1000) as client:
        async with client.transaction() as transaction:
            transaction.send(DONE, "a")
            with pytest.raises(LimitError, match="max_queued_bytes allows 1000"):
                transaction.send(DONE, bytes(1000))
            transaction.send(DONE, "b")
            with pytest.raises(LimitError, match="max_queued_sends allows 2"):
                transaction.send(DONE, "c")
        assert peer.sends() == [b"a", b"b"]


async def test_a_subscription_that_was_left_keeps_no_message_of_another_one(house: House) -> None:
    await house.put("soup")
    await house.put("bread", destination="/queue/bread")
    async with house.client() as client, client.subscribe(JOBS, str, ack="client-individual") as jobs:
        (job,) = await taken(jobs, 1)
        async with AsyncExitStack() as stack:
            left = client.subscribe("/queue/bread", str, ack="client-individual")
            (bread,) = await taken(await stack.enter_async_context(left), 1)
            with pytest.raises(SessionClosedError, match="a message of /queue/bread is no longer"):
                await commit(client, acks=[job, bread], at_last=stack.aclose)
        assert await job.ack(receipt=True)
        assert house.kept == (1, 0)
