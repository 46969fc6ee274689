"""Wildcards in the hub: who gets what, in which order, and at what cost."""

import random

import pytest
from hub_house import House, Reader, house

from stompede.messaging.message import Message
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.policies import Conflate, Cut, DropOldest
from stompede.server.fanout.wildcards import WildcardTopics
from stompede.transports.asgi import split_frames
from stompsocket import Frame, Parser

__all__ = ["house"]


def frames(reader: Reader) -> list[Frame]:
    return Parser().feed(b"".join(payload for write in reader.writes for _, payload in split_frames(write)))


def test_a_message_comes_by_every_wildcard_that_matches_and_says_where_it_was_published(house: House) -> None:
    star, rest, other = Reader(house), Reader(house), Reader(house)
    star.joins("/topic/stocks.*")
    rest.joins("/topic/#")
    other.joins("/topic/bonds.*")
    house.publish("1", to="/topic/stocks.ibm")
    house.publish("2", to="/topic/stocks.ibm.bid")
    house.loop.turn()
    assert [(one.headers["destination"], one.text) for one in frames(star)] == [("/topic/stocks.ibm", "1")]
    assert [one.headers["destination"] for one in frames(rest)] == [
        "/topic/stocks.ibm",
        "/topic/stocks.ibm.bid",
    ]
    assert other.writes == []


