"""Wildcard subscriptions must not be a way around guards."""

import pytest
from messaging_support import invocation

from stompede.errors import ConfigurationError
from stompede.messaging.guards import Guards
from stompede.messaging.problem import Problem
from stompede.messaging.wildcards import Wildcard


def gate(guards: Guards, text: str):
    return guards.gate_of_wildcard(Wildcard.parse(text, "/topic"))


def refused(guards: Guards, text: str) -> str:
    with pytest.raises(Problem) as caught:
        gate(guards, text)
    assert caught.value.code == "forbidden"
    return caught.value.detail


def asked(guards: Guards, text: str) -> bool:
    found = gate(guards, text)
    assert found is not None
    try:
        assert found.check("subscribe", invocation(destination=text)) is None
    except Problem:
        return False
    return True


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_wildcard_beside_all_guards_is_open():
    guards = Guards()
    guards.add("/topic/rooms/{room}", no)
    assert gate(guards, "/topic/stocks.*") is None
    assert gate(guards, "/topic/rooms/*/seats") is None
    assert gate(Guards(), "/topic/>") is None


@pytest.mark.parametrize(
    "text",
    [
        "/topic/rooms/*",
        "/topic/rooms/**",
        "/topic/*/kitchen",
        "/topic/>",
        "/topic/**/kitchen",
        "/topic/#/rooms/*",
    ],
)
def test_a_wildcard_that_would_bring_guarded_destinations_is_refused_and_told_which(text):
    guards = Guards()
    guards.add("/topic/rooms/{room}", yes)
    assert "/topic/rooms/{room}" in refused(guards, text)


def test_a_guard_that_admits_wildcards_is_asked_with_what_stands_in_the_place_of_its_variable():
    rooms = []

    def may_enter(room: str) -> bool:
        rooms.append(room)
        return room == "*"

    guards = Guards()
    guards.add("/topic/rooms/{room}", may_enter, wildcards=True)
    assert asked(guards, "/topic/rooms/*")
    assert not asked(guards, "/topic/rooms/**")
    assert not asked(guards, "/topic/>")
    assert rooms == ["*", "**", ">"]


def test_all_guards_that_overlap_must_admit_wildcards_and_agree():
    guards = Guards()
    guards.add("/topic/rooms/{room}", yes, wildcards=True)
    assert asked(guards, "/topic/**")
    guards.add("/topic/halls/{hall}", no, wildcards=True)
    assert not asked(guards, "/topic/**")
    assert asked(guards, "/topic/rooms/*")
    guards.add("/topic/rooms/cellar", yes)
    assert "/topic/rooms/cellar" in refused(guards, "/topic/rooms/*")


def test_where_nobody_may_subscribe_no_wildcard_may():
    """A guard of SEND alone denies every SUBSCRIBE, unless another guard names the destination."""
    guards = Guards()
    guards.add("/topic/rooms/{room}", yes, on="send")
    assert "/topic/rooms/{room}" in refused(guards, "/topic/rooms/*")
    guards.add("/topic/rooms/{room}", yes, on="subscribe", wildcards=True)
    assert asked(guards, "/topic/rooms/*")
    guards.add("/topic/audit/{id}", yes, on="send")
    assert "/topic/audit/{id}" in refused(guards, "/topic/**")


def test_a_guard_that_is_never_asked_to_subscribe_admits_no_wildcards():
    with pytest.raises(ConfigurationError, match='let on= name "subscribe"'):
        Guards().add("/topic/rooms/{room}", yes, on="send", wildcards=True)
