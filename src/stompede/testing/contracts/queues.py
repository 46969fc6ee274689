"""The contract of every queue store, as a suite; the promises are written down in `stompede.store.QueueStore`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable

from stompede.store import Queue
from stompede.store.queues import Entry, Refusal, Refused
from stompede.testing.contracts.queue_house import JOBS, QueueStoreHouse, known


class QueueStoreContract(QueueStoreHouse):
    """The promises of every `QueueStore`, of one node. Derive a class, name it ``Test...``, and say how it is made."""

    async def test_messages_are_taken_in_the_order_of_the_calls_not_of_the_waiting(self) -> None:
        async with self.store() as store:
            outcomes = [store.append([entry], now=self.now) for entry in self.entries(range(100))]
            for outcome in reversed(outcomes):
                assert await known(outcome) is None
            assert self.numbers(await self.take(store, 60)) == list(range(60))
            assert self.numbers(await self.take(store, 60)) == list(range(60, 100))

    async def test_what_is_taken_is_nobody_elses_until_it_was_given_back(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, 2)
            (one,) = await self.take(store, 1)
            assert self.numbers(await self.take(store)) == [2]
            assert await self.take(store) == []
            await known(store.give_back(JOBS, [one.id], delivered=True))
            assert self.numbers(await self.take(store)) == [1]

    async def test_what_is_settled_never_comes_again(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, 2, 3)
            taken = await self.take(store)
            await known(store.settle(JOBS, [each.id for each in taken[:2]]))
            await known(store.give_back(JOBS, [each.id for each in taken], delivered=True))
            assert self.numbers(await self.take(store)) == [3]

    async def test_what_goes_back_comes_before_all_others_in_its_old_order(self) -> None:
        async with self.store() as store:
            await self.put(store, *range(6))
            taken = await self.take(store, 4)
            for each in (taken[2], taken[0], taken[3]):
                await known(store.give_back(JOBS, [each.id], delivered=True))
            assert self.numbers(await self.take(store)) == [0, 2, 3, 4, 5]

    async def test_deliveries_are_counted_where_a_consumer_may_have_seen_the_message(self) -> None:
        async with self.store() as store:
            await self.put(store, 1)
            counts = []
            for delivered in (True, False, True, True):
                (one,) = await self.take(store)
                counts.append(one.deliveries)
                await known(store.give_back(JOBS, [one.id], delivered=delivered))
            assert counts == [1, 2, 2, 3]

    async def test_who_may_have_been_seen_comes_again_as_such_also_where_the_delivery_does_not_count(
        self,
    ) -> None:
        async with self.store() as store:
            await self.put(store, 1)
            seen = []
            for delivered, counted in ((False, True), (True, False), (False, False), (True, True)):
                (one,) = await self.take(store)
                seen.append((one.deliveries, one.redelivered))
                await known(store.give_back(JOBS, [one.id], delivered=delivered, counted=counted))
            (one,) = await self.take(store)
            assert [*seen, (one.deliveries, one.redelivered)] == [
                (1, False), (1, False), (1, True), (1, True), (2, True),
            ]  # fmt: skip

    async def test_a_message_keeps_its_id_and_no_two_have_the_same(self) -> None:
        async with self.store() as store:
            await self.put(store, *range(20))
            await self.put(store, *range(20), queue="/queue/other")
            taken = [*await self.take(store), *await self.take(store, queue="/queue/other")]
            assert len({each.id for each in taken}) == 40
            assert all(each.id and each.id.isascii() and each.id.isprintable() for each in taken)
            assert not any(sign in each.id for each in taken for sign in ":\\ ")
            await known(store.give_back(JOBS, [taken[0].id], delivered=True))
            assert (await self.take(store))[0].id == taken[0].id

    async def test_a_full_queue_refuses_and_keeps_what_it_has(self) -> None:
        async with self.store() as store:
            few, small = Queue(max_messages=2), Queue(max_bytes=25)
            assert await self.put(store, 1, 2, limits=few) is None
            assert await self.put(store, 3, limits=few) == Refused(JOBS, Refusal.FULL)
            await self.take(store, 1)  # what is taken takes room, too
            assert await self.put(store, 3, limits=few) == Refused(JOBS, Refusal.FULL)
            assert await self.put(store, 1, 2, queue="b", limits=small) is None
            assert await self.put(store, 3, queue="b", limits=small) == Refused("b", Refusal.FULL)
            assert self.numbers(await self.take(store, queue="b")) == [1, 2]
            assert store.statistics().refused == 3

    async def test_a_full_queue_lets_the_oldest_waiting_ones_go_where_it_may(self) -> None:
        async with self.store() as store:
            limits = Queue(max_messages=3, full="drop-oldest")
            await self.put(store, 1, limits=limits)
            (first,) = await self.take(store, 1)
            assert await self.put(store, 2, 3, 4, 5, limits=limits) is None
            assert self.numbers(await self.take(store)) == [4, 5]
            assert await self.put(store, 6, limits=limits) == Refused(JOBS, Refusal.FULL)  # all are taken
            await known(store.give_back(JOBS, [first.id], delivered=True))
            assert self.numbers(await self.take(store)) == [1]
            assert store.statistics().dropped == 2

    async def test_what_goes_back_always_has_its_place(self) -> None:
        async with self.store() as store:
            limits = Queue(max_messages=2)
            await self.put(store, 1, 2, limits=limits)
            taken = await self.take(store)
            await known(store.give_back(JOBS, [each.id for each in taken], delivered=False))
            assert self.numbers(await self.take(store)) == [1, 2]

    async def test_an_append_is_done_as_a_whole_or_not_at_all(self) -> None:
        async with self.store() as store:
            few = Queue(max_messages=2)
            await self.put(store, 1)
            (one,) = await self.take(store)
            entries = [*self.entries([5]), *self.entries([6, 7, 8], "b", limits=few)]
            refused = await known(store.append(entries, [(JOBS, one.id)], now=self.now))
            assert refused == Refused("b", Refusal.FULL)
            assert await self.lengths(store) == (0, 1, 10)
            assert await self.lengths(store, "b") == (0, 0, 0)
            assert await known(store.append(entries[:3], [(JOBS, one.id)], now=self.now)) is None
            assert self.numbers(await self.take(store)) == [5]
            assert self.numbers(await self.take(store, queue="b")) == [6, 7]

    async def test_what_is_taken_takes_room_also_where_several_are_appended(self) -> None:
        async with self.store() as store:
            for queue, limits in (
                ("a", Queue(max_messages=2)),
                ("b", Queue(max_bytes=25, full="drop-oldest")),
            ):
                await self.put(store, 1, 2, queue=queue, limits=limits)
                assert self.numbers(await self.take(store, queue=queue)) == [1, 2]
                entries = [*self.entries([3]), *self.entries([4], queue, limits=limits)]
                refused = await known(store.append(entries, now=self.now))
                assert refused == Refused(queue, Refusal.FULL)

    async def test_what_an_append_settles_makes_room_for_what_it_brings(self) -> None:
        async with self.store(max_queues=1) as store:
            one_only = Queue(max_messages=1)
            await self.put(store, 1, limits=one_only)
            (one,) = await self.take(store)
            same = self.entries([2], limits=one_only)
            assert await known(store.append(same, [(JOBS, one.id)], now=self.now)) is None
            (two,) = await self.take(store)
            other = self.entries([3], "b", limits=one_only)
            assert await known(store.append(other, [(JOBS, two.id)], now=self.now)) is None
            assert self.numbers(await self.take(store, queue="b")) == [3]

    async def test_what_an_append_settles_makes_room_also_where_the_oldest_may_go(self) -> None:
        async with self.store() as store:
            limits = Queue(max_bytes=100, full="drop-oldest")
            await self.put(store, 1, size_bytes=20, limits=limits)
            (one,) = await self.take(store)
            await self.put(store, 2, size_bytes=60, limits=limits)
            entry = self.entries([3], size_bytes=50, limits=limits)  # beside the second one it has no room
            assert await known(store.append(entry, [(JOBS, one.id)], now=self.now)) is None
            assert self.numbers(await self.take(store)) == [3]
            assert store.statistics().dropped == 1

    async def test_a_cancelled_append_has_taken_effect_or_not_but_never_by_half(self) -> None:
        async with self.store() as store:
            outcome = store.append(self.entries(range(3)), now=self.now)
            if isinstance(outcome, Awaitable):
                task = asyncio.ensure_future(outcome)
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await self.put(store, 9)
            assert self.numbers(await self.take(store)) in ([0, 1, 2, 9], [9])

    async def test_queues_are_bounded_and_an_empty_one_takes_no_room(self) -> None:
        async with self.store(max_queues=2) as store:
            await self.put(store, 1, queue="a")
            await self.put(store, 1, queue="b")
            assert await self.put(store, 1, queue="c") == Refused("c", Refusal.NO_ROOM)
            (one,) = await self.take(store, queue="a")
            assert await self.put(store, 1, queue="c") == Refused("c", Refusal.NO_ROOM)
            await known(store.settle("a", [one.id]))
            assert await self.put(store, 1, queue="c") is None

    async def test_queues_that_nobody_asked_for_leave_half_of_the_room_to_others(self) -> None:
        async with self.store(max_queues=4) as store:
            stray = [Entry(name, self.item(1), 10, Queue(), asked_for=False) for name in "abcd"]
            assert await known(store.append(stray[:3], now=self.now)) == Refused("c", Refusal.NO_ROOM)
            for entry in stray[:2]:
                assert await known(store.append([entry], now=self.now)) is None
            assert await known(store.append(stray[2:3], now=self.now)) == Refused("c", Refusal.NO_ROOM)
            assert await known(store.append(stray[:1], now=self.now)) is None  # it is there already
            assert await self.put(store, 1, queue="c") is None
            assert await self.put(store, 1, queue="d") is None
            assert await self.put(store, 1, queue="e") == Refused("e", Refusal.NO_ROOM)

    async def test_all_queues_together_are_bounded_in_bytes(self) -> None:
        async with self.store(max_bytes=100) as store:
            oldest = Queue(full="drop-oldest", max_bytes=60)
            full = Refused("b", Refusal.NO_BYTES)
            assert await self.put(store, 1, queue="a", size_bytes=50) is None
            assert await self.put(store, 2, queue="b", size_bytes=50, limits=oldest) is None
            assert await self.put(store, 3, queue="b", size_bytes=20, limits=oldest) == full
            (one,) = await self.take(store, queue="a")
            more, same = self.entries([4], size_bytes=51), self.entries([4], size_bytes=50)
            refused = await known(store.append(more, [("a", one.id)], now=self.now))
            assert refused == Refused(JOBS, Refusal.NO_BYTES)
            assert await known(store.append(same, [("a", one.id)], now=self.now)) is None
            await known(store.delete(JOBS))
            assert await self.put(store, 5, queue="c", size_bytes=50) is None
            assert self.numbers(await self.take(store, queue="b")) == [2]

    async def test_a_watched_queue_says_when_messages_wait(self) -> None:
        async with self.store() as store:
            await known(store.watch(JOBS))
            await self.put(store, 1)
            await self.wait_told()
            (one,) = await self.take(store)
            await known(store.give_back(JOBS, [one.id], delivered=True))
            await self.wait_told()
            assert self.threads == {threading.get_ident()}

    async def test_who_begins_to_watch_is_told_of_what_waits_already(self) -> None:
        async with self.store() as store:
            await self.put(store, 1)
            await known(store.watch(JOBS))
            await self.wait_told()

    async def test_a_queue_that_is_watched_no_more_says_nothing(self) -> None:
        async with self.store() as store:
            for queue in ("a", "b"):
                await known(store.watch(queue))
                await known(store.watch(queue))
            store.unwatch("a")
            store.unwatch("never watched")
            await self.put(store, 1, queue="a")
            await self.put(store, 1, queue="b")
            assert "a" not in await self.wait_told("b")

    async def test_what_waits_for_too_long_is_handed_out_as_expired_once(self) -> None:
        async with self.store() as store:
            short = Queue(ttl_s=1)
            await self.put(store, 1, 2, 3, limits=short)
            (one,) = await self.take(store, 1)
            await self.pass_time(2)
            (two,) = await self.take(store, 1)
            assert (two.expired, self.numbers([two])) == (True, [2])
            found = await known(store.take_expired(10, now=self.now))
            assert [(queue, each.expired, *self.numbers([each])) for queue, each in found] == [
                (JOBS, True, 3)
            ]
            assert list(await known(store.take_expired(10, now=self.now))) == []
            await known(store.settle(JOBS, [each.id for _, each in found]))
            await known(store.give_back(JOBS, [one.id], delivered=True))  # its time ended while it was taken
            assert [each.expired for each in await self.take(store)] == [True]

    async def test_what_has_time_left_or_no_end_does_not_expire(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, limits=Queue(ttl_s=100))
            await self.put(store, 2, queue="b")
            await self.pass_time(2)
            assert list(await known(store.take_expired(10, now=self.now))) == []
            assert [each.expired for each in await self.take(store)] == [False]
            assert [each.expired for each in await self.take(store, queue="b")] == [False]

    async def test_what_expires_comes_in_portions(self) -> None:
        async with self.store() as store:
            for queue in ("a", "b"):
                await self.put(store, *range(5), queue=queue, limits=Queue(ttl_s=1))
            await self.pass_time(2)
            sizes = [len(await known(store.take_expired(4, now=self.now))) for _ in range(4)]
            assert sizes == [4, 4, 2, 0]

    async def test_a_deleted_queue_is_gone_with_all_that_was_in_it(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, 2)
            (one,) = await self.take(store, 1)
            await known(store.delete(JOBS))
            await known(store.delete("never there"))
            await known(store.give_back(JOBS, [one.id], delivered=True))
            await known(store.settle(JOBS, [one.id]))
            assert await self.take(store) == []
            assert await self.lengths(store) == (0, 0, 0)
            await self.put(store, 3)
            assert self.numbers(await self.take(store)) == [3]

    async def test_any_text_names_a_queue(self) -> None:
        names = ("", " ", "/queue/라이더", "a\nb", "/queue/*", "{x}", "%s", "k" * 200)
        async with self.store() as store:
            for number, name in enumerate(names):
                await self.put(store, number, queue=name)
            for number, name in enumerate(names):
                assert self.numbers(await self.take(store, queue=name)) == [number]

    async def test_ids_that_are_not_taken_are_left_alone(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, 2)
            (one,) = await self.take(store, 1)
            await known(store.settle("/queue/other", [one.id]))
            await known(store.settle(JOBS, ["no such id"]))
            await known(store.give_back(JOBS, ["no such id"], delivered=True))
            assert await self.lengths(store) == (1, 1, 20)

    async def test_statistics_count_what_happened_and_stay_after_the_end(self) -> None:
        async with self.store() as store:
            await self.put(store, 1, 2, 3)
            taken = await self.take(store, 2)
            await known(store.settle(JOBS, [taken[0].id]))
            await known(store.give_back(JOBS, [taken[1].id], delivered=True))
            await self.take(store, 1)
        figures = store.statistics()
        assert (figures.queues, figures.waiting, figures.taken, figures.size_bytes) == (1, 1, 1, 20)
        assert (figures.appended, figures.settled, figures.given_back) == (3, 1, 1)
        assert (figures.refused, figures.dropped) == (0, 0)

    async def test_it_can_be_closed_before_its_start_and_twice_and_says_nothing_afterwards(self) -> None:
        unstarted = await self.make_store()
        await unstarted.aclose()
        async with self.store() as store:
            await known(store.watch(JOBS))
            await self.put(store, 1)
            await self.wait_told()
            await store.aclose()
            await store.aclose()
            store.unwatch(JOBS)
            assert self.told == []
