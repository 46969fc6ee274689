"""The JavaScript client in a real Chromium, as it is built, without a bundler, over a wire that is cut."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from subprocesses import running

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CLIENT = Path(__file__).parents[2] / "clients" / "js"
MESSAGES = 300
CUTS = 12

LISTEN = """async () => {
  const seen = { numbers: [], gaps: [], recovered: 0, errors: [] };
  const client = new stompede.StompedeClient({
    url: `ws://${location.host}/stomp`,
    reconnect: { initialMs: 10, maxMs: 50 },
    onError: (error) => seen.errors.push(error.message),
  });
  await client.open();
  await client.subscribe("/topic/kept/browser", ({ body, recovered }) => {
    seen.numbers.push(body);
    if (recovered) seen.recovered++;
  }, { onGap: (gap) => seen.gaps.push(gap) }).ready;
  Object.assign(window, { client, seen });
}"""

SPEAK = """async ([port, count]) => {
  const speaker = await stompede.connect({ url: `ws://127.0.0.1:${port}/stomp` });
  let number = 0;
  window.speaking = (async () => {
    while (!window.enough || number < count) {
      await speaker.send("/topic/kept/browser", number++);
      // Well within the history, or a gap would be right.
      while (number - seen.numbers.length > 300) await new Promise((done) => setTimeout(done));
    }
    await speaker.close();
    return number;
  })();
}"""


class Wire:
    """A TCP proxy before the node. Each connection lives for so many bytes as the test says, and ends without word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.life_bytes = lambda: 1 << 60
        self._ended = asyncio.Condition()
        self.cuts = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        both = {writer, far_writer}
        self._writers |= both
        ways = [
            asyncio.create_task(self._copy(reader, far_writer, 1 << 60)),
            asyncio.create_task(self._copy(far_reader, writer, self.life_bytes())),
        ]
        self._tasks |= set(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        self.cuts += 1
        self._writers -= both
        for end in both:
            end.transport.abort()
        await asyncio.wait(ways)
        self._tasks -= set(ways)
        async with self._ended:
            self._ended.notify_all()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        with contextlib.suppress(ConnectionError):
            while left > 0 and (data := await reader.read(65536)):
                writer.write(data[:left])
                await writer.drain()
                left -= len(data)

    async def wait_cuts(self, count: int) -> None:
        """Waits until so many connections have ended."""
        async with self._ended:
            await self._ended.wait_for(lambda: self.cuts >= count)

    def cut(self) -> None:
        """Cuts all connections."""
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture(scope="module")
def node_port() -> Iterator[int]:
    """A node with the application of the client's own tests, which serves the built client, too."""
    if not (CLIENT / "dist" / "index.js").exists():
        pytest.skip("the JavaScript client is not built: make client")
    folder = CLIENT / "tests" / "integration"
    command = ["-m", "stompede", "serve", "app:app", "--host", "127.0.0.1", "--port", "0"]
    with running(
        command, PYTHONPATH=str(folder), STOMPEDE_LOG_FORMAT="json", STOMPEDE_ALLOWED_ORIGINS="*"
    ) as process:
        yield int(process.wait_log(r'"url": "http://127\.0\.0\.1:(\d+)"')[1])


@pytest_asyncio.fixture(loop_scope="module")
async def wire(node_port: int) -> AsyncIterator[tuple[Wire, int]]:
    wire = Wire(node_port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    async with server:
        yield wire, server.sockets[0].getsockname()[1]
        wire.cut()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, wire: tuple[Wire, int]) -> AsyncIterator[Page]:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{wire[1]}/page")
    yield page
    await context.close()


async def test_a_page_whose_connection_is_cut_again_and_again_misses_nothing_and_sees_nothing_twice(
    page: Page, wire: tuple[Wire, int], node_port: int, until
) -> None:
    chance = random.Random(7)
    proxy = wire[0]
    await page.evaluate(LISTEN)
    await page.evaluate(SPEAK, [node_port, MESSAGES])
    cuts = proxy.cuts + CUTS
    proxy.life_bytes = lambda: chance.randrange(1, 6000)
    proxy.cut()
    await proxy.wait_cuts(cuts)
    proxy.life_bytes = lambda: 1 << 60
    proxy.cut()
    count = await page.evaluate("() => { window.enough = true; return window.speaking; }")
    await until(page, f"window.seen.numbers.at(-1) === {count - 1}")
    seen = await page.evaluate("window.seen")
    assert seen["numbers"] == list(range(count))
    assert seen["gaps"] == []
    assert seen["recovered"] > 0
    assert seen["errors"] == []


async def test_a_page_asks_is_refused_and_is_told_why(page: Page) -> None:
    told = await page.evaluate(
        """async () => {
          const token = await (await fetch("/token/cook")).json();
          const client = await stompede.connect({ url: `ws://${location.host}/stomp`, token: () => token });
          const who = await client.request("/app/who");
          const { number } = await client.request("/app/double", { number: 21 });
          const error = await client.request("/app/fail", { number: 1 }).catch((error) => error);
          await client.close();
          return [who, number, error instanceof stompede.StompedeError, error.code, error.destination];
        }"""
    )
    assert told == ["cook", 42, True, "no-such-number", "/app/fail"]
