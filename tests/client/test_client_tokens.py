import asyncio

import pytest

from stompede.client.tokens import TokenSource, bearer
from stompede.errors import AuthenticationError, ConfigurationError


async def test_a_plain_token_is_there_at_once_and_cannot_be_renewed() -> None:
    source = TokenSource("abc.def")
    await source.fetch()
    assert source.authorization == "Bearer abc.def"
    assert not source.renewable
    assert source.fetched == 0


async def test_an_anonymous_client_has_no_authorization() -> None:
    source = TokenSource(None)
    await source.fetch()
    assert source.authorization is None


async def test_a_supplier_may_be_a_function_or_a_coroutine_function() -> None:
    async def later() -> str:
        return "b"

    for supplier, expected in ((lambda: "a", "Bearer a"), (later, "Bearer b")):
        source = TokenSource(supplier)
        assert source.authorization is None
        await source.fetch()
        assert source.authorization == expected
        assert source.renewable


async def test_a_failing_supplier_is_an_authentication_error_with_its_cause() -> None:
    def broken() -> str:
        raise OSError("no network")

    with pytest.raises(AuthenticationError, match="no network") as caught:
        await TokenSource(broken).fetch()
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_supplier_that_fails_later_leaves_the_token_it_gave_before() -> None:
    tokens = iter(["first"])

    source = TokenSource(lambda: next(tokens))
    await source.fetch()
    with pytest.raises(AuthenticationError):
        await source.fetch()
    assert source.authorization == "Bearer first"


@pytest.mark.parametrize("value", ["", "two words", "line\n", "tök"])
async def test_what_is_no_token_is_refused_before_it_reaches_a_header(value: str) -> None:
    with pytest.raises(ConfigurationError):
        bearer(value)
    with pytest.raises(AuthenticationError):
        await TokenSource(lambda: value).fetch()


async def test_a_supplier_must_return_a_string() -> None:
    with pytest.raises(AuthenticationError, match="returned int, not str"):
        await TokenSource(lambda: 7).fetch()  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_supplier_whose_work_is_cancelled_has_failed(asynchronous: bool) -> None:
    def cancelled() -> str:
        raise asyncio.CancelledError

    async def waits() -> str:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task
        return "never"

    with pytest.raises(AuthenticationError, match="the token supplier was cancelled"):
        await TokenSource(waits if asynchronous else cancelled).fetch()


async def test_whoever_waits_for_a_token_may_be_cancelled() -> None:
    asked = asyncio.Event()

    async def waits() -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    fetching = asyncio.create_task(TokenSource(waits).fetch())
    await asked.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
