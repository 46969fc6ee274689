"""A node with riders on its streets, and a real headless Chromium that looks at it.

The node is started here, on a free port, with simulated riders; ``STOMPEDE_TEST_NODE_URL`` names one that runs already.
The browser is ``STOMPEDE_CHROMIUM``, or the one that is installed.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from chromium import chromium as find_chromium

RIDERS = 40
READY_WITHIN_S = 30
STOP_WITHIN_S = 20
LOOK_EVERY_S = 0.05


def chromium() -> str:
    """Path of a Chromium; skips the test where there is none."""
    if found := find_chromium():
        return found
    pytest.skip("no Chromium found; install it (`make services`) or name it by STOMPEDE_CHROMIUM")


class ServedApp:
    """A running node in demo mode."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


def _start(arguments: list[str], folder: Path, name: str) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("STOMPEDE_")}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stompede", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait_ready(app: ServedApp, node: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not app.ready():
        if node.poll() is not None or time.monotonic() > deadline:
            end = (folder / "node.log").read_text("utf-8", "replace")[-2000:]
            pytest.fail(f"the node did not become ready; its last words:\n{end}")
        time.sleep(LOOK_EVERY_S)


@pytest.fixture(scope="module")
def served_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    """A node in demo mode with simulated riders, in processes of their own."""
    if url := os.environ.get("STOMPEDE_TEST_NODE_URL"):
        yield ServedApp(url.rstrip("/"))
        return
    chromium()  # without a browser there is no need to start anything
    folder = tmp_path_factory.mktemp("node")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = ServedApp(f"http://127.0.0.1:{port}")
    node = _start(["serve", "--host", "127.0.0.1", "--port", str(port), "--demo"], folder, "node")
    try:
        _wait_ready(app, node, folder)
        url = f"ws://127.0.0.1:{port}/stomp"
        riders = _start(["simulate", "riders", "--url", url, "--riders", str(RIDERS)], folder, "riders")
        try:
            yield app
        finally:
            _stop(riders)
    finally:
        _stop(node)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        await launched.close()


class Watched:
    """Pages that report what went wrong in them, and whom they asked for anything."""

    def __init__(self, browser: Browser, app: ServedApp, stack: AsyncExitStack) -> None:
        self._browser = browser
        self._app = app
        self._stack = stack
        self.errors: list[str] = []
        self.hosts: set[str] = set()

    async def open(self, path: str = "/", **options: Any) -> Page:
        """Opens a page in a context of its own; ``options`` are those of Playwright's ``new_context``."""
        context = await self._browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self._stack.push_async_callback(context.close)
        page = await context.new_page()
        page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        await page.goto(self._app.url + path)
        return page


@pytest_asyncio.fixture(loop_scope="module")
async def watched(browser: Browser, served_app: ServedApp) -> AsyncIterator[Watched]:
    """Opens pages. At the end none may have reported an error, or asked another host for anything."""
    async with AsyncExitStack() as stack:
        pages = Watched(browser, served_app, stack)
        yield pages
    assert pages.errors == []
    assert pages.hosts - {""} == {urlsplit(served_app.url).netloc}


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Waits until an expression is true in a page; gives its value.

    Playwright's own ``wait_for_function`` needs ``unsafe-eval``, which the page's policy does not allow.
    """

    async def wait(page: Page, expression: str, timeout_s: float = 15) -> Any:
        async with asyncio.timeout(timeout_s):
            return await page.evaluate(
                f"""() => new Promise((done) => {{
                  const look = () => {{
                    const value = {expression};
                    if (value) done(value); else setTimeout(look, {LOOK_EVERY_S * 1000});
                  }};
                  look();
                }})"""
            )

    return wait
