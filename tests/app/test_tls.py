"""TLS by certificate files, on the port of HTTP and WebSocket."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from certificates import self_signed
from serving import make_app, serving, until
from stompede import ConfigurationError
from stompede._app.serve import build_server
from stompede._app.tcp import serving_tcp
from stompsocket import Parser, encode


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


async def command(websocket: ClientConnection) -> tuple[str, str]:
    data = await websocket.recv()
    [frame] = Parser().feed(data.encode() if isinstance(data, str) else data)
    return frame.command, frame.text


async def test_http_and_stomp_over_tls(certificate: tuple[str, str]) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=certfile)
    app = make_app()
    async with serving(app, certfile=certfile, keyfile=keyfile) as served:
        assert app.public_url == f"wss://127.0.0.1:{served.port}/stomp"
        async with httpx.AsyncClient(verify=trust) as http:
            assert (await http.get(f"https://127.0.0.1:{served.port}/health/ready")).status_code == 200
        origin = f"https://127.0.0.1:{served.port}"
        async with connect(
            app.public_url, ssl=trust, subprotocols=["v12.stomp"], origin=origin, proxy=None
        ) as websocket:  # type: ignore[list-item,arg-type]
            await websocket.send(encode("CONNECT", {"accept-version": "1.2", "host": "x"}).decode())
            assert (await command(websocket))[0] == "CONNECTED"
            await websocket.send(encode("SUBSCRIBE", {"id": 1, "destination": "/topic/a"}).decode())
            for size in (10, 200_000):
                await websocket.send(encode("SEND", {"destination": "/topic/a"}, "x" * size).decode())
                assert await command(websocket) == ("MESSAGE", "x" * size)


async def test_a_client_that_reads_slowly_over_tls_gets_all_in_order(certificate: tuple[str, str]) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=certfile)
    app = make_app(outbound_bytes=1_000_000)
    async with serving(app, certfile=certfile, keyfile=keyfile) as served:
        async with connect(app.public_url, ssl=trust, proxy=None, max_queue=1, max_size=None) as websocket:
            await websocket.send(encode("CONNECT", {"accept-version": "1.2", "host": "x"}).decode())
            assert (await command(websocket))[0] == "CONNECTED"
            await websocket.send(
                encode("SUBSCRIBE", {"id": 1, "destination": "/topic/a", "receipt": 1}).decode()
            )
            assert (await command(websocket))[0] == "RECEIPT"
            [session] = served.node.sessions.values()
            count = 0
            while session.outbox.queued_bytes < 300_000:
                await app.publish("/topic/a", f"{count:>8}{'x' * 20_000}")
                count += 1
                assert count < 5000
            assert served.node.statistics().outboxes.blocked == 1
            numbers = [int((await command(websocket))[1][:8]) for _ in range(count)]
            assert numbers == list(range(count))
            assert served.node.statistics().outboxes.queued_bytes == 0
            await app.close_session(session.id)
            assert (await command(websocket))[0] == "ERROR"
            await websocket.wait_closed()
            assert websocket.close_code == 4500


@pytest.mark.parametrize("over", ["tcp", "websocket"])
async def test_what_came_before_reading_was_paused_is_handled_after_it(
    over: str, certificate: tuple[str, str]
) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=certfile)
    app = make_app(tcp_port=0, inbound_bytes=10_000)

    @app.message("/brief")
    async def brief(body: bytes) -> None:
        await asyncio.sleep(0)

    heads = [{"destination": "/app/brief", "receipt": number} for number in range(20)]
    frames = [
        encode("CONNECT", {"accept-version": "1.2"}),
        *(encode("SEND", each, "x" * 9_999) for each in heads),
    ]
    parser, answers = Parser(), []
    async with serving(app, certfile=certfile, keyfile=keyfile) as served:
        if over == "websocket":
            async with connect(app.public_url, ssl=trust, proxy=None) as websocket:
                for frame in frames:
                    await websocket.send(frame.decode())
                while len(answers) < len(frames):
                    answers += parser.feed(await websocket.recv(decode=False))
        else:
            assert app._tcp_server is not None
            [listener] = app._tcp_server.sockets
            reader, writer = await asyncio.open_connection(*listener.getsockname(), ssl=trust)
            writer.writelines(frames)
            while len(answers) < len(frames):
                answers += parser.feed(await reader.read(65536))
            writer.close()
        assert served.node.statistics().reading_paused_total
    assert [each.headers["receipt-id"] for each in answers[1:]] == [str(number) for number in range(20)]


async def test_who_takes_no_part_in_the_end_over_tcp_is_forgotten_when_its_time_is_over(
    certificate: tuple[str, str],
) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=certfile)
    app = make_app(tcp_port=0, connect_timeout_s=0.1, close_timeout_s=0.5)
    async with serving(app, certfile=certfile, keyfile=keyfile) as served:
        assert app._tcp_server is not None
        [listener] = app._tcp_server.sockets
        _, writer = await asyncio.open_connection(*listener.getsockname(), ssl=trust)
        await until(lambda: served.node.transports)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not served.node.transports)  # no CONNECT came
        loop: Any = asyncio.get_running_loop()
        writer.transport.abort()
        left = [each for each in loop._scheduled if "SSL" in str(each._callback) and not each.cancelled()]
        assert [each for each in left if each.when() > loop.time() + 1] == []


async def test_the_origin_must_be_of_https_as_well(certificate: tuple[str, str]) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=certfile)
    async with serving(make_app(), certfile=certfile, keyfile=keyfile) as served:
        with pytest.raises(Exception, match="403"):
            async with connect(
                f"wss://127.0.0.1:{served.port}/stomp", ssl=trust, proxy=None,
                origin=f"http://127.0.0.1:{served.port}",  # type: ignore[arg-type]
            ):  # fmt: skip
                pass


async def test_a_plain_connection_to_a_tls_port_harms_nobody(certificate: tuple[str, str]) -> None:
    certfile, keyfile = certificate
    async with serving(make_app(), certfile=certfile, keyfile=keyfile) as served:
        with pytest.raises(httpx.HTTPError):
            async with httpx.AsyncClient() as http:
                await http.get(f"http://127.0.0.1:{served.port}/health/live")
        trust = ssl.create_default_context(cafile=certfile)
        async with httpx.AsyncClient(verify=trust) as http:
            assert (await http.get(f"https://127.0.0.1:{served.port}/health/live")).status_code == 200


async def test_who_says_nothing_has_the_time_of_a_handshake(certificate: tuple[str, str]) -> None:
    certfile, keyfile = certificate
    async with serving(make_app(handshake_timeout_s=0.5), certfile=certfile, keyfile=keyfile) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


BROKEN = {
    "no certificate": ("{cert} with the key {key}", "{cert}: No such file or directory"),
    "no key": ("{cert} with the key {key}", "{key}: No such file or directory"),
    "nonsense": ("{cert} with the key {key}", "{cert} holds no certificate in PEM"),
    "nonsense as key": ("{cert} with the key {key}", "{key} holds no private key in PEM"),
    "key forgotten": ("{cert}", "it holds no private key; give the file that does with {option}"),
    "other key": ("{cert} with the key {key}", "the private key is another certificate's"),
}


def spoiled(
    broken: str, certificate: tuple[str, str], folder: Path, option: str
) -> tuple[Path, str | None, str]:
    """Files that do not load: certificate, key, and what is to be said of them."""
    cert, key = folder / "c.pem", folder / "k.pem"
    (folder / "other").mkdir()
    other = Path(self_signed(folder / "other")[1])
    good = [Path(name).read_text() for name in certificate]
    cert.write_text("nonsense" if broken == "nonsense" else good[0])
    key.write_text({"nonsense as key": "nonsense", "other key": other.read_text()}.get(broken, good[1]))
    if broken in ("no certificate", "no key"):
        (cert if broken == "no certificate" else key).unlink()
    which, why = (text.format(cert=cert, key=key, option=option) for text in BROKEN[broken])
    return (
        cert,
        None if broken == "key forgotten" else str(key),
        f"the certificate {which} does not load: {why}",
    )


@pytest.mark.parametrize("broken", BROKEN)
def test_a_certificate_that_does_not_load_is_said_in_one_sentence(
    broken: str, certificate: tuple[str, str], tmp_path: Path
) -> None:
    cert, key, sentence = spoiled(broken, certificate, tmp_path, "--keyfile")
    with pytest.raises(ConfigurationError) as refused:
        build_server(make_app(), certfile=str(cert), keyfile=key)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("broken", BROKEN)
async def test_one_for_tcp_is_said_in_the_same_sentence(
    broken: str, certificate: tuple[str, str], tmp_path: Path
) -> None:
    cert, key, sentence = spoiled(broken, certificate, tmp_path, "tcp_key")
    app = make_app(tcp_port=0, tcp_certificate=cert, tcp_key=key)
    with pytest.raises(ConfigurationError) as refused:
        await serving_tcp(app).__aenter__()
    assert str(refused.value) == sentence
