"""Compressed WebSocket messages in a real Chromium: it reads what the node packs, and the node what it packs."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from subprocesses import running

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ROUNDS = 200

TALK = """async ([port, rounds]) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/stomp`, ["v12.stomp"]);
  const next = () => new Promise((done, failed) => {
    socket.onmessage = ({ data }) => done(data);
    socket.onclose = ({ code, reason }) => failed(new Error(`closed with ${code} ${reason}`));
  });
  await new Promise((done) => { socket.onopen = done; });
  socket.send("CONNECT\\naccept-version:1.2\\n\\n\\0");
  await next();
  socket.send("SUBSCRIBE\\nid:1\\ndestination:/topic/stocks.*\\nreceipt:r\\n\\n\\0");
  await next();
  let right = 0;
  for (let round = 0; round < rounds; round++) {
    const body = `라이더 ${round} `.repeat(round * 5 + 1);
    socket.send(`SEND\\ndestination:/topic/stocks.${round}\\n\\n${body}\\0`);
    const message = await next();
    if (message.includes(`destination:/topic/stocks.${round}\\n`) && message.endsWith(`\\n\\n${body}\\0`)) right++;
  }
  return [socket.extensions, right];
}"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = ["-m", "stompede", "serve", "--host", "127.0.0.1", "--port", "0"]
    with running(
        command, STOMPEDE_COMPRESSION="*", STOMPEDE_ALLOWED_ORIGINS="*", STOMPEDE_LOG_FORMAT="json"
    ) as process:
        yield int(process.wait_log(r'"url": "http://127\.0\.0\.1:(\d+)"')[1])


async def test_a_page_and_a_node_that_compress_understand_each_other(browser: Browser, port: int) -> None:
    page = await browser.new_page()
    extensions, right = await page.evaluate(TALK, [port, ROUNDS])
    await page.close()
    assert extensions.startswith("permessage-deflate")
    assert right == ROUNDS
