import argon2
import pytest

from stompede import AuthenticationError
from stompede.apps.accounts import (
    Accounts,
    DemoMembers,
    LoginAttempts,
    LoginRefused,
    Passwords,
    demo_accounts,
)
from stompede.auth import Authenticator


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def passwords():
    made = Passwords(threads=1, max_pending=4, hasher=argon2.PasswordHasher(1, 8, 1))
    yield made
    made.close()


@pytest.fixture
def accounts(clock, passwords):
    return demo_accounts(clock=clock, passwords=passwords)


async def failed(accounts, login, password, address="192.0.2.1"):
    with pytest.raises(AuthenticationError) as caught:
        await accounts.member(login, password, client_address=address)
    return caught.value


@pytest.mark.parametrize(
    ("login", "password", "scopes"),
    [("cook", "cook", ()), ("guest", "guest", ()), ("admin", "admin", ("admin",)), ("rider-17", "rider", ())],
)
async def test_the_demo_members_come_in_with_their_passwords(accounts, login, password, scopes):
    member = await accounts.member(login, password)
    assert (member.name, member.scopes) == (login, scopes)


async def test_a_rider_has_its_number_as_a_claim(passwords):
    members = DemoMembers(passwords)
    assert (await members.find("rider-17")).claims == {"riderId": 17}
    for nobody in ("rider-", "rider-017", "rider-1x", "rider-1234567890", "Rider-1", "rider-1\n", "rider-१"):
        assert await members.find(nobody) is None


async def test_an_unknown_name_and_a_wrong_password_are_answered_alike(accounts):
    unknown, wrong = await failed(accounts, "nobody", "x"), await failed(accounts, "cook", "x")
    assert (unknown.code, unknown.detail) == (wrong.code, wrong.detail)
    assert unknown.code == "login-failed"
    assert accounts.statistics().failed == 2


async def test_it_proves_connect_frames_too(accounts):
    authenticator: Authenticator = accounts
    principal = await authenticator.login("admin", "admin")
    assert (principal.name, principal.scopes, principal.expires_at) == ("admin", {"admin"}, None)
    with pytest.raises(AuthenticationError):
        await authenticator.login("admin", "wrong")


async def test_after_too_many_failures_an_address_waits(accounts, clock):
    for _ in range(10):
        assert (await failed(accounts, "cook", "x")).code == "login-failed"
    error = await failed(accounts, "cook", "cook")
    assert isinstance(error, LoginRefused)
    assert (error.code, error.retry_after_s) == ("rate-limited", 6)
    assert (await accounts.member("cook", "cook", client_address="192.0.2.2")).name == "cook"
    clock.now += 6
    assert (await accounts.member("cook", "cook", client_address="192.0.2.1")).name == "cook"


async def test_logins_that_succeed_are_never_slowed_down(accounts):
    for _ in range(50):
        await accounts.member("cook", "cook", client_address="192.0.2.1")
    assert accounts.statistics().attempts.addresses == 0


async def test_too_many_logins_at_once_are_told_to_come_again(clock):
    full = Passwords(max_pending=0, hasher=argon2.PasswordHasher(1, 8, 1))
    attempts = LoginAttempts()
    accounts = Accounts(DemoMembers(full), full, clock=clock, attempts=attempts)
    error = await failed(accounts, "cook", "cook")
    assert error.code == "unavailable"
    assert attempts.statistics().addresses == 0, "it counts as no failure"


def test_attempts_at_once_do_not_slip_through():
    attempts = LoginAttempts(burst=3, refill_s=10)
    assert [attempts.begin("192.0.2.1", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert attempts.begin("192.0.2.1", 4.0) == pytest.approx(6.0)
    assert attempts.begin("192.0.2.1", 10.0) == 0.0
    assert attempts.statistics().refused == 2


def test_a_clock_set_back_neither_frees_nor_locks():
    attempts = LoginAttempts(burst=1, refill_s=10)
    attempts.begin("192.0.2.1", 100.0)
    assert attempts.begin("192.0.2.1", 0.0) == 10.0
    assert attempts.begin("192.0.2.1", 10.0) == 0.0


def test_addresses_are_bounded_and_the_silent_ones_go_first():
    attempts = LoginAttempts(burst=1, max_addresses=2)
    for last in (1, 2, 1, 3):
        attempts.begin(f"192.0.2.{last}", 0.0)
    assert attempts.statistics().addresses == 2
    assert attempts.begin("192.0.2.1", 0.0) > 0
    assert attempts.begin("192.0.2.2", 0.0) == 0.0


def test_one_ipv6_network_is_one_address():
    attempts = LoginAttempts(burst=1)
    assert attempts.begin("2001:db8::1", 0.0) == 0.0
    assert attempts.begin("2001:db8::2", 0.0) > 0
    assert attempts.begin("2001:db8:0:1::1", 0.0) == 0.0
    assert attempts.begin("::ffff:192.0.2.1", 0.0) == 0.0
    assert attempts.begin("192.0.2.1", 0.0) > 0
    assert attempts.begin(None, 0.0) == 0.0
    assert attempts.begin("not an address", 0.0) > 0


async def test_no_hash_is_shown(passwords):
    member = await DemoMembers(passwords).find("cook")
    assert "argon2" not in f"{member!r}{member}"