def test_a_name_and_a_wildcard_of_one_session_bring_a_message_each_in_one_write(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/stocks.ibm", "exact")
    reader.joins("/topic/stocks.*", "wild")
    house.publish("1", to="/topic/stocks.ibm")
    house.loop.turn()
    assert len(reader.writes) == 1
    came = frames(reader)
    assert sorted(one.headers["subscription"] for one in came) == ["exact", "wild"]
    assert len({one.headers["message-id"] for one in came}) == 1


def test_members_of_a_cohort_of_a_wildcard_get_one_and_the_same_object(house: House) -> None:
    readers = [Reader(house) for _ in range(5)]
    for reader in readers:
        reader.joins("/topic/stocks.*")
    for name in ("ibm", "sun"):
        house.publish("1", "2", to=f"/topic/stocks.{name}")
    house.loop.turn()
    assert len({id(reader.writes[0]) for reader in readers}) == 1
    assert len(frames(readers[0])) == 4
    statistics = house.hub.statistics()
    assert (statistics.wildcards, statistics.encoded, statistics.delivered) == (1, 1, 20)


def test_what_is_no_topic_comes_by_no_wildcard(house: House) -> None:
    reader = Reader(house)
    for number, wildcard in enumerate(("/topic/>", "/topic/jobs.*", "/topic/**")):
        reader.joins(wildcard, str(number))
    for destination in (
        "/queue/jobs.1",
        "/temp-queue/jobs.1",
        "/topic",
        "/topics/jobs.1",
        "/session/queue/jobs.1",
    ):
        house.publish("1", to=destination)
    house.loop.turn()
    assert reader.writes == []


def test_one_subscriber_alone_gets_the_destination_of_each_message_too(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/stocks.*")
    for name in ("ibm", "sun", "ibm"):
        house.publish(name, to=f"/topic/stocks.{name}")
    house.loop.turn()
    assert [one.headers["destination"].removeprefix("/topic/stocks.") for one in frames(reader)] == [
        one.text for one in frames(reader)
    ]


def test_who_comes_and_goes_within_a_tick_gets_what_is_published_meanwhile(house: House) -> None:
    early, late = Reader(house), Reader(house)
    key = early.joins("/topic/stocks.*")
    house.publish("1", to="/topic/stocks.ibm")
    late.joins("/topic/stocks.*")
    house.publish("2", to="/topic/stocks.ibm")
    house.hub.remove("/topic/stocks.*", key, early.outbox)  # type: ignore[arg-type]
    house.publish("3", to="/topic/stocks.ibm")
    house.loop.turn()
    assert (early.bodies, late.bodies) == (["1", "2"], ["2", "3"])


def test_a_wildcard_that_nobody_wants_any_more_is_forgotten_and_nothing_is_looked_up(house: House) -> None:
    reader = Reader(house)
    key = reader.joins("/topic/stocks.*")
    house.publish("1", to="/topic/stocks.ibm")
    house.hub.remove("/topic/stocks.*", key, reader.outbox)  # type: ignore[arg-type]
    looked_up = house.hub.statistics().wildcards_resolved
    house.publish("2", to="/topic/stocks.sun")
    house.loop.turn()
    statistics = house.hub.statistics()
    assert (len(house.hub), statistics.wildcards) == (0, 0)
    assert statistics.wildcards_resolved == looked_up == 1
    assert reader.bodies == ["1"]


def test_what_matches_a_destination_is_remembered_until_wildcards_change(house: House) -> None:
    first, second = Reader(house), Reader(house)
    first.joins("/topic/stocks.*")
    house.publish("1", "2", "3", to="/topic/stocks.ibm")
    assert house.hub.statistics().wildcards_resolved == 1
    second.joins("/topic/stocks.#")
    house.publish("4", to="/topic/stocks.ibm")
    house.loop.turn()
    assert house.hub.statistics().wildcards_resolved == 2
    assert (first.bodies, second.bodies) == (["1", "2", "3", "4"], ["4"])


def test_the_memory_of_what_matches_is_bounded() -> None:
    topics = WildcardTopics("/topic")
    for number in range(10_000):
        topics.matching(f"/topic/{number}")
    assert len(topics._known) <= 4096


class Listening:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def take(self, message_id: str, message: Message) -> None:
        self.heard.append((message.destination, message.body.decode()))


def test_a_listener_hears_by_a_wildcard(house: House) -> None:
    listener = Listening()
    house.hub.listen("/topic/stocks.*", listener)
    house.publish("1", to="/topic/stocks.ibm")
    house.hub.unlisten("/topic/stocks.*", listener)
    house.publish("2", to="/topic/stocks.ibm")
    assert listener.heard == [("/topic/stocks.ibm", "1")]
    assert len(house.hub) == 0


def test_a_slow_subscriber_meets_the_policy_of_the_destination_that_was_published_to(house: House) -> None:
    policies = {
        "/topic/a.conflated": Conflate(),
        "/topic/a.by": Conflate(by="k"),
        "/topic/a.oldest": DropOldest(),
    }
    house.hub = Hub(house.loop.call_soon, "boot", lambda name: policies.get(name, Cut()))
    reader = Reader(house)
    reader.joins("/topic/a.*")
    reader.outbox.block(0.0)
    for number in range(3):
        for name in policies:
            message = Message(name, f"{name[9:]} {number}".encode(), None, {"k": str(number % 2)})
            house.hub.publish(message)
        house.loop.turn()
    reader.outbox.drain()
    assert sorted(reader.bodies) == [
        "by 1", "by 2", "conflated 2", "oldest 0", "oldest 1", "oldest 2",
    ]  # fmt: skip


def test_a_conflated_name_does_not_replace_what_came_by_the_wildcard() -> None:
    house = House(Conflate())
    reader = Reader(house)
    reader.joins("/topic/a.b", "exact")
    reader.joins("/topic/a.*", "wild")
    reader.outbox.block(0.0)
    house.publish("1", "2", to="/topic/a.b")
    house.publish("1", to="/topic/a.c")
    house.loop.turn()
    reader.outbox.drain()
    came = [(one.headers["subscription"], one.headers["destination"], one.text) for one in frames(reader)]
    assert sorted(came) == [
        ("exact", "/topic/a.b", "2"), ("wild", "/topic/a.b", "2"), ("wild", "/topic/a.c", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_what_one_destination_carries_keeps_its_order_on_every_subscription(seed: int) -> None:
    dice = random.Random(seed)
    house = House()
    wishes = ("/topic/a.b", "/topic/a.*", "/topic/a.#", "/topic/>", "/topic/*.c")
    readers = [Reader(house, 10_000_000) for _ in range(6)]
    wanted: dict[tuple[int, str], list[str]] = {}
    for number, reader in enumerate(readers):
        for text in dice.sample(wishes, dice.randint(1, 4)):
            reader.joins(text, text)
            wanted[number, text] = []
    for step in range(200):
        to = dice.choice(("/topic/a.b", "/topic/a.c", "/topic/d.c"))
        house.publish(str(step), to=to)
        if dice.random() < 0.2:
            house.loop.turn()
        if dice.random() < 0.1:
            reader = dice.choice(readers)
            reader.outbox.drain() if reader.outbox.blocked else reader.outbox.block(0.0)
    house.loop.turn()
    brings = {
        "/topic/a.b": 1, "/topic/a.*": 2, "/topic/a.#": 2, "/topic/>": 3, "/topic/*.c": 2,
    }  # fmt: skip
    for number, reader in enumerate(readers):
        if reader.outbox.blocked:
            reader.outbox.drain()
        for own in {text for who, text in wanted if who == number}:
            by_destination: dict[str, list[int]] = {}
            for one in frames(reader):
                if one.headers["subscription"] == own:
                    by_destination.setdefault(one.headers["destination"], []).append(int(one.text))
            assert len(by_destination) == brings[own]
            assert all(steps == sorted(set(steps)) for steps in by_destination.values())
    assert house.hub.statistics().wildcards == len({text for _, text in wanted if text != "/topic/a.b"})


def test_nothing_is_looked_up_while_no_wildcard_is_subscribed_to(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a")
    house.publish("1", "2")
    house.loop.turn()
    assert house.hub.statistics().wildcards_resolved == 0
