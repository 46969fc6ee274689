"""Token buckets, on a clock that is passed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.server.rates import MAX_ADDRESSES, AddressRates, TokenBucket


def test_a_full_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(10, 3, now=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.09)
    assert bucket.take(100.11)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_costs_no_token() -> None:
    bucket = TokenBucket(1, 1, now=0.0)
    bucket.take(0.0)
    for tenth in range(10):
        assert not bucket.take(tenth / 10)
    assert bucket.take(1.0)


def test_a_debt_is_paid_by_time() -> None:
    bucket = TokenBucket(100, 100, now=0.0)
    assert bucket.owe(100, 0.0) == 0
    assert bucket.owe(50, 0.0) == 0.5
    assert bucket.owe(0, 0.25) == 0.25
    assert bucket.owe(1000, 0.5) == 10
    assert bucket.owe(0, 10.5) == 0
    assert bucket.owe(100, 20.0) == 0, "full again, and no fuller"


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 1, now=100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)


@given(
    rate=st.integers(1, 1000),
    burst=st.integers(1, 1000),
    waits=st.lists(st.floats(0, 2), max_size=200),
)
def test_never_more_than_burst_and_rate_allow(rate: int, burst: int, waits: list[float]) -> None:
    now = 0.0
    bucket = TokenBucket(rate, burst, now)
    taken = 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
    assert taken <= burst + now * rate + 1e-6


def test_addresses_do_not_know_each_other() -> None:
    rates = AddressRates(2)
    assert [rates.take("10.0.0.1", 5.0) for _ in range(3)] == [True, True, False]
    assert rates.take("10.0.0.2", 5.0)
    assert [rates.take("10.0.0.1", 5.5), rates.take("10.0.0.1", 5.6)] == [True, False]


def test_an_address_is_held_to_its_rate_across_seconds_and_free_after_a_pause() -> None:
    rates = AddressRates(4)
    taken = sum(rates.take("10.0.0.1", 7.0 + step / 100) for step in range(1000))
    assert 40 <= taken <= 4 + 40
    assert sum(rates.take("10.0.0.1", 30.0) for _ in range(10)) == 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:address", True),
        ("", "", True),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str, other: str, same: bool) -> None:
    rates = AddressRates(1)
    assert rates.take(one, 1.0)
    assert rates.take(other, 1.0) is not same


def test_memory_is_bounded_whatever_addresses_come() -> None:
    rates = AddressRates(1)
    for second in range(4):
        for number in range(MAX_ADDRESSES + 1000):
            assert rates.take(f"{second}/{number}", float(second))
        assert len(rates) <= 2 * MAX_ADDRESSES
    rates.take("10.0.0.1", 100.0)
    assert len(rates) == 1
