"""What the hub writes is held against frames that are encoded one by one."""

import random

import pytest
from hub_house import PLAIN, House, Reader, house, single

from stompede.messaging.message import Message
from stompede.server.fanout.hub import FLUSH_BYTES
from stompede.transports.asgi import split_frames
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version
from stompsocket import Parser

__all__ = ["house"]


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


@pytest.mark.parametrize("members", [1, 3])
def test_a_message_that_cannot_be_written_costs_no_other_message_and_no_other_destination(
    house: House, members: int
) -> None:
    readers = [Reader(house) for _ in range(members)]
    other = Reader(house)
    for reader in readers:
        reader.joins("/topic/a")
    other.joins("/topic/b")
    for _ in range(2):
        house.publish("1")
        house.hub.publish(Message("/topic/a", b"2", None, {"name": "\ud800"}))
        house.publish("3")
        house.hub.publish(Message("/topic/b", b"4"))
        house.loop.turn()
    assert [reader.bodies for reader in readers] == [["1", "3"] * 2] * members
    assert other.bodies == ["4", "4"]
    assert house.hub.statistics().unencodable == 2


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
