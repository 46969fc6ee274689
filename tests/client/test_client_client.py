import asyncio
import gc
import weakref
from typing import Any

import msgspec
import pytest
from stomp_peer import ERRORS, REPLIES, Peer

from stompede.client import Backoff, DialError, connect
from stompede.errors import (
    AuthenticationError,
    ConfigurationError,
    LimitError,
    LocalProtocolError,
    RemoteProtocolError,
    RequestError,
    SessionClosedError,
)


class Ping(msgspec.Struct):
    number: int


async def test_connecting_negotiates_stomp_and_subscribes_to_the_error_destination(peer: Peer) -> None:
    async with connect(peer.url, login="cook", passcode="soup", connect_headers={"lang": "fi"}) as client:
        assert client.connected
        assert client.session_id == "s1"
        first, second = peer.got[:2]
        assert (first.command, first.headers["login"], first.headers["passcode"]) == (
            "CONNECT",
            "cook",
            "soup",
        )
        assert first.headers["accept-version"].endswith("1.2")
        assert (first.headers["host"], first.headers["lang"]) == ("127.0.0.1", "fi")
        assert (second.command, second.destination) == ("SUBSCRIBE", ERRORS)
        request = peer.conversations[0].request
        assert request.headers["Sec-WebSocket-Protocol"] == "v12.stomp, v11.stomp, v10.stomp"


async def test_leaving_says_disconnect_and_closes_the_websocket_in_order(peer: Peer) -> None:
    async with connect(peer.url) as client:
        conversation = peer.conversations[0]
    assert peer.got[-1].command == "DISCONNECT"
    await peer.until(lambda: conversation.close_code is not None)
    assert conversation.close_code == 1000
    assert not client.connected
    with pytest.raises(SessionClosedError):
        await client.send("/topic/a", b"")


async def test_a_send_with_a_receipt_returns_when_the_server_confirmed_it(peer: Peer) -> None:
    async with connect(peer.url) as client:
        await client.send("/topic/a", Ping(1), headers={"lang": "fi"})
        got = peer.got[-1]
        assert got.body == b'{"number":1}'
        assert got.headers["content-type"].startswith("application/json")
        assert (got.headers["lang"], got.headers["content-length"]) == ("fi", "12")
        assert client.statistics().in_flight == 0


async def test_a_send_without_a_receipt_does_not_wait(peer: Peer) -> None:
    async with connect(peer.url) as client:
        peer.silent = True
        for number in range(3):
            await client.send("/topic/a", str(number), receipt=False)
        await peer.until(lambda: peer.sends() == [b"0", b"1", b"2"])
        assert "receipt" not in peer.got[-1].headers
        assert client.statistics().sent == 3
        peer.silent = False


async def test_a_soft_error_about_a_send_is_raised_by_that_send(peer: Peer) -> None:
    async with connect(peer.url) as client:
        with pytest.raises(RequestError) as caught:
            await client.send("/app/fail", b"x")
        assert (caught.value.code, caught.value.detail, caught.value.error_id) == (
            "handler-failed",
            "it failed",
            "e-1",
        )
        await client.send("/topic/a", b"the session lives on")


async def test_soft_errors_that_no_call_waits_for_are_reported(peer: Peer) -> None:
    told: list[RequestError] = []
    async with connect(peer.url, on_error=told.append) as client:
        await client.send("/app/fail", b"x", receipt=False)
        await client.send("/topic/a", b"behind it")
    assert [error.code for error in told] == ["handler-failed"]
    assert client.statistics().soft_errors == 1


async def test_a_send_that_is_not_answered_in_time_raises_and_is_forgotten(peer: Peer) -> None:
    peer.no_receipts_for.add("/topic/a")
    async with connect(peer.url) as client:
        with pytest.raises(TimeoutError):
            await client.send("/topic/a", b"x", timeout_s=0.02)
        assert client.statistics().in_flight == 0


