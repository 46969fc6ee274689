"""SIGTERM to a node in a process of its own."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sockjsclient import SockJsStomp, fetch
from stompsocket import Closed, StompSocket

APPLICATION = """
import asyncio
import time
from pathlib import Path
from stompede import Stompede

app = Stompede()

@app.message("/slow", publish="/topic/done", reply=True)
async def slow(body: str) -> str:
    await app.publish("/topic/begun", body)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return body

@app.message("/thread")
def thread(body: str) -> None:
    app.publish_threadsafe("/topic/begun", body)
    while not Path("go").exists():
        time.sleep(0.01)
"""

ServeNode = Callable[..., Any]
Connect = Callable[..., Awaitable[StompSocket]]


@pytest.fixture
def node(serve_node: ServeNode, tmp_path: Path) -> Any:
    (tmp_path / "slow.py").write_text(APPLICATION)
    return serve_node("slow:app", "--set", "close_timeout_s=5", "--set", "outbound_bytes=10000000")


@pytest.fixture
def connected() -> Iterator[Callable[..., Awaitable[StompSocket]]]:
    """Opens sessions of a node, and closes their sockets at the end."""
    clients = []

    async def connect(node: Any, **options: Any) -> StompSocket:
        client = await StompSocket.open(node.stomp_url, **options)
        clients.append(client)
        await client.connect()
        return client

    yield connect
    for client in clients:
        client.drop()


def code_of(node: Any) -> int:
    code: int = node.process.wait(30)
    return code


async def test_sigterm_lets_handlers_end_and_sends_what_is_queued(
    node: Any, tmp_path: Path, connected: Connect
) -> None:
    watcher, asker = await connected(node), await connected(node)
    slow = await connected(node, receive_buffer=4096)
    await slow.subscribe("/topic/news")
    await watcher.subscribe("/topic/begun", 1)
    await watcher.subscribe("/topic/done", 2)
    await asker.replies()
    body = "x" * 20_000
    for number in range(230):  # more than the socket of one who does not read takes
        await watcher.request("SEND", {"destination": "/topic/news"}, f"{number:>8} {body}")
    await asker.send("SEND", {"destination": "/app/slow", "receipt": "done"}, "soup")
    assert (await watcher.message()).text == "soup"
    node.process.send_signal(signal.SIGTERM)
    await refused(node)
    (tmp_path / "go").touch()
    numbers = [int((await slow.message()).text.split()[0]) for _ in range(230)]
    assert numbers == list(range(230))
    assert (await watcher.message()).text == "soup"
    assert [(await asker.frame()).command for _ in range(2)] == ["MESSAGE", "RECEIPT"]
    for client in (watcher, asker, slow):
        error = await client.error()
        assert (error.headers["disconnect-reason"], error.headers["reconnect"]) == ("service-restart", "true")
        closed: Closed = await client.closed()
        assert (closed.code, closed.reason) == (1012, "service-restart")
    assert code_of(node) == 0
    ends = {line["session"]: line["why"] for line in node.log if line["event"] == "session ended"}
    assert [ends[client.session] for client in (watcher, asker, slow)] == ["service-restart"] * 3


async def refused(node: Any) -> None:
    """Waits until new connections are refused."""
    end = time.monotonic() + 10
    while True:
        assert time.monotonic() < end
        try:
            (await StompSocket.open(node.stomp_url)).drop()
        except Exception:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_node_with_exit_code_0(
    node: Any, number: int, connected: Connect
) -> None:
    client = await connected(node)
    node.process.send_signal(number)
    assert (await client.closed()).code == 1012
    assert code_of(node) == 0


IN_A_RESPONSE = 'stompede_sockjs_waiting{endpoint="/stomp"} 0.0'


async def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        return (await fetch(f"{url}/health/ready")).status == 200
    except OSError:
        return False


@pytest.fixture
def plain_uvicorn(free_port: int, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A uvicorn that knows nothing of Stompede but its ASGI face."""
    (tmp_path / "plain.py").write_text("from stompede import Stompede\n\napp = Stompede()\n")
    command = [sys.executable, "-m", "uvicorn", "plain:app", "--port", str(free_port)]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL) as process:
        yield process, f"http://127.0.0.1:{free_port}"
        process.kill()


