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
def node(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A node in demo mode."""
    started = subprocess.Popen(
        [sys.executable, "-m", "stompede", "serve", "--demo", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "STOMPEDE_LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=30)


@pytest.fixture
def port(node: subprocess.Popen[str]) -> int:
    """Where the node listens."""
    assert node.stderr is not None
    events = (json.loads(line) for line in node.stderr)
    return next(int(said["url"].rpartition(":")[2]) for said in events if said["event"] == "serving")


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


async def test_ctrl_c_ends_with_the_summary_while_the_node_is_away(
    node: subprocess.Popen[str], port: int
) -> None:
    url = f"ws://127.0.0.1:{port}/stomp"
    async with stompede.connect(url, reconnect=None) as looker:
        async with looker.subscribe("/topic/riders", RidersMoved) as batches:
            child = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "stompede", "simulate", "riders", "--url", url, "--riders", "3"],
                stderr=asyncio.subprocess.PIPE,
            )
            await batches.next()
            node.kill()
        await looker.wait_closed()
    child.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        _, said = await child.communicate()
    assert b"positions" in said
    assert b"Traceback" not in said


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
        (
            ["--once"],
            "--once means nothing here: rides on the streets have no end; give --traces, or --duration",
        ),
        *(
            (
                ["--traces", "empty.csv", *given],
                f"{given[0]} means nothing here: traces have their own times and ids",
            )
            for given in (["--rate", "1/s"], ["--seed", "1"], ["--first-id", "1"])
        ),
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
