"""TLS handshakes are bounded, as everything is that says nothing, and are known to end."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from certificates import self_signed
from serving import make_app, serving, until
from stompede._app.listening import listen
from stompede.transports import TlsHandshakes, TlsListener
from stompline import StompLine
from tcpserving import Serve, TcpServed, serve_tcp

pytestmark = pytest.mark.timeout(60)
serve = serve_tcp


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return self_signed(tmp_path_factory.mktemp("tls"))


async def ended(line: StompLine) -> None:
    with suppress(ConnectionError):
        await line.closed()


async def bounds_silent_ones(served: TcpServed, silent: Callable[[], Any], trust: ssl.SSLContext) -> None:
    app, node = served.served.app, served.node
    handshakes = app._tls_handshakes
    lines = [await silent() for _ in range(2)]
    await until(lambda: handshakes.running == 2)
    for count in (1, 2):
        await ended(await silent())
        assert (handshakes.running, node.statistics().refused_total) == (2, count)
    lines[0].drop()
    await until(lambda: handshakes.running == 1)
    line = await served.client(trust=trust)
    await line.subscribe("/topic/a")
    assert (handshakes.running, handshakes.failed) == (1, 1)
    await ended(lines[1])
    await until(lambda: (handshakes.running, handshakes.failed) == (0, 2))


async def test_silent_connections_to_the_port_of_tcp_count_in_max_handshakes(
    tls_files: tuple[str, str], serve: Serve
) -> None:
    certificate, key = tls_files
    served = await serve(tcp_certificate=certificate, tcp_key=key, max_handshakes=2, handshake_timeout_s=1.5)
    await bounds_silent_ones(served, served.open, ssl.create_default_context(cafile=certificate))


async def test_silent_connections_to_the_port_of_http_count_in_max_handshakes(
    tls_files: tuple[str, str],
) -> None:
    certificate, key = tls_files
    app = make_app(tcp_port=0, max_handshakes=2, handshake_timeout_s=1.5)
    trust = ssl.create_default_context(cafile=certificate)
    async with serving(app, certfile=certificate, keyfile=key) as under:

        async def silent() -> StompLine:
            line = await StompLine.dial(f"stomp://127.0.0.1:{under.port}")
            under.clients.append(line)
            return line

        await bounds_silent_ones(TcpServed(under), silent, trust)
        async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
            text = (await http.get(f"https://127.0.0.1:{under.port}/metrics")).text
        for line in (
            "stompede_tls_handshakes 0.0", "stompede_tls_handshakes_failed_total 2.0",
            "stompede_handshakes_refused_total 2.0",
        ):  # fmt: skip
            assert f"\n{line}\n" in text


class Port:
    """A listener of its own, whose connections do nothing."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.refused = 0
        self.handshakes = TlsHandshakes(5, self.refuse)
        self.listener = listen("127.0.0.1", 0)
        self.address = self.listener.getsockname()
        self.server = TlsListener(asyncio.Protocol, self.listener, 8, self.handshakes, ssl=tls)

    def refuse(self) -> None:
        self.refused += 1


@pytest.fixture
async def port(tls_files: tuple[str, str]) -> AsyncIterator[Port]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*tls_files)
    opened = Port(tls)
    yield opened
    opened.server.close()
    await opened.server.wait_closed()


async def test_who_is_within_a_handshake_goes_when_the_port_is_closed_and_the_others_stay(
    port: Port, tls_files: tuple[str, str]
) -> None:
    trust = ssl.create_default_context(cafile=tls_files[0])
    reader, writer = await asyncio.open_connection(*port.address, ssl=trust)
    half_reader, half = await asyncio.open_connection(*port.address)
    await until(lambda: port.handshakes.running == 1)
    assert port.server.sockets
    port.server.close()
    await port.server.wait_closed()
    assert (port.server.sockets, port.handshakes.running) == ((), 0)
    with suppress(ConnectionError):
        assert await half_reader.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*port.address)
    assert not reader.at_eof()
    for each in (writer, half):
        each.close()
        with suppress(ConnectionError):
            await each.wait_closed()


async def test_a_node_without_file_descriptors_goes_on_accepting_when_it_has_some(
    port: Port, tls_files: tuple[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stompede.transports.tls._EXHAUSTED_S", 0.01)
    accept, failures = socket.socket.accept, iter([errno.ECONNABORTED, errno.EMFILE, errno.EMFILE])

    def failing(self: socket.socket) -> Any:
        for number in failures:
            raise OSError(number, "no")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    trust = ssl.create_default_context(cafile=tls_files[0])
    _, writer = await asyncio.open_connection(*port.address, ssl=trust)
    writer.close()
    await writer.wait_closed()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "no connections are taken for a second: [Errno 24] no"
    ] * 2
