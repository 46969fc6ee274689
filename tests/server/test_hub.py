"""What the hub writes is held against frames that are encoded one by one."""

import random
from collections.abc import Callable

import pytest

from stompede.messaging.message import Message
from stompede.server.hub import FLUSH_BYTES, Hub
from stompede.server.outbox import Outbox, OutboxCounters
from stompede.server.policies import Conflate, Cut, DropOldest, SlowPolicy
from stompede.transports.asgi import split_frames
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version, escape, message_parts, message_without_subscription
from stompsocket import Parser


class Plain:
    """A framing that adds nothing, as the connection in memory has it."""

    def header(self, length: int, text: bool) -> bytes:
        return b""


PLAIN = Plain()


class Loop:
    """The one thing the hub wants of a loop."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def turn(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


class Reader:
    """A subscriber's socket."""

    def __init__(self, house: "House", max_bytes: int = 10_000) -> None:
        self.house = house
        self.writes: list[bytes] = []
        self.full_after: int | None = None
        self.overflows = 0
        self.outbox = Outbox(self.write, max_bytes, house.counters, self.overflow)

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self.full_after is not None:
            self.full_after -= len(data)
            if self.full_after < 0:
                self.outbox.block(0.0)

    def overflow(self) -> None:
        self.overflows += 1

    def joins(
        self,
        destination: str,
        sid: str | None = "0",
        version: Version = Version.V1_2,
        framing: object = WEBSOCKET,
    ) -> tuple[object, Version, str | None]:
        key = (framing, version, sid)
        self.house.hub.add(destination, key, self.outbox)
        return key

    @property
    def bodies(self) -> list[str]:
        payloads = b"".join(payload for write in self.writes for _, payload in split_frames(write))
        return [frame.text for frame in Parser().feed(payloads)]


class House:
    def __init__(self, policy: SlowPolicy | None = None) -> None:
        self.loop = Loop()
        self.counters = OutboxCounters()
        self.hub = Hub(self.loop.call_soon, "boot", lambda _: policy or Cut())

    def publish(self, *bodies: str | bytes, to: str = "/topic/a") -> None:
        for body in bodies:
            self.hub.publish(Message(to, body.encode() if isinstance(body, str) else body))


@pytest.fixture
def house() -> House:
    return House()


def single(framing: object, version: Version, sid: str | None, message_id: str, message: Message) -> bytes:
    """One frame, encoded alone."""
    if sid is None:
        payload = message_without_subscription(version, message_id, message)
    else:
        before, after = message_parts(version, message_id, message)
        payload = before + escape(version, sid).encode() + after
    try:
        message.body.decode()
    except UnicodeDecodeError:
        text = False
    else:
        text = True
    return framing.header(len(payload), text) + payload  # type: ignore[attr-defined, no-any-return]


# Ticks.


