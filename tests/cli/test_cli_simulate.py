"""``stompede simulate riders`` against a real node, as two processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stompede
from stompede import ConfigurationError
from stompede.apps.location import RidersMoved, WorkStatus
from stompede.cli._simulate import simulate

Run = Callable[..., subprocess.CompletedProcess[str]]

TRACE = """unix_s,taxi,lat,lon
1000,3,60.1700,24.9400
1001,3,60.1701,24.9401
1002,5,60.1710,24.9410
"""


@pytest.fixture(name="run")
def _run(request: pytest.FixtureRequest) -> Run:
    """The command, under a name that leaves the package its own."""
    found: Run = request.getfixturevalue("stompede")
    return found


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where a node in demo mode listens."""
    node = subprocess.Popen(
        [sys.executable, "-m", "stompede", "serve", "--demo", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "STOMPEDE_LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert node.stderr is not None
        for line in node.stderr:
            said = json.loads(line)
            if said["event"] == "serving":
                yield int(said["url"].rpartition(":")[2])
                break
    finally:
        node.terminate()
        node.communicate(timeout=30)


def test_riders_on_the_streets_get_through(run: Run, port: int) -> None:
    url = f"ws://127.0.0.1:{port}/stomp"
    done = run(
        "simulate", "riders", "--url", url, "--riders", "5", "--rate", "10/s", "--duration", "4s", "--json"
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["riders"], figures["riding"]) == (5, 0)
    assert figures["answered"] == figures["sent"] >= 10
    assert figures["latencyP99Ms"] > 0
    assert set(figures["errors"]) <= {"connection-failed"}


def test_traces_are_replayed_once_over_shared_connections(run: Run, port: int, tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(TRACE)
    url = f"ws://127.0.0.1:{port}/stomp"
    done = run(
        "simulate",
        "riders",
        "--url",
        url,
        "--traces",
        "trace.csv",
        "--once",
        "--speed",
        "10",
        "--connections",
        "1",
    )
    assert done.returncode == 0, done.stderr
    assert "5 sent, 5 answered" in done.stderr or "4 sent, 4 answered" in done.stderr


async def test_ctrl_c_ends_all_shifts(port: int, tmp_path: Path) -> None:
    url = f"ws://127.0.0.1:{port}/stomp"
    statuses: dict[int, WorkStatus] = {}
    async with stompede.connect(url) as looker, looker.subscribe("/topic/riders", RidersMoved) as batches:
        child = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "stompede", "simulate", "riders", "--url", url, "--riders", "3"],
            cwd=tmp_path,
            stderr=asyncio.subprocess.PIPE,
        )

        async def wait_until(status: WorkStatus) -> None:
            while [*statuses.values()] != [status] * 3:
                statuses.update(
                    {rider.rider_id: rider.work_status for rider in (await batches.next()).body.riders}
                )

        await wait_until(WorkStatus.WORKING)
        child.send_signal(signal.SIGINT)
        await wait_until(WorkStatus.DONE)
        _, said = await child.communicate()
        assert child.returncode == 0
        assert b"reconnects    0" in said


def test_nothing_got_through_is_an_exit_code_and_a_sentence(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/stomp"
        done = run("simulate", "riders", "--url", url, "--riders", "2", "--duration", "1s")
    assert done.returncode == 1
    assert f"stompede: no position got through to {url}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rate", "often"], "--rate often is none; write 1/s, 0.2/s or 12/min, 100/s at most"),
        (["--rate", "101"], "--rate 101 is none"),
        (["--duration", "soon"], "--duration soon is no time; write 90, 90s, 5m or 1h"),
        (["--traces", "empty.csv"], "empty.csv: no column for time in the header"),
        (
            ["--url", "http://localhost"],
            "'http://localhost' is no WebSocket URL; it starts with ws:// or wss://",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "empty.csv").write_text("")
    result = CliRunner().invoke(simulate, ["riders", *arguments])
    assert isinstance(result.exception, ConfigurationError)
    assert sentence in str(result.exception)
