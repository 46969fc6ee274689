"""sockjs-client without STOMP, over each transport that Node.js can speak; its STOMP is among the clients."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from subprocesses import stompede_serve

PROJECT = Path(__file__).parent / "sockjs"


@pytest.fixture
def node_program() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    if not (PROJECT / "node_modules" / "sockjs-client").is_dir():
        pytest.skip(f"sockjs-client is not installed; run npm ci in {PROJECT}")
    return found


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with stompede_serve("stompede.testing.conformance:app") as (_, url):
        yield url


@pytest.mark.parametrize("transport", ["websocket", "xhr-streaming", "xhr-polling", "eventsource"])
def test_sockjs_client_hears_itself_and_is_closed_over_each_transport(
    node_program: str, url: str, transport: str
) -> None:
    outcome = subprocess.run(
        [node_program, "echo.mjs", url, transport],
        cwd=PROJECT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {"echo": True, "closed": [3000, "Go away!", True]}
