"""CONNECT: who may, what is agreed on, and what a refused one is told."""

import asyncio
from typing import Any

import pytest

from serving import Serve, make_app
from stompede import AuthenticationError, Principal, Problem, StompSession
from stompsocket import InvalidStatus, encode


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
async def test_both_commands_connect(serve: Serve, command: str) -> None:
    served = await serve()
    client = await served.open()
    connected = await client.connect(command=command)
    assert connected.headers["version"] == "1.2"
    assert connected.headers["session"] == client.session != ""
    assert connected.headers["server"].startswith("stompede")
    assert served.session(client).id == client.session


@pytest.mark.parametrize(
    ("offer", "version"),
    [
        ("1.2", "1.2"),
        ("1.1", "1.1"),
        ("1.0", "1.0"),
        ("1.0,1.1,1.2", "1.2"),
        ("1.2,1.0", "1.2"),
        ("1.0,2.0,1.1", "1.1"),
    ],
)
async def test_the_highest_common_version_is_spoken(serve: Serve, offer: str, version: str) -> None:
    served = await serve()
    client = await served.open()
    assert (await client.connect({"accept-version": offer})).headers["version"] == version
    assert served.session(client).version == version


async def test_a_client_that_names_no_version_speaks_1_0(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    await client.send("CONNECT", {"login": "a", "passcode": "b"})
    assert (await client.frame()).command == "CONNECTED"
    await client.request("SUBSCRIBE", {"destination": "/topic/a"})
    await client.send("SEND", {"destination": "/topic/a"}, "hello")
    message = await client.message()
    assert message.text == "hello"
    assert "subscription" not in message.headers


async def test_no_common_version_is_told_the_versions_that_are_spoken(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    await client.send("CONNECT", {"accept-version": "3.0", "host": "x"})
    error = await client.error()
    assert error.headers["version"] == "1.0,1.1,1.2"
    assert error.headers["disconnect-reason"] == "protocol-error"
    assert (await client.closed()).code == 1002


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(("v10.stomp", "v11.stomp"), "v11.stomp"), (("v12.stomp",), "v12.stomp"), ((), None)],
)
async def test_the_subprotocol_is_chosen_or_none_needed(
    serve: Serve, offered: tuple[str, ...], chosen: str | None
) -> None:
    served = await serve()
    client = await served.open(subprotocols=offered)
    assert client.subprotocol == chosen
    await client.connect()


@pytest.mark.parametrize(
    ("headers", "status", "sentence"),
    [
        ({"Sec-WebSocket-Protocol": "mqtt"}, 400, "v12.stomp"),
        ({"Origin": "https://evil.example"}, 403, "STOMPEDE_ALLOWED_ORIGINS"),
    ],
)
async def test_a_refused_handshake_says_why(
    serve: Serve, headers: dict[str, str], status: int, sentence: str
) -> None:
    served = await serve()
    with pytest.raises(InvalidStatus) as refused:
        await served.open(headers=headers, subprotocols=())
    assert refused.value.response.status_code == status
    assert sentence in refused.value.response.body.decode()


async def test_the_own_origin_and_allowed_ones_may_connect(serve: Serve) -> None:
    served = await serve(make_app(allowed_origins="https://example.org"))
    for origin in (served.http, "https://example.org"):
        await (await served.open(headers={"Origin": origin})).connect()


# Logins.


def guarded_app(**settings: Any) -> Any:
    app = make_app(**settings)

    @app.authenticate
    async def login(login: str, passcode: str, client_address: str) -> Principal:
        await asyncio.sleep(0)
        if passcode == "explode":
            raise ZeroDivisionError
        if (login, passcode, client_address) != ("cook", "soup", "127.0.0.1"):
            raise AuthenticationError("login-failed", "login or passcode is wrong")
        return Principal("cook")

    return app


async def test_a_login_makes_the_session_a_members(serve: Serve) -> None:
    served = await serve(guarded_app())
    client = await served.open()
    connected = await client.connect({"login": "cook", "passcode": "soup"})
    assert connected.headers["user-name"] == "cook"
    assert served.session(client).principal == Principal("cook")
    assert served.node.statistics().members == 1


async def test_a_wrong_passcode_is_refused_for_good(serve: Serve) -> None:
    served = await serve(guarded_app())
    client = await served.open()
    await client.send(
        "CONNECT", {"accept-version": "1.2", "host": "x", "login": "cook", "passcode": "s3cret"}
    )
    error = await client.error()
    assert error.headers["code"] == "login-failed"
    assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == ("false", "login-refused")
    closed = await client.closed()
    assert (closed.code, closed.reason) == (4501, "login-refused")
    assert served.node.statistics().sessions == served.node.statistics().members == 0
    assert "s3cret" not in str(served.logs)


