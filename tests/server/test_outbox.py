import random

import pytest

from stompede.server.fanout.outbox import DEFAULT_POLICY, Offer, Outbox, OutboxCounters
from stompede.server.fanout.policies import Conflate, Cut, DropOldest


class Socket:
    """Takes what it is given until `room` bytes are in it; then tells the outbox to wait, as a transport does."""

    def __init__(self, room: int = 0, max_bytes: int = 100) -> None:
        self.room = room
        self.written = b""
        self.writes = 0
        self.overflows = 0
        self.counters = OutboxCounters()
        self.outbox = Outbox(self.write, max_bytes, self.counters, self.overflow)

    def write(self, data: bytes) -> None:
        assert not self.outbox.blocked, "written to while the kernel takes nothing"
        self.written += data
        self.writes += 1
        self.room -= len(data)
        if self.room < 0:
            self.outbox.block(7.0)

    def overflow(self) -> None:
        self.overflows += 1

    def drained(self, room: int = 10**9) -> bytes:
        self.room = room
        self.written = b""
        self.outbox.drain()
        return self.written


@pytest.fixture
def blocked() -> Socket:
    socket = Socket()
    socket.outbox.send(b"first")
    assert socket.outbox.blocked
    return socket


def test_an_open_socket_is_written_to_at_once() -> None:
    socket = Socket(room=100)
    assert socket.outbox.send(b"a") is Offer.ACCEPTED
    socket.outbox.write(b"b")
    assert socket.written == b"ab"
    assert socket.outbox.queued_bytes == 0


def test_a_blocked_outbox_says_since_when(blocked: Socket) -> None:
    assert blocked.outbox.since == 7.0
    blocked.outbox.block(99.0)
    assert blocked.outbox.since == 7.0
    assert blocked.counters.blocked == 1


def test_what_waits_is_written_in_order_when_the_socket_is_empty_again(blocked: Socket) -> None:
    for frame in (b"1", b"2", b"3"):
        assert blocked.outbox.offer(frame, DEFAULT_POLICY, None) is Offer.ACCEPTED
    assert blocked.counters.queued_bytes == blocked.outbox.queued_bytes == 3
    writes = blocked.writes
    assert blocked.drained() == b"123"
    assert blocked.writes == writes + 1
    assert (blocked.counters.queued_bytes, blocked.counters.blocked, blocked.outbox.blocked) == (0, 0, False)


def test_draining_stops_where_the_kernel_leaves_something_over() -> None:
    socket = Socket(max_bytes=10**7)
    socket.outbox.send(b"first")
    frames = [bytes([65 + index]) * 40_000 for index in range(6)]
    for frame in frames:
        socket.outbox.offer(frame, DEFAULT_POLICY, None)
    written = socket.drained(room=50_000)
    assert written == frames[0] + frames[1]
    assert socket.outbox.blocked
    assert socket.outbox.queued_bytes == 160_000
    socket.outbox.offer(b"last", DEFAULT_POLICY, None)
    assert socket.drained() == b"".join(frames[2:]) + b"last"


def test_cut_overflows_at_the_bound_and_queues_no_more(blocked: Socket) -> None:
    assert blocked.outbox.offer(b"x" * 100, Cut(), None) is Offer.ACCEPTED
    assert blocked.outbox.offer(b"y", Cut(), None) is Offer.OVERFLOW
    assert blocked.overflows == 0, "the caller calls, after its loop"
    assert blocked.outbox.queued_bytes == 100
    assert blocked.drained() == b"x" * 100


def test_answers_are_never_dropped_but_overflow(blocked: Socket) -> None:
    blocked.outbox.offer(b"x" * 99, DropOldest(), None)
    assert blocked.outbox.send(b"answer") is Offer.OVERFLOW


def test_drop_oldest_drops_the_oldest_until_the_new_one_fits(blocked: Socket) -> None:
    for frame in (b"a" * 40, b"b" * 40, b"c" * 20):
        blocked.outbox.offer(frame, DropOldest(), None)
    assert blocked.outbox.offer(b"d" * 50, DropOldest(), None) is Offer.ACCEPTED
    assert blocked.counters.dropped == 2
    assert blocked.drained() == b"c" * 20 + b"d" * 50