@pytest.mark.parametrize("transport", ["xhr_streaming", "eventsource", "xhr"])
async def test_a_uvicorn_that_stops_does_not_wait_for_the_responses_of_sockjs_and_their_clients_are_told(
    plain_uvicorn: tuple[subprocess.Popen[bytes], str], transport: str
) -> None:
    process, url = plain_uvicorn
    async with asyncio.timeout(30):
        while not await answers(url):
            pass
    client = await SockJsStomp(f"{url}/stomp", transport).open()
    await client.connect()
    waiting = asyncio.create_task(client.frame("ERROR"))
    while IN_A_RESPONSE not in (await fetch(f"{url}/metrics")).text:
        pass
    process.terminate()
    assert (await waiting).headers["disconnect-reason"] == "service-restart"
    assert await asyncio.to_thread(process.wait, 30) == -signal.SIGTERM
    client.drop()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("handler", ["slow", "thread"])
async def test_ctrl_c_while_the_node_stops_ends_it_at_once_and_says_so(
    node: Any, connected: Connect, first: int, handler: str
) -> None:
    client, watcher = await connected(node), await connected(node)
    await watcher.subscribe("/topic/begun")
    await client.send("SEND", {"destination": f"/app/{handler}"}, "x")
    await watcher.message()
    node.process.send_signal(first)
    await refused(node)
    assert node.process.poll() is None, "it waits for the handler"
    begin = time.monotonic()
    node.process.send_signal(signal.SIGINT)
    assert code_of(node) == 130
    assert time.monotonic() - begin < 5, "far less than shutdown_timeout_s"
    said = node.said()
    assert said.count("stompede: a second Ctrl-C: ended at once") == 1
    assert "Traceback" not in said
    assert (await client.closed()).code is None, "a lost connection: the client comes back by itself"


Working = Callable[[str], Awaitable[tuple[Any, StompSocket]]]


@pytest.fixture
def working(serve_node: ServeNode, tmp_path: Path, connected: Connect) -> Working:
    """A node whose handler, of that name, has begun and does not end; and the client that asked."""

    async def work(handler: str) -> tuple[Any, StompSocket]:
        (tmp_path / "slow.py").write_text(APPLICATION)
        node = serve_node("slow:app", "--set", "shutdown_timeout_s=0.5", "--set", "close_timeout_s=0.5")
        client, watcher = await connected(node), await connected(node)
        await watcher.subscribe("/topic/begun")
        await client.send("SEND", {"destination": f"/app/{handler}"}, "x")
        await watcher.message()
        return node, client

    return work


async def test_a_handler_that_never_ends_does_not_keep_the_node(working: Working) -> None:
    node, client = await working("slow")
    begin = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert (await client.closed()).code == 1012
    assert code_of(node) == 0
    assert time.monotonic() - begin < 8


async def test_a_thread_that_never_ends_does_not_keep_the_process(working: Working) -> None:
    node, client = await working("thread")
    node.process.send_signal(signal.SIGTERM)
    assert (await client.closed()).code == 1012
    assert code_of(node) == 0
    assert "handlers that are plain def have not returned" in node.said()


async def test_a_client_that_never_reads_does_not_keep_the_node(
    serve_node: ServeNode, tmp_path: Path, connected: Connect
) -> None:
    (tmp_path / "slow.py").write_text(APPLICATION)
    node = serve_node("slow:app", "--set", "shutdown_timeout_s=0.5", "--set", "close_timeout_s=0.5")
    client, writer = await connected(node, receive_buffer=4096), await connected(node)
    await client.subscribe("/topic/news")
    for _ in range(230):
        await writer.request("SEND", {"destination": "/topic/news"}, "x" * 20_000)
    begin = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert (await writer.closed()).code == 1012
    assert code_of(node) == 0
    assert time.monotonic() - begin < 8


async def test_a_path_that_both_want_is_one_sentence_and_exit_code_2(
    serve_node: ServeNode, tmp_path: Path
) -> None:
    (tmp_path / "clash.py").write_text(
        "from fastapi import FastAPI\nfrom stompede import Stompede\nfastapi = FastAPI()\n"
        "fastapi.get('/metrics')(lambda: 1)\napp = Stompede(fastapi)\n"
    )
    with pytest.raises(
        AssertionError, match="stompede: path /metrics is a route of your FastAPI application"
    ) as said:
        serve_node("clash:app")
    assert "Traceback" not in str(said.value)
