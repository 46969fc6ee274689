import asyncio

import argon2
import pytest

from stompede import LimitError
from stompede.apps.accounts import Passwords


@pytest.fixture
def passwords():
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    made = Passwords(threads=1, max_pending=2, hasher=quick)
    yield made
    made.close()


async def test_the_right_password_and_no_other_is_accepted(passwords):
    stored = passwords.hash("s3cret")
    assert "s3cret" not in stored
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "s3cret")
    assert not await passwords.verify(stored, "wrong")
    assert not await passwords.verify(stored, "")


async def test_nobody_has_a_password(passwords):
    assert not await passwords.verify(None, "")
    assert not await passwords.verify(None, "s3cret")


async def test_for_nobody_the_same_work_is_done(passwords):
    calls = []

    class Watched(argon2.PasswordHasher):
        def verify(self, stored, password):
            calls.append(argon2.extract_parameters(stored))
            return super().verify(stored, password)

    watched = Passwords(hasher=Watched(time_cost=1, memory_cost=8, parallelism=1))
    await watched.verify(watched.hash("s3cret"), "wrong")
    await watched.verify(None, "wrong")
    watched.close()
    assert calls[0] == calls[1]


async def test_too_many_checks_at_once_are_refused(passwords):
    results = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [bool, bool, LimitError, LimitError, LimitError]
    statistics = passwords.statistics()
    assert (statistics.pending, statistics.checked, statistics.rejected) == (0, 2, 3)


async def test_a_broken_hash_is_no_way_in(passwords):
    assert not await passwords.verify("$argon2id$broken", "x")


def test_the_default_is_what_owasp_recommends():
    made = Passwords()
    parameters = argon2.extract_parameters(made.hash("x"))
    made.close()
    assert (parameters.memory_cost, parameters.time_cost, parameters.type) == (19456, 2, argon2.Type.ID)
