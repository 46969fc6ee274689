"""sockjs-client in a real Chromium, transport by transport, from the server's own page and from another site's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route

from subprocesses import stompede_serve

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CLIENT = (
    Path(__file__).parents[1]
    / "clients"
    / "sockjs"
    / "node_modules"
    / "sockjs-client"
    / "dist"
    / "sockjs.min.js"
)
HERE = ("websocket", "xhr-streaming", "eventsource", "htmlfile", "xhr-polling", "jsonp-polling")
ELSEWHERE = (
    "websocket",
    "xhr-streaming",
    "iframe-eventsource",
    "iframe-xhr-polling",
    "xhr-polling",
    "jsonp-polling",
)
STRANGE = "\u0000\u001f\u2028\u200c\ufeff\ufff0\uffff 😀 é <script></script>"

CONVERSE = """([url, transport, texts]) => new Promise((resolve) => {
  const heard = [];
  const socket = new SockJS(url, null, { transports: transport, timeout: 10_000 });
  socket.onopen = () => texts.forEach((text) => socket.send(text));
  socket.onmessage = ({ data }) => {
    heard.push(data);
    if (heard.length === texts.length) resolve([socket.transport, heard]);
  };
  socket.onclose = ({ code, reason }) => resolve([`${code} ${reason}`, heard]);
})"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if not CLIENT.exists():
        pytest.skip("sockjs-client is not installed; run make tests/clients/sockjs/node_modules")
    with stompede_serve("stompede.testing.conformance:app") as (_, url):
        yield url


async def client(route: Route) -> None:
    await route.fulfill(body=CLIENT.read_text("utf-8"), content_type="text/javascript")


@pytest.mark.parametrize(
    ("elsewhere", "transport"), [*((False, name) for name in HERE), *((True, name) for name in ELSEWHERE)]
)
async def test_every_transport_echoes_what_it_gets(
    browser: Browser, url: str, elsewhere: bool, transport: str
) -> None:
    # The greeting is a page, too, and by its other name it is another site's.
    page_url = url.replace("127.0.0.1", "localhost") if elsewhere else url
    context = await browser.new_context()
    try:
        await context.route("**/sockjs.min.js", client)  # what the iframe page loads
        page = await context.new_page()
        await page.goto(f"{page_url}/echo")
        await page.add_script_tag(path=CLIENT)
        texts = [*(f"message {number}" for number in range(50)), STRANGE, "x" * 20_000]
        used, heard = await page.evaluate(CONVERSE, [f"{url}/echo", transport, texts])
        assert (used, heard == texts) == (transport, True), heard[-3:]
    finally:
        await context.close()
