import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.client import Backoff
from stompede.errors import ConfigurationError


def test_bounds_grow_by_the_factor_up_to_the_maximum() -> None:
    backoff = Backoff(initial_s=1, max_s=10, factor=3)
    assert [backoff.bound_s(attempt) for attempt in range(5)] == [1, 3, 9, 10, 10]


def test_without_jitter_a_wait_is_its_bound() -> None:
    backoff = Backoff(initial_s=1, max_s=10, factor=2, jitter=False)
    assert [backoff.delay_s(attempt, lambda: 0.5) for attempt in range(4)] == [1, 2, 4, 8]


def test_full_jitter_draws_from_nothing_to_the_bound() -> None:
    backoff = Backoff(initial_s=4, max_s=100)
    assert backoff.delay_s(1, lambda: 0.0) == 0
    assert backoff.delay_s(1, lambda: 0.25) == 2


@given(attempt=st.integers(0, 10_000), seed=st.integers())
def test_no_wait_exceeds_the_maximum_however_many_attempts_failed(attempt: int, seed: int) -> None:
    backoff = Backoff(initial_s=0.5, max_s=30)
    assert 0 <= backoff.delay_s(attempt, random.Random(seed).random) <= 30


def test_attempts_are_counted_from_zero_and_can_be_endless() -> None:
    assert not Backoff(attempts=2).exhausted(1)
    assert Backoff(attempts=2).exhausted(2)
    assert not Backoff().exhausted(1_000_000)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"initial_s": -1.0}, "0 <= initial_s"),
        ({"initial_s": 5.0, "max_s": 1.0}, "initial_s <= max_s"),
        ({"factor": 0.5}, "shorter"),
        ({"attempts": 0}, "reconnect=None"),
    ],
)
def test_a_backoff_that_cannot_work_says_what_is_wrong(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Backoff(**wrong)  # type: ignore[arg-type]
