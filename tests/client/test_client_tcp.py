"""The client over TCP and TLS, against a node."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certificates import self_signed
from serving import Served, make_app, serving, until
from stompede.client import Backoff, DialError, connect
from stompede.errors import ConfigurationError, SessionClosedError
from stompede.server.session.disconnects import Disconnects


def url_of(served: Served, scheme: str = "stomp") -> str:
    server = served.app._tcp_server
    assert server is not None
    return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    app = make_app(tcp_port=0)

    @app.message("/echo")
    async def echo(body: str) -> str:
        return body

    async with serving(app) as served:
        yield served


async def test_messages_requests_and_bytes_that_are_no_text(served: Served) -> None:
    async with connect(url_of(served), heart_beat_ms=(1000, 1000)) as client:
        assert await client.request("/app/echo", "soup", str) == "soup"
        async with client.subscribe("/topic/a") as messages:
            for body in (b"", bytes(range(256)), b"x" * 200_000):
                await client.send("/topic/a", body)
                assert (await messages.next()).body == body
    await served.ended("disconnect")


async def test_a_token_counts_as_over_websocket(served: Served) -> None:
    token = served.token("cook").removeprefix("Bearer ")
    async with connect(url_of(served), token=token) as client:
        assert client.user_name == "cook"


async def test_a_lost_line_is_taken_up_again_with_its_subscriptions(served: Served) -> None:
    async with connect(url_of(served), reconnect=Backoff(initial_s=0.01)) as client:
        async with client.subscribe("/topic/a", str) as messages:
            [session] = served.node.sessions.values()
            session.transport.abort()
            await until(lambda: served.node.statistics().connected_total == 2)
            await until(lambda: served.node.statistics().hub.subscriptions == 1)
            await client.send("/topic/a", "after")
            assert (await messages.next()).body == "after"


async def test_what_the_server_says_at_the_end_is_heard(served: Served) -> None:
    async with connect(url_of(served)) as client:
        [session] = served.node.sessions.values()
        session.error_and_end(Disconnects.CLOSED_BY_SERVER, "the session was closed by the server")
        await client.wait_closed()
        with pytest.raises(SessionClosedError, match="closed-by-server") as caught:
            await client.send("/topic/a", "x")
        assert caught.value.code == 4500


async def test_a_full_node_is_heard_too() -> None:
    async with serving(make_app(tcp_port=0, max_sessions=1)) as served:
        async with connect(url_of(served)):
            for _ in range(10):
                with pytest.raises(SessionClosedError, match="max_sessions") as caught:
                    async with connect(url_of(served), reconnect=None):
                        pass
                assert caught.value.code == 1013


async def test_tls_with_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    app = make_app(tcp_port=0, tcp_certificate=certificate, tcp_key=key)
    async with serving(app) as served:
        trust = ssl.create_default_context(cafile=certificate)
        async with connect(url_of(served, "stomp+ssl"), ssl=trust) as client:
            async with client.subscribe("/topic/a", str) as messages:
                await client.send("/topic/a", "x" * 200_000)
                assert len((await messages.next()).body) == 200_000
        await served.ended("disconnect")


async def test_a_certificate_that_is_not_trusted_is_said(tmp_path: Path, unused_tcp_port: int) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, __: None)  # the server's side tells of it, too
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*self_signed(tmp_path))
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", unused_tcp_port, ssl=context)
    async with server:
        with pytest.raises(DialError, match=r"self.signed certificate"):
            async with connect(f"stomp+ssl://127.0.0.1:{unused_tcp_port}", reconnect=None):
                pass


async def test_nobody_there_and_nobody_who_answers_are_said(unused_tcp_port: int) -> None:
    url = f"stomp://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(DialError, match=f"{url}: .*"):
        async with connect(url, reconnect=None):
            pass
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", unused_tcp_port)
    async with server:
        with pytest.raises(SessionClosedError, match="connection-lost"):
            async with connect(url, reconnect=None):
                pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("stomp://", "names no host"),
        ("stomp://host:99999", "Port out of range"),
        ("stomp://host/stomp", "nothing follows"),
        ("stomp://me:secret@host", "login="),
        ("tcp://host", "stomp:// for TCP"),
    ],
)
def test_a_url_that_cannot_be_is_refused_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connect(url)


@pytest.mark.parametrize("options", [{"headers": {"Origin": "x"}}, {"proxy": "http://proxy"}])
def test_what_belongs_to_websocket_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="belong to WebSocket"):
        connect("stomp://host", **options)  # type: ignore[arg-type]
