"""An error with a code that no client could branch on, and what fails while an error is answered."""

import asyncio

import pytest
from test_server_guards import code

from serving import Serve, make_app
from stompede import AuthenticationError, Principal, Stompede

CONNECT = {"accept-version": "1.2", "host": "x", "login": "cook", "passcode": "soup"}
waiting = pytest.mark.parametrize("waits", [False, True])


def wrong_code() -> Exception:
    return AuthenticationError("WRONG_PASSWORD", "no")


class UnsayableError(AuthenticationError):
    """Its code is not looked at when it is made, so that it fails where it is to be said."""

    def __init__(self) -> None:
        Exception.__init__(self)
        self.code = "WRONG_PASSWORD"
        self.detail = "no"


def refusing(error: type[Exception] | None, waits: bool) -> Stompede:
    """Refuses logins, and what is sent and subscribed to /topic/guarded, with an error that is made there."""
    app = make_app()

    async def refused() -> bool:
        if waits:
            await asyncio.sleep(0)
        raise wrong_code() if error is None else error()

    @app.authenticate
    async def log_in(login: str, passcode: str) -> Principal:
        await refused()
        raise AssertionError

    @app.guard("/topic/guarded")
    async def guard() -> bool:
        return await refused()

    return app


@waiting
async def test_a_login_refused_with_a_wrong_code_is_an_error_frame_and_its_author_finds_the_code_in_the_log(
    serve: Serve, waits: bool
) -> None:
    served = await serve(refusing(None, waits))
    served.may_fail = True
    client = await served.open()
    await client.send("CONNECT", CONNECT)
    error = await client.error()
    assert error.headers["disconnect-reason"] == "internal-error"
    [line] = served.logged("handler failed", error_id=error.headers["error-id"])
    assert (
        "'WRONG_PASSWORD' is no code of an AuthenticationError; write it in kebab-case" in line["exception"]
    )


@waiting
async def test_a_guard_that_refuses_with_a_wrong_code_has_failed_and_the_session_goes_on(
    serve: Serve, waits: bool
) -> None:
    served = await serve(refusing(None, waits))
    served.may_fail = True
    client = await served.client()
    await client.errors()
    for command, headers in (("SUBSCRIBE", {"id": "1"}), ("SEND", {})):
        await client.send(command, {**headers, "destination": "/topic/guarded", "receipt": "r"})
        assert await code(client) == "handler-failed"
    await client.settle()


@waiting
async def test_a_connect_whose_refusal_cannot_be_said_ends_with_an_error_frame(
    serve: Serve, waits: bool
) -> None:
    served = await serve(refusing(UnsayableError, waits))
    served.may_fail = True
    client = await served.open()
    await client.send("CONNECT", CONNECT)
    error = await client.error()
    assert (error.headers["disconnect-reason"], error.headers["reconnect"]) == ("internal-error", "true")
    assert served.logged("session failed", error_id=error.headers["error-id"])


@waiting
@pytest.mark.parametrize("command", ["SUBSCRIBE", "SEND"])
async def test_a_frame_whose_refusal_cannot_be_said_ends_the_session_with_an_error_frame(
    serve: Serve, command: str, waits: bool
) -> None:
    served = await serve(refusing(UnsayableError, waits))
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.send(command, {"id": "1", "destination": "/topic/guarded", "receipt": "r"})
    await client.send("SEND", {"destination": "/topic/open", "receipt": "behind"})
    error = await client.error()
    assert error.headers["disconnect-reason"] == "internal-error"
    assert served.logged("session failed", error_id=error.headers["error-id"])