def test_drop_oldest_leaves_what_may_not_be_dropped(blocked: Socket) -> None:
    blocked.outbox.send(b"answer" * 10)
    blocked.outbox.offer(b"a" * 30, DropOldest(), None)
    assert blocked.outbox.offer(b"b" * 35, DropOldest(), None) is Offer.ACCEPTED
    assert blocked.drained() == b"answer" * 10 + b"b" * 35


def test_a_message_that_can_never_fit_is_dropped_alone(blocked: Socket) -> None:
    blocked.outbox.send(b"answer" * 10)
    blocked.outbox.offer(b"a" * 30, DropOldest(), None)
    assert blocked.outbox.offer(b"b" * 41, DropOldest(), None) is Offer.DROPPED
    assert blocked.counters.dropped == 1
    assert blocked.drained() == b"answer" * 10 + b"a" * 30


def test_conflate_keeps_the_newest_of_each_key_at_its_own_place(blocked: Socket) -> None:
    outcomes = [
        blocked.outbox.offer(frame, Conflate(), key)
        for frame, key in ((b"a1", "a"), (b"b1", "b"), (b"a2", "a"), (b"b2", "b"), (b"a3", "a"))
    ]
    assert outcomes == [Offer.ACCEPTED, Offer.ACCEPTED, Offer.CONFLATED, Offer.CONFLATED, Offer.CONFLATED]
    assert blocked.counters.conflated == 3
    assert blocked.outbox.queued_bytes == 4
    assert blocked.drained() == b"b2a3", (
        "in the order of the newest: what one destination carries keeps its order"
    )


def test_conflate_drops_the_oldest_key_at_the_bound(blocked: Socket) -> None:
    for index in range(12):
        blocked.outbox.offer(b"%10d" % index, Conflate(), index)
    assert blocked.outbox.queued_bytes == 100
    assert blocked.counters.dropped == 2
    assert blocked.drained() == b"".join(b"%10d" % index for index in range(2, 12))


def test_conflate_replaces_the_older_of_a_key_where_only_its_own_place_is_left(blocked: Socket) -> None:
    blocked.outbox.send(b"answer" * 10)
    blocked.outbox.offer(b"a" * 40, Conflate(), "a")
    assert blocked.outbox.offer(b"A" * 40, Conflate(), "a") is Offer.CONFLATED
    assert (blocked.counters.conflated, blocked.counters.dropped) == (1, 0)
    assert blocked.drained() == b"answer" * 10 + b"A" * 40


def test_conflate_prefers_the_newest_of_a_key_to_what_is_older_of_other_keys(blocked: Socket) -> None:
    for frame, key in ((b"a" * 30, "a"), (b"b" * 30, "b"), (b"c" * 30, "c")):
        blocked.outbox.offer(frame, Conflate(), key)
    assert blocked.outbox.offer(b"A" * 60, Conflate(), "a") is Offer.CONFLATED
    assert (blocked.counters.conflated, blocked.counters.dropped) == (1, 1)
    assert blocked.drained() == b"c" * 30 + b"A" * 60


def test_conflate_keeps_the_older_of_a_key_where_there_is_never_room_for_the_newer(blocked: Socket) -> None:
    blocked.outbox.send(b"answer" * 10)
    blocked.outbox.offer(b"a" * 20, Conflate(), "a")
    blocked.outbox.offer(b"b" * 20, Conflate(), "b")
    assert blocked.outbox.offer(b"A" * 41, Conflate(), "a") is Offer.DROPPED
    assert (blocked.counters.conflated, blocked.counters.dropped) == (0, 1)
    assert blocked.outbox.offer(b"A" * 10, Conflate(), "a") is Offer.CONFLATED
    assert blocked.drained() == b"answer" * 10 + b"b" * 20 + b"A" * 10


@pytest.mark.parametrize("seed", range(5))
def test_conflate_never_loses_all_of_a_key_while_others_can_give_way(seed: int) -> None:
    chance = random.Random(seed)
    socket = Socket(max_bytes=1000)
    socket.outbox.send(b"first")
    socket.outbox.send(b"answer" * 100)
    queue = socket.outbox._queue
    assert queue is not None
    for _ in range(2000):
        key = f"key {chance.randrange(5)}"
        held = key in queue
        offer = socket.outbox.offer(b"." * chance.randrange(1, 500), Conflate(), key)
        assert (key in queue) == (held or offer is not Offer.DROPPED)
        assert socket.outbox.queued_bytes == sum(len(one.frame) for one in queue.values()) <= 1000


