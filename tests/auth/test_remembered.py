import pytest

from stompede import _types
from stompede.auth.remembered import RememberedTokens


def who(expires_at):
    return _types.Principal("cook", expires_at=expires_at)


def test_it_is_bounded_in_bytes_and_drives_out_the_oldest():
    memory = RememberedTokens(max_entries=10, max_bytes=10)
    for token in ("aaaa", "bbbb", "cccc"):
        memory.add(token, who(100.0), 0.0)
    assert memory.get("aaaa") is None
    assert memory.get("cccc") == who(100.0)
    assert memory.statistics().bytes == 8
    assert memory.statistics().evicted == 1


def test_expired_tokens_go_before_living_ones():
    memory = RememberedTokens(max_entries=2, max_bytes=100)
    memory.add("lives", who(100.0), 0.0)
    memory.add("expired", who(5.0), 0.0)
    memory.add("new", who(100.0), 6.0)
    assert memory.get("lives")
    assert memory.get("expired") is None
    assert memory.statistics().evicted == 0


def test_a_token_added_twice_counts_once():
    memory = RememberedTokens(max_entries=2, max_bytes=100)
    for _ in range(2):
        memory.add("token", who(100.0), 0.0)
    assert (memory.statistics().entries, memory.statistics().bytes) == (1, 5)


def test_a_token_larger_than_all_of_it_is_not_kept():
    memory = RememberedTokens(max_entries=2, max_bytes=4)
    memory.add("token", who(100.0), 0.0)
    assert (memory.statistics().entries, memory.statistics().bytes) == (0, 0)


@pytest.mark.parametrize(("now", "left"), [(29.0, 1), (30.0, 0)])
def test_sweeping_keeps_its_pace(now, left):
    memory = RememberedTokens(max_entries=2, max_bytes=100)
    memory.sweep(0.0)
    memory.add("token", who(1.0), 0.0)
    memory.sweep(now)
    assert memory.statistics().entries == left


def test_it_shows_no_token():
    memory = RememberedTokens(max_entries=2, max_bytes=100)
    memory.add("token-text", who(1.0), 0.0)
    assert "token-text" not in repr(memory)
    memory.clear()
    assert memory.get("token-text") is None