async def test_a_login_that_fails_unexpectedly_shows_no_internals(serve: Serve) -> None:
    served = await serve(guarded_app())
    served.may_fail = True
    client = await served.open()
    await client.send(
        "CONNECT", {"accept-version": "1.2", "host": "x", "login": "cook", "passcode": "explode"}
    )
    error = await client.error()
    assert "Zero" not in str(error)
    assert (await client.closed()).code == 1011
    assert served.logged("handler failed", error_id=error.headers["error-id"])


async def test_without_a_login_function_login_and_passcode_are_not_looked_at(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    connected = await client.connect({"login": "anybody", "passcode": "anything"})
    assert "user-name" not in connected.headers


async def test_a_token_makes_the_session_a_members_and_outweighs_a_login(serve: Serve) -> None:
    served = await serve(guarded_app())
    client = await served.open()
    connected = await client.connect(
        {"Authorization": served.token("baker"), "login": "cook", "passcode": "s3cret"}
    )
    assert connected.headers["user-name"] == "baker"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("Bearer nonsense", "token-invalid"),
        ("Basic Y29vazpzb3Vw", "token-invalid"),
        ("Bearer", "token-missing"),
    ],
)
async def test_a_token_that_does_not_count_refuses_the_connection(
    serve: Serve, token: str, code: str
) -> None:
    served = await serve()
    client = await served.open()
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x", "Authorization": token})
    assert (await client.error()).headers["code"] == code
    assert (await client.closed()).code == 4501


async def test_an_expired_token_refuses_the_connection_by_its_name(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    token = served.token(ttl_s=1)
    served.clock.shift = 60
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x", "Authorization": token})
    assert (await client.error()).headers["code"] == "token-expired"


async def test_where_anonymous_sessions_are_not_allowed_connect_needs_a_proof(serve: Serve) -> None:
    served = await serve(guarded_app(anonymous=False))
    client = await served.open()
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x"})
    error = await client.error()
    assert error.headers["code"] == "login-required"
    assert (await client.closed()).reason == "login-refused"
    await (await served.open()).connect({"login": "cook", "passcode": "soup"})
    await served.member("baker")


async def test_what_comes_with_connect_waits_for_it(serve: Serve) -> None:
    served = await serve(guarded_app())
    client = await served.open()
    await client.send_ws(
        encode("CONNECT", {"accept-version": "1.2", "host": "x", "login": "cook", "passcode": "soup"})
        + encode("SUBSCRIBE", {"id": 0, "destination": "/topic/a", "receipt": "r"})
    )
    assert (await client.frame()).command == "CONNECTED"
    assert (await client.frame()).headers["receipt-id"] == "r"


async def test_handlers_see_the_headers_of_connect_without_secrets(serve: Serve) -> None:
    app = guarded_app()

    @app.message("/headers")
    async def headers(session: StompSession) -> dict[str, str]:
        return dict(session.headers)

    served = await serve(app)
    client = await served.open()
    await client.connect({"login": "cook", "passcode": "soup", "Accept-Language": "fi", "heart-beat": "0,0"})
    await client.replies()
    await client.send("SEND", {"destination": "/app/headers"})
    seen = (await client.message()).text
    assert '"Accept-Language":"fi"' in seen
    assert "soup" not in seen
    assert "cook" not in seen


async def test_a_second_connect_ends_the_session(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.send("CONNECT", {"accept-version": "1.2", "host": "x"})
    assert (await client.error()).headers["disconnect-reason"] == "protocol-error"
    assert (await client.closed()).code == 1002


async def test_any_other_frame_before_connect_ends_the_connection(serve: Serve) -> None:
    served = await serve()
    client = await served.open()
    await client.send("SEND", {"destination": "/topic/a", "receipt": "r"}, "x")
    assert (await client.error()).headers["receipt-id"] == "r"
    assert (await client.closed()).code == 1002
    assert served.node.statistics().hub.published == 0


async def test_an_interceptor_may_refuse_a_connection(serve: Serve) -> None:
    from stompede import ConnectCommand

    app = make_app()

    @app.intercept
    def only_known_hosts(command: ConnectCommand, session: StompSession) -> None:
        if command.host != "known":
            raise Problem("forbidden", f"host {command.host} is not served")

    served = await serve(app)
    client = await served.open()
    await client.send("CONNECT", {"accept-version": "1.2", "host": "other"})
    error = await client.error()
    assert (error.headers["code"], error.headers["message"]) == ("forbidden", "host other is not served")
    assert (await client.closed()).code == 4501
    await (await served.open()).connect({"host": "known"})
