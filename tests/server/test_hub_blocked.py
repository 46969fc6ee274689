"""The hub and sockets that take nothing."""

from hub_house import House, Reader, house, single

from stompede.messaging.message import Message
from stompede.server.fanout.policies import Conflate, DropOldest
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version

__all__ = ["house"]


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
