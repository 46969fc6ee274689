"""A page of which no timer runs any more. A browser without windows has no background to put it in, so it is stopped by
the debugger; its browser, which answers pings, goes on.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from subprocesses import Process, stompede_serve

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

BEAT_MS = 1000
GRACE_S = 5

# A client that beats in time, as long as its timers run.
BEATING = """async ([url, ms]) => {
  const socket = new WebSocket(url, ["v12.stomp"]);
  await new Promise((done) => (socket.onopen = done));
  const connected = new Promise((done) => (socket.onmessage = ({ data }) => done(data)));
  socket.send(`CONNECT\\naccept-version:1.2\\nhost:x\\nheart-beat:${ms},0\\n\\n\\0`);
  setInterval(() => socket.send("\\n"), ms);
  return connected;
}"""


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[Process, str]]:
    settings = {"heart_beat_receive_ms": BEAT_MS, "heart_beat_grace_s": GRACE_S}
    options = [f"--set={name}={value}" for name, value in settings.items()]
    with stompede_serve("stompede.testing.conformance:app", *options) as served:
        yield served


async def test_a_page_that_stands_still_is_kept_for_its_grace_because_its_browser_answers_pings(
    browser: Browser, node: tuple[Process, str]
) -> None:
    process, url = node
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(f"{url}/echo")
        assert "CONNECTED" in await page.evaluate(BEATING, [f"{url.replace('http', 'ws')}/stomp", BEAT_MS])
        devtools = await context.new_cdp_session(page)
        await devtools.send("Debugger.enable")
        await devtools.send("Debugger.pause")
        line = json.loads(process.wait_log(r'\{[^\n]*"session ended"[^\n]*\}')[0])
    finally:
        await context.close()
    assert line["why"] == "heart-beat-missed"
    assert line["lasted_s"] >= GRACE_S, "without its answers it would have ended after two intervals"