def test_messages_of_one_turn_are_written_once_at_its_end(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a")
    house.publish("1", "2", "3")
    assert reader.writes == []
    house.loop.turn()
    assert len(reader.writes) == 1
    assert reader.bodies == ["1", "2", "3"]
    assert house.loop.callbacks == []
    house.publish("4")
    house.loop.turn()
    assert reader.bodies == ["1", "2", "3", "4"]


def test_members_of_a_cohort_get_one_and_the_same_object(house: House) -> None:
    readers = [Reader(house) for _ in range(5)]
    for reader in readers:
        reader.joins("/topic/a")
    house.publish("1", "2")
    house.loop.turn()
    assert len({id(reader.writes[0]) for reader in readers}) == 1
    statistics = house.hub.statistics()
    assert (statistics.published, statistics.delivered, statistics.ticks, statistics.encoded) == (2, 10, 1, 1)


def test_what_nobody_listens_to_costs_no_turn(house: House) -> None:
    house.publish("1")
    assert house.loop.callbacks == []
    assert house.hub.statistics().published == 1


def test_destinations_do_not_mix(house: House) -> None:
    a, b = Reader(house), Reader(house)
    a.joins("/topic/a")
    b.joins("/topic/b")
    house.publish("for a")
    house.publish("for b", to="/topic/b")
    house.publish("for nobody", to="/topic/c")
    house.loop.turn()
    assert (a.bodies, b.bodies) == (["for a"], ["for b"])


def test_much_is_written_before_the_end_of_the_turn(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a")
    body = "x" * 1000
    for _ in range(FLUSH_BYTES // 1000 + 2):
        house.publish(body)
    assert len(reader.writes) == 1
    house.publish("last")
    house.loop.turn()
    assert len(reader.writes) == 2
    assert reader.bodies[-1] == "last"
    assert len(reader.bodies) == FLUSH_BYTES // 1000 + 3
    house.loop.turn()
    assert len(reader.writes) == 2


def test_message_ids_are_never_given_twice_and_say_the_boot(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a")
    house.publish("1", "2")
    own = house.hub.next_message_id()
    house.publish("3")
    house.loop.turn()
    payloads = b"".join(payload for write in reader.writes for _, payload in split_frames(write))
    ids = [frame.headers["message-id"] for frame in Parser().feed(payloads)] + [own]
    assert len(set(ids)) == 4
    assert all(each.startswith("boot-") for each in ids)


# Cohorts: the bytes.


AWKWARD = ("plain", "", "ünï", "x" * 130, "\n:\\\r", "🙂" * 40, "x" * 70_000)
BODIES = (b"", b"hello", "grüß".encode(), b"\xff\xfe\x00", b"nul\0inside", b"y" * 200, b"z" * 66_000)
SIDS = ("0", "1", "sub-17", "ü", "a:b\\c", "0123456789" * 13, None)


@pytest.mark.parametrize("framing", [WEBSOCKET, PLAIN], ids=["websocket", "plain"])
@pytest.mark.parametrize("version", list(Version))
def test_the_bytes_of_a_cohort_are_those_of_its_frames_encoded_one_by_one(
    version: Version, framing: object
) -> None:
    house = House()
    readers = {}
    for sid in SIDS:
        if sid is None and version is not Version.V1_0:
            continue
        reader = readers[sid] = Reader(house)
        reader.joins("/topic/a", sid, version, framing)
    messages = [
        Message("/topic/a", body, content_type, {"k": value, "client:key": "v"})
        for body in BODIES
        for content_type in (None, "text/plain;charset=utf-8")
        for value in AWKWARD[:-1]
    ]
    for message in messages:
        house.hub.publish(message)
    house.loop.turn()
    for sid, reader in readers.items():
        alone = b"".join(
            single(framing, version, sid, f"boot-{number}", message)
            for number, message in enumerate(messages, 1)
        )
        assert b"".join(reader.writes) == alone


def test_cohorts_of_all_versions_and_framings_stand_side_by_side(house: House) -> None:
    message = Message("/topic/a", b"body", "text/plain", {"k": "a:b\nc\r"})
    readers = []
    for framing in (WEBSOCKET, PLAIN):
        for version in Version:
            for sid in ("0", "ab", "cd", "e:f"):
                reader = Reader(house)
                reader.joins("/topic/a", sid, version, framing)
                readers.append((reader, framing, version, sid))
    house.hub.publish(message)
    house.loop.turn()
    for reader, framing, version, sid in readers:
        assert reader.writes == [single(framing, version, sid, "boot-1", message)]
    assert house.hub.statistics().encoded == 24


def test_text_and_binary_messages_of_one_turn_keep_their_kind(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a")
    house.publish("text", b"\xff", "grüß")
    house.loop.turn()
    assert [text for write in reader.writes for text, _ in split_frames(write)] == [True, False, True]


# Sessions with several subscriptions.


def test_a_session_in_several_cohorts_is_written_once_a_turn(house: House) -> None:
    both, one = Reader(house), Reader(house)
    both.joins("/topic/a", "1")
    both.joins("/topic/a", "2")
    both.joins("/topic/b", "3")
    one.joins("/topic/a", "1")
    house.publish("x")
    house.publish("y", to="/topic/b")
    house.loop.turn()
    assert len(both.writes) == len(one.writes) == 1
    assert sorted(both.bodies) == ["x", "x", "y"]
    house.publish("z")
    house.loop.turn()
    assert len(both.writes) == 2
    assert both.bodies[3:] == ["z", "z"]


def test_a_session_with_several_subscriptions_is_written_directly_where_one_matters(house: House) -> None:
    both, one = Reader(house), Reader(house)
    both.joins("/topic/a", "1")
    both.joins("/topic/b", "1")
    one.joins("/topic/a", "1")
    house.publish("x")
    house.loop.turn()
    assert both.writes[0] is one.writes[0], "the cohort's own object, not a copy"


def test_order_within_a_destination_is_the_order_of_publication_for_everybody() -> None:
    chance = random.Random(1)
    house = House()
    readers = [Reader(house, max_bytes=10**7) for _ in range(20)]
    for reader in readers:
        for number in range(chance.randrange(1, 4)):
            reader.joins(chance.choice(("/topic/a", "/topic/b")), str(number))
    for number in range(3000):
        house.publish(f"{number}", to=chance.choice(("/topic/a", "/topic/b")))
        if chance.random() < 0.2:
            house.loop.turn()
        reader = chance.choice(readers)
        if chance.random() < 0.05 and not reader.outbox.blocked:
            reader.full_after = 0
        elif chance.random() < 0.05 and reader.outbox.blocked:
            reader.full_after = None
            reader.outbox.drain()
    house.loop.turn()
    for reader in readers:
        reader.full_after = None
        reader.outbox.drain()
        payloads = b"".join(payload for write in reader.writes for _, payload in split_frames(write))
        orders: dict[tuple[str, str], list[int]] = {}
        for frame in Parser().feed(payloads):
            key = frame.headers["destination"], frame.headers["subscription"]
            orders.setdefault(key, []).append(int(frame.text))
        for numbers in orders.values():
            assert numbers == sorted(numbers)
        assert len({tuple(orders[key]) for key in orders if key[0] == "/topic/a"}) <= 1, "nothing is missing"


# Coming and going within a turn.


def test_a_newcomer_does_not_get_what_was_published_before(house: House) -> None:
    early, late = Reader(house), Reader(house)
    early.joins("/topic/a")
    house.publish("before")
    late.joins("/topic/a")
    house.publish("after")
    house.loop.turn()
    assert (early.bodies, late.bodies) == (["before", "after"], ["after"])


def test_one_who_leaves_gets_what_was_published_before(house: House) -> None:
    leaver, stayer = Reader(house), Reader(house)
    key = leaver.joins("/topic/a")
    stayer.joins("/topic/a")
    house.publish("before")
    house.hub.remove("/topic/a", key, leaver.outbox)  # type: ignore[arg-type]
    house.publish("after")
    house.loop.turn()
    assert (leaver.bodies, stayer.bodies) == (["before"], ["before", "after"])


def test_the_last_who_leaves_takes_the_destination_along(house: House) -> None:
    reader = Reader(house)
    key = reader.joins("/topic/a")
    assert "/topic/a" in house.hub
    assert (len(house.hub), house.hub.subscribers("/topic/a")) == (1, 1)
    house.publish("before")
    house.hub.remove("/topic/a", key, reader.outbox)  # type: ignore[arg-type]
    assert "/topic/a" not in house.hub
    assert house.hub.subscribers("/topic/a") == 0
    house.loop.turn()
    assert reader.bodies == ["before"]
    assert house.hub.statistics().subscriptions == 0


def test_a_closed_session_that_leaves_writes_nothing_and_hurries_nobody(house: House) -> None:
    gone, stayer = Reader(house), Reader(house)
    key = gone.joins("/topic/a")
    stayer.joins("/topic/a")
    house.publish("x")
    gone.outbox.close()
    house.hub.remove("/topic/a", key, gone.outbox)  # type: ignore[arg-type]
    assert (gone.writes, stayer.writes) == ([], [])
    house.loop.turn()
    assert (gone.writes, stayer.bodies) == ([], ["x"])


def test_a_closed_session_that_is_still_a_member_gets_nothing(house: House) -> None:
    gone = Reader(house)
    gone.joins("/topic/a")
    gone.joins("/topic/a", "2")
    gone.outbox.close()
    house.publish("x")
    house.loop.turn()
    assert gone.writes == []


# Blocked sockets.


def test_a_blocked_socket_gets_its_frames_one_by_one_later_in_order(house: House) -> None:
    slow, fast = Reader(house), Reader(house)
    slow.joins("/topic/a")
    fast.joins("/topic/a")
    slow.full_after = 0
    house.publish("1")
    house.loop.turn()
    assert slow.outbox.blocked
    house.publish("2", "3")
    house.loop.turn()
    house.publish("4")
    house.loop.turn()
    assert len(slow.writes) == 1
    slow.full_after = None
    slow.outbox.drain()
    assert slow.bodies == fast.bodies == ["1", "2", "3", "4"]
    assert b"".join(slow.writes) == b"".join(fast.writes)


def test_a_blocked_socket_with_several_subscriptions_gets_all_of_them(house: House) -> None:
    slow = Reader(house)
    slow.joins("/topic/a", "1")
    slow.joins("/topic/b", "2")
    slow.full_after = 0
    house.publish("1")
    house.loop.turn()
    house.publish("2")
    house.publish("3", to="/topic/b")
    house.loop.turn()
    slow.full_after = None
    slow.outbox.drain()
    assert slow.bodies == ["1", "2", "3"]


def test_a_slow_consumer_is_cut_once_and_after_the_others_got_theirs(house: House) -> None:
    slow, fast = Reader(house, max_bytes=300), Reader(house)
    slow.joins("/topic/a", "1")
    slow.joins("/topic/a", "2")
    fast.joins("/topic/a", "1")
    slow.full_after = 0
    house.publish("first")
    house.loop.turn()

    def overflow() -> None:
        slow.overflows += 1
        assert len(fast.bodies) == 21

    slow.outbox.on_overflow = overflow
    house.publish(*(f"{number:>20}" for number in range(20)))
    house.loop.turn()
    assert slow.overflows >= 1
    assert slow.outbox.queued_bytes <= 300


def test_the_policy_of_the_destination_is_what_a_blocked_socket_meets() -> None:
    for policy, expected in ((DropOldest(), ["first", "8", "9"]), (Conflate(), ["first", "9"])):
        house = House(policy)
        slow = Reader(
            house,
            max_bytes=2 * len(single(WEBSOCKET, Version.V1_2, "0", "boot-10", Message("/topic/a", b"8"))),
        )
        slow.joins("/topic/a")
        slow.full_after = 0
        house.publish("first")
        house.loop.turn()
        house.publish(*map(str, range(10)))
        house.loop.turn()
        slow.full_after = None
        slow.outbox.drain()
        assert slow.bodies == expected
        assert slow.overflows == 0
        assert house.counters.dropped + house.counters.conflated == 11 - len(expected)


def test_conflate_tells_messages_apart_by_a_header_where_it_is_told_so() -> None:
    house = House(Conflate(by="rider"))
    slow = Reader(house)
    slow.joins("/topic/a")
    slow.full_after = 0
    house.publish("first")
    house.loop.turn()
    for number in range(9):
        house.hub.publish(Message("/topic/a", str(number).encode(), None, {"rider": str(number % 3)}))
        house.loop.turn()
    slow.full_after = None
    slow.outbox.drain()
    assert slow.bodies == ["first", "6", "7", "8"]


def test_conflate_keeps_destinations_and_subscriptions_apart() -> None:
    house = House(Conflate())
    slow = Reader(house)
    slow.joins("/topic/a", "1")
    slow.joins("/topic/a", "2")
    slow.joins("/topic/b", "3")
    slow.full_after = 0
    house.publish("first")
    house.loop.turn()
    for number in range(5):
        house.publish(f"a{number}")
        house.publish(f"b{number}", to="/topic/b")
        house.loop.turn()
    slow.full_after = None
    slow.outbox.drain()
    assert sorted(slow.bodies) == ["a4", "a4", "b4", "first", "first"]