def test_policies_share_one_queue_in_order(blocked: Socket) -> None:
    blocked.outbox.offer(b"[cut]", Cut(), None)
    blocked.outbox.offer(b"[conflate]", Conflate(), "k")
    blocked.outbox.offer(b"[drop]", DropOldest(), None)
    blocked.outbox.send(b"[answer]")
    assert blocked.drained() == b"[cut][conflate][drop][answer]"


def test_a_closed_outbox_forgets_and_takes_nothing(blocked: Socket) -> None:
    blocked.outbox.send(b"waits")
    blocked.outbox.close()
    blocked.outbox.close()
    assert blocked.counters.queued_bytes == blocked.counters.blocked == blocked.outbox.queued_bytes == 0
    assert blocked.outbox.offer(b"x", Cut(), None) is Offer.DROPPED
    assert blocked.outbox.offer(b"x", Conflate(), "k") is Offer.DROPPED
    assert blocked.drained() == b""
    blocked.outbox.block(8.0)
    assert blocked.counters.blocked == 0


def test_closing_in_the_middle_of_a_drain_ends_it() -> None:
    socket = Socket(max_bytes=10**6)
    socket.outbox.send(b"first")
    for _ in range(4):
        socket.outbox.offer(b"x" * 65_536, DEFAULT_POLICY, None)
    writes = []

    def write(data: bytes) -> None:
        writes.append(data)
        socket.outbox.close()

    socket.outbox.write = write
    socket.outbox.drain()
    assert len(writes) == 1
    assert socket.counters.queued_bytes == 0


def test_the_last_words_follow_what_waits(blocked: Socket) -> None:
    written: list[bytes] = []
    blocked.outbox.write = written.append
    blocked.outbox.send(b"waits ")
    blocked.outbox.flush_last(b"the end")
    assert written == [b"waits the end"]


@pytest.mark.parametrize("policy", [Cut(), DropOldest(), Conflate()])
@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds_and_the_counters_agree_whatever_comes(policy: object, seed: int) -> None:
    chance = random.Random(seed)
    socket = Socket(max_bytes=1000)
    sent: list[bytes] = []
    for number in range(2000):
        frame = b"<%d>" % number + b"." * chance.randrange(60)
        if not socket.outbox.blocked:
            if chance.random() < 0.3:
                socket.room = chance.randrange(300)
            socket.outbox.send(frame)
            sent.append(frame)
        elif socket.outbox.offer(frame, policy, chance.randrange(5)) in (Offer.ACCEPTED, Offer.CONFLATED):
            sent.append(frame)
        assert socket.outbox.queued_bytes <= 1000
        assert socket.counters.queued_bytes == socket.outbox.queued_bytes
        if chance.random() < 0.05:
            socket.room = chance.randrange(2000)
            if socket.outbox.blocked:
                socket.outbox.drain()
    socket.room = 10**9
    socket.outbox.drain()
    assert socket.counters.queued_bytes == socket.counters.blocked == 0
    numbers = [
        int(part[1:].partition(b">")[0]) for part in socket.written.split(b".") if part.startswith(b"<")
    ]
    assert numbers == sorted(numbers)
    if isinstance(policy, Cut):
        assert socket.written == b"".join(sent)


def test_messages_that_stay_or_go_together_are_counted_one_by_one(blocked: Socket) -> None:
    blocked.outbox.offer(b"x" * 60, DropOldest(), None, 3)
    assert blocked.outbox.offer(b"y" * 60, DropOldest(), None, 2) is Offer.ACCEPTED
    assert blocked.counters.dropped == 3
    assert blocked.outbox.offer(b"z" * 101, DropOldest(), None, 4) is Offer.DROPPED
    assert blocked.counters.dropped == 7


def test_the_newest_of_a_key_stands_for_those_that_it_replaced_in_its_tick(blocked: Socket) -> None:
    assert blocked.outbox.offer(b"a", Conflate(), "k", 5) is Offer.ACCEPTED
    assert blocked.counters.conflated == 4
    assert blocked.outbox.offer(b"b", Conflate(), "k", 2) is Offer.CONFLATED
    assert blocked.counters.conflated == 6
    assert blocked.outbox.offer(b"c" * 101, Conflate(), "k", 3) is Offer.DROPPED
    assert blocked.counters.dropped == 3
