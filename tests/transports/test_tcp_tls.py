"""STOMP over TCP with TLS, and listeners that cannot be opened."""

import asyncio
import ssl

import httpx
import pytest
from structlog.testing import capture_logs

from certificates import self_signed
from serving import make_app, serving, until
from stompede import ConfigurationError
from stompede._app.listening import listen
from stompede._app.tcp import serving_tcp
from stompede._app.tls import TlsFailures
from tcpserving import Serve, TcpServed, serve_tcp

BODY = b"soup \xff\x00 and bread"
pytestmark = pytest.mark.timeout(60)
serve = serve_tcp


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return self_signed(tmp_path_factory.mktemp("tls"))


async def test_stomp_over_tls(tls_files: tuple[str, str], serve: Serve) -> None:
    certificate, key = tls_files
    served = await serve(tcp_certificate=certificate, tcp_key=key, max_body_bytes=300_000)
    trust = ssl.create_default_context(cafile=certificate)
    line = await served.open(trust=trust)
    await line.connect()
    await line.subscribe("/topic/a")
    for size in (10, 250_000):
        await line.send("SEND", {"destination": "/topic/a"}, "x" * size)
        assert (await line.message()).text == "x" * size
    await line.send("NONSENSE")
    assert (await line.error()).headers["disconnect-reason"] == "protocol-error"
    await line.closed()
    await until(lambda: served.node.statistics().connections == 0)
    plain = await served.open()
    with pytest.raises(Exception, match="None"):
        await plain.connect()


async def test_the_certificate_of_http_is_the_one_of_tcp(tls_files: tuple[str, str]) -> None:
    certificate, key = tls_files
    async with serving(make_app(tcp_port=0), certfile=certificate, keyfile=key) as under:
        line = await TcpServed(under).open(trust=ssl.create_default_context(cafile=certificate))
        await line.connect()
    assert [one for one in under.logs if one.get("tcp", "").startswith("stomp+ssl://127.0.0.1:")]


async def test_tls_handshakes_that_fail_are_counted_and_told_of_now_and_then_without_tracebacks(
    tls_files: tuple[str, str], serve: Serve
) -> None:
    certificate, key = tls_files
    served = await serve(tcp_certificate=certificate, tcp_key=key, handshake_timeout_s=0.5)
    handshakes = served.served.app._tls_handshakes
    plain = await served.open()
    await plain.send("CONNECT")
    with pytest.raises(ssl.SSLError):  # it does not know the certificate
        await asyncio.open_connection("127.0.0.1", served.port, ssl=ssl.create_default_context())
    for _ in range(2):
        (await served.open()).drop()
    await served.open()  # and says nothing
    line = await served.client(trust=ssl.create_default_context(cafile=certificate))
    await until(lambda: handshakes.failed == 5)
    await line.subscribe("/topic/a")
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{served.served.http}/metrics")).text
    assert "\nstompede_tls_handshakes_failed_total 5.0\n" in text
    told = served.served.logged("TLS handshakes failed")
    assert len(told) <= 1, "asyncio tells the loop of none"
    assert all((one["last_address"], one["log_level"]) == ("127.0.0.1", "info") for one in told)


async def test_what_the_loop_is_told_of_besides_handshakes_goes_on_to_who_asked_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, told, failures = asyncio.get_running_loop(), [], TlsFailures()
    with capture_logs() as logs:
        for handler in (lambda _, context: told.append(context["message"]), None):
            loop.set_exception_handler(handler)
            failures.watch(loop)
            loop.call_exception_handler({"message": "something else"})
            for error in (ssl.SSLError("bad record mac"), ConnectionResetError):
                loop.call_exception_handler({"message": "SSL handshake failed", "exception": error})
            failures.release(loop)
            assert loop.get_exception_handler() is handler
    assert told == ["something else"]
    assert [record.getMessage() for record in caplog.records] == ["something else"]
    assert [(line["event"], line["failed"]) for line in logs] == [("TLS handshakes failed", 1)]


async def test_a_port_that_is_taken_and_a_certificate_that_is_none_are_said_in_a_sentence() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        app = make_app(tcp_port=taken.getsockname()[1])
        with pytest.raises(
            ConfigurationError, match=r"cannot listen at 127\.0\.0\.1:.*tcp_host and tcp_port"
        ):
            async with app.running(), serving_tcp(app):
                pass
    for settings in ({"tcp_certificate": "/no.pem"}, {"tcp_key": "/no.pem"}):
        app = make_app(tcp_port=0, **settings)
        with pytest.raises(ConfigurationError, match="certificate"):
            async with app.running(), serving_tcp(app):
                pass