async def test_a_cancelled_send_is_forgotten(peer: Peer) -> None:
    peer.no_receipts_for.add("/topic/a")
    async with connect(peer.url) as client:
        task = asyncio.create_task(client.send("/topic/a", b"x"))
        await peer.until(lambda: peer.sends() == [b"x"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.statistics().in_flight == 0


async def test_a_request_gets_the_answer_with_its_own_code(peer: Peer) -> None:
    async with connect(peer.url) as client:
        answers = await asyncio.gather(*(client.request("/app/echo", Ping(n), Ping) for n in range(20)))
        assert answers == [Ping(n) for n in range(20)]
        codes = {got.headers["client-request-code"] for got in peer.got if got.command == "SEND"}
        assert len(codes) == 20


async def test_replies_are_subscribed_to_once_at_the_first_request_and_confirmed(peer: Peer) -> None:
    async with connect(peer.url) as client:
        assert REPLIES not in [got.destination for got in peer.got]
        await client.request("/app/echo", b"x")
        await client.request("/app/echo", b"y")
        commands = peer.commands()
        assert commands[1:] == [f"SUBSCRIBE {REPLIES}", "SEND /app/echo", "SEND /app/echo"]
        assert all("receipt" in got.headers for got in peer.got if got.destination == REPLIES)


async def test_a_request_that_the_server_refuses_raises_its_code_detail_and_error_id(peer: Peer) -> None:
    async with connect(peer.url) as client:
        with pytest.raises(RequestError) as caught:
            await client.request("/app/fail", b"x")
        error = caught.value
        assert (error.code, error.error_id) == ("handler-failed", "e-1")
        assert error.client_request_code is not None


async def test_a_request_without_an_answer_times_out_and_a_late_answer_disturbs_nobody(peer: Peer) -> None:
    peer.no_receipts_for.add("/app/lost")
    async with connect(peer.url) as client:
        with pytest.raises(TimeoutError):
            await client.request("/app/lost", b"x", timeout_s=0.02)
        code = peer.got[-1].headers["client-request-code"]
        peer.publish(REPLIES, b"late", **{"client-request-code": code})
        assert await client.request("/app/echo", b"y") == b"y"
        assert client.statistics().undelivered == 1


async def test_an_answer_of_another_shape_is_the_servers_mistake(peer: Peer) -> None:
    async with connect(peer.url) as client:
        with pytest.raises(RemoteProtocolError, match="/app/echo"):
            await client.request("/app/echo", {"number": "one"}, Ping)


async def test_an_exception_of_the_user_comes_out_as_it_is_and_the_connection_is_closed(peer: Peer) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with connect(peer.url):
            raise KeyError("mine")
    await peer.until(lambda: not peer.conversations)
    assert peer.got[-1].command == "DISCONNECT"


async def test_cancelling_the_user_cuts_the_connection_and_leaves_no_task(peer: Peer) -> None:
    entered = asyncio.Event()

    async def use() -> None:
        async with connect(peer.url):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await peer.until(lambda: not peer.conversations)
    assert "DISCONNECT" not in peer.commands()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_does_not_wait_for_ever_for_a_server_that_is_silent(peer: Peer) -> None:
    async with connect(peer.url, close_timeout_s=0.05):
        peer.silent = True
    await peer.until(lambda: not peer.conversations)


async def test_calls_that_wait_end_when_the_client_is_closed(peer: Peer) -> None:
    peer.no_receipts_for.add("/topic/a")
    async with connect(peer.url, close_timeout_s=0.05) as client:
        task = asyncio.create_task(client.send("/topic/a", b"x"))
        await peer.until(lambda: peer.sends() == [b"x"])
        await client.aclose()
        await client.wait_closed()
        with pytest.raises(SessionClosedError):
            await task


async def test_a_client_is_entered_once(peer: Peer) -> None:
    client = connect(peer.url)
    with pytest.raises(LocalProtocolError, match="async with"):
        await client.send("/topic/a", b"")
    async with client:
        pass
    with pytest.raises(LocalProtocolError, match="make another one"):
        await client.__aenter__()


async def test_a_server_that_is_not_there_is_said_at_once(free_port: int) -> None:
    with pytest.raises(DialError, match=f"{free_port}"):
        async with connect(f"ws://127.0.0.1:{free_port}/stomp"):
            pass


async def test_a_refused_connect_raises_what_the_error_frame_says(peer: Peer) -> None:
    headers = {"reconnect": "false", "disconnect-reason": "login-refused", "code": "login-failed"}
    peer.refuse_connect = ("wrong passcode", headers, 4501)
    with pytest.raises(SessionClosedError, match="wrong passcode") as caught:
        async with connect(peer.url, login="cook", passcode="?"):
            pass
    assert (caught.value.code, caught.value.reason) == (4501, "login-refused")


async def test_a_server_that_never_answers_connect_is_given_up_in_time(peer: Peer) -> None:
    peer.silent = True
    with pytest.raises(SessionClosedError, match="connect_timeout_s"):
        async with connect(peer.url, connect_timeout_s=0.05):
            pass
    await peer.until(lambda: not peer.conversations)


async def test_headers_of_the_protocol_cannot_be_set_by_hand(peer: Peer) -> None:
    async with connect(peer.url) as client:
        with pytest.raises(LocalProtocolError, match="transaction"):
            await client.send("/topic/a", b"", headers={"transaction": "t"})


async def test_sends_beyond_the_bound_are_refused_while_there_is_no_connection(peer: Peer) -> None:
    async with connect(
        peer.url, max_queued_sends=2, reconnect=Backoff(initial_s=60, max_s=60, jitter=False)
    ) as client:
        await peer.stop()
        await client.wait_disconnected()
        await client.send("/topic/a", b"1", receipt=False)
        await client.send("/topic/a", b"2", receipt=False)
        with pytest.raises(LimitError, match="max_queued_sends allows 2"):
            await client.send("/topic/a", b"3", receipt=False)
        assert client.statistics().queued_sends == 2
        assert client.statistics().queued_bytes > 0


async def test_options_that_cannot_work_are_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="ws://"):
        connect("http://example.org/stomp")
    with pytest.raises(ConfigurationError, match="max_queued_sends"):
        connect("ws://example.org/stomp", max_queued_sends=0)
    with pytest.raises(ConfigurationError, match="heart_beat_ms"):
        connect("ws://example.org/stomp", heart_beat_ms=(-1, 0))
    with pytest.raises(ConfigurationError, match="error_destination"):
        connect("ws://example.org/stomp", token=lambda: "x", error_destination=None)


async def test_a_client_that_was_closed_is_garbage(peer: Peer) -> None:
    async with connect(peer.url) as client:
        await client.request("/app/echo", b"x")
    seen = weakref.ref(client)
    del client
    gc.collect()
    assert seen() is None


async def test_what_cannot_be_written_is_refused_and_the_client_lives(peer: Peer) -> None:
    async with connect(peer.url) as client:
        with pytest.raises(LocalProtocolError, match="UTF-8"):
            await client.send("/topic/a", b"", headers={"x": "\ud800"})
        with pytest.raises(LocalProtocolError, match="UTF-8"):
            client.subscribe("/topic/\ud800")
        await client.send("/topic/a", b"x")
        assert client.connected


async def test_what_cannot_be_written_is_refused_also_while_there_is_no_connection(peer: Peer) -> None:
    async with connect(peer.url, reconnect=Backoff(initial_s=0.01, max_s=0.05)) as client:
        peer.cut()
        await client.wait_disconnected()
        with pytest.raises(LocalProtocolError, match="UTF-8"):
            await client.send("/topic/a", b"", headers={"\ud800": "x"}, receipt=False)
        await client.send("/topic/a", b"x")
    assert peer.sends() == [b"x"]


async def test_a_request_that_nothing_answers_fails_at_once(peer: Peer) -> None:
    async with connect(peer.url) as client:
        for destination in ("/app/lost", "/topic/nobody"):
            with pytest.raises(RequestError, match="no-reply"):
                await client.request(destination, b"x", timeout_s=None)
        assert client.statistics().in_flight == 0
        assert await client.request("/app/echo", b"y") == b"y"
        assert client.statistics().in_flight == 0


async def test_a_token_supplier_that_is_cancelled_keeps_nobody_waiting(peer: Peer) -> None:
    def cancelled() -> str:
        raise asyncio.CancelledError

    async with asyncio.timeout(10):
        with pytest.raises(AuthenticationError, match="cancelled"):
            async with connect(peer.url, token=cancelled):
                pass


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ws://[bad", "is no WebSocket URL: Invalid IPv6 URL"),
        ("ws://localhost:99999/", "is no WebSocket URL: Port out of range"),
        ("ws://localhost:x/", "is no WebSocket URL: Port could not be cast"),
        ("ws:///stomp", "it names no host"),
        ("", "it starts with ws://"),
    ],
)
def test_a_url_that_cannot_be_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        connect(url)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 80}.com"])
async def test_a_host_that_cannot_be_is_not_dialled_again_and_again(host: str) -> None:
    with pytest.raises(DialError, match=host) as caught:
        async with connect(f"ws://{host}/stomp"):
            pass
    assert not caught.value.reconnect


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"login": "a\nb"}, "login: the header 'login' has a line end or NUL in it"),
        ({"passcode": "se\0cret"}, "passcode: the header 'passcode' has a line end or NUL in it"),
        ({"host": "x\r\nauthorization:y"}, "host: the header 'host' has a line end"),
        ({"login": 7}, "login: the header 'login' and its value must be strings"),
        ({"passcode": "\ud800"}, "passcode: the header 'passcode' cannot be written as UTF-8"),
        ({"connect_headers": {"a": 1}}, "connect_headers: the header 'a' and its value must be strings"),
        ({"connect_headers": {"a:b": "c"}}, "connect_headers: the header 'a:b' has a line end"),
        ({"headers": {"Origin": "a\r\nCookie: b"}}, "headers: the header 'Origin' has a line end"),
        ({"headers": {"Origin": None}}, "headers: the header 'Origin' and its value must be strings"),
    ],
)
def test_headers_that_cannot_be_expressed_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect("ws://localhost/stomp", **options)
    assert str(caught.value).startswith(sentence)
    assert "cret" not in str(caught.value)
