"""``stompede demo``: two processes that start together and end together."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest

import stompede


@pytest.fixture
def demo(tmp_path, free_port):
    """A running demo with three riders: (process, port), once it has said what to try."""
    command = [sys.executable, "-m", "stompede", "demo", "--riders", "3", "--port", str(free_port)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield process, free_port
    finally:
        for child in [*psutil.Process(process.pid).children(), process] if process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                os.kill(child.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_riders_move_until_a_signal_ends_both(demo, number):
    process, port = demo
    async with stompede.connect(f"ws://127.0.0.1:{port}/stomp", reconnect=None) as client:
        async with client.subscribe("/topic/riders", dict) as moved:
            seen = set()
            while len(seen) < 3:
                seen |= {rider["riderId"] for rider in (await moved.next()).body["riders"]}
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        process.send_signal(number)
        await client.wait_closed()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "positions" in said  # the summary of the simulation
    assert [child.pid for child in children if child.is_running()] == []


@pytest.mark.timeout(60)
def test_another_node_on_the_port_is_not_taken_for_the_own_one(run_stompede, serve_node):
    port = serve_node("--demo").url.rpartition(":")[2]
    ran = run_stompede("demo", "--port", port)
    assert ran.returncode == 2
    assert "http://localhost" not in ran.stdout
    assert f"cannot listen at 127.0.0.1:{port}" in ran.stderr
