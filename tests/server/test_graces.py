"""Who has left and may come back."""

import pytest

from stompede.server.presence import graces
from stompede.server.presence.graces import Graces


def test_those_whose_time_is_over_come_out_once_and_the_first_one_first() -> None:
    held = Graces(10)
    for number in range(5):
        assert held.begin(f"/topic/{number}", "cook", 10.0 + number)
    assert held.take_over(9, 10) == []
    assert held.take_over(12, 2) == [("/topic/0", "cook"), ("/topic/1", "cook")]
    assert held.take_over(12, 2) == [("/topic/2", "cook")]
    assert len(held) == 2


def test_who_comes_back_is_not_among_them_and_has_a_whole_grace_next_time() -> None:
    held = Graces(10)
    held.came_back("/topic/a", "cook")
    assert held.begin("/topic/a", "cook", 10)
    held.came_back("/topic/a", "cook")
    assert len(held) == 0
    assert held.begin("/topic/b", "cook", 11)
    assert held.begin("/topic/a", "cook", 12)
    assert held.take_over(11, 10) == [("/topic/b", "cook")]
    assert held.take_over(12, 10) == [("/topic/a", "cook")]


def test_graces_are_bounded_for_one_member_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graces, "MAX_GRACES", 3)
    held = Graces(2)
    assert [held.begin(f"/topic/{name}", "cook", 1) for name in "abc"] == [True, True, False]
    assert [held.begin("/topic/a", user, 1) for user in ("waiter", "guest")] == [True, False]
    held.came_back("/topic/a", "cook")
    assert held.begin("/topic/a", "guest", 1)
    assert not held.begin("/topic/c", "cook", 1)
