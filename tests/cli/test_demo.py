"""``stompede demo``: two processes that start together and end together."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

import stompede


@contextlib.contextmanager
def running(folder, *options, **environment):
    """A running demo with three riders, once it has said what to try."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stompede", "demo", "--riders", "3", *options],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield process
    finally:
        for child in [*psutil.Process(process.pid).children(), process] if process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                os.kill(child.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def demo(tmp_path, free_port):
    """(process, port) of a running demo."""
    with running(tmp_path, "--port", str(free_port)) as process:
        yield process, free_port


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_riders_move_until_a_signal_ends_both(demo, number):
    process, port = demo
    url = f"ws://127.0.0.1:{port}/stomp"
    assert await all_three_riders_move(url)
    async with stompede.connect(url, reconnect=None) as client:
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        process.send_signal(number)
        await client.wait_closed()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "positions" in said  # the summary of the simulation
    assert [child.pid for child in children if child.is_running()] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dies", ["node", "riders"])
async def test_a_process_that_dies_is_named_and_the_other_one_ends_at_once(demo, dies):
    process, port = demo
    assert await all_three_riders_move(f"ws://127.0.0.1:{port}/stomp")
    children = psutil.Process(process.pid).children()
    [victim] = [child for child in children if ("serve" in child.cmdline()) == (dies == "node")]
    began = time.monotonic()
    victim.kill()
    said, _ = process.communicate(timeout=30)
    assert time.monotonic() - began < 8  # a second, and what a loaded machine needs; riders alone take ten
    assert process.returncode == 1
    assert f"stompede: the {dies} ended by signal 9 (SIGKILL); the demo ends with it" in said
    assert [child.pid for child in children if child.is_running()] == []


@pytest.mark.timeout(60)
def test_another_node_on_the_port_is_not_taken_for_the_own_one(run_stompede, serve_node):
    port = serve_node("--demo").url.rpartition(":")[2]
    ran = run_stompede("demo", "--port", port)
    assert ran.returncode == 2
    assert "http://localhost" not in ran.stdout
    assert f"cannot listen at 127.0.0.1:{port}" in ran.stderr


async def all_three_riders_move(url):
    """Whether the riders report there."""
    async with stompede.connect(url, reconnect=None) as client:
        async with client.subscribe("/topic/riders", dict) as moved:
            seen = set()
            while len(seen) < 3:
                seen |= {rider["riderId"] for rider in (await moved.next()).body["riders"]}
    return seen == {1, 2, 3}


@pytest.mark.timeout(60)
async def test_settings_say_where_the_demo_listens_and_riders_report(tmp_path, free_port):
    settings = {"STOMPEDE_HOST": "0.0.0.0", "STOMPEDE_PORT": str(free_port), "STOMPEDE_ENDPOINTS": "/live"}
    with running(tmp_path, **settings):
        assert await all_three_riders_move(f"ws://127.0.0.1:{free_port}/live")


@pytest.mark.timeout(60)
async def test_the_settings_file_says_it_too_and_an_option_says_it_better(tmp_path, free_port):
    (tmp_path / "node.toml").write_text('port = 1\nendpoints = ["/live"]\n')
    with running(tmp_path, "--port", str(free_port), STOMPEDE_CONFIG="node.toml"):
        assert await all_three_riders_move(f"ws://127.0.0.1:{free_port}/live")


def test_a_certificate_is_refused_with_what_to_do_instead(run_stompede):
    ran = run_stompede("demo", STOMPEDE_CERTFILE="cert.pem")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "stompede: STOMPEDE_CERTFILE: the demo speaks no TLS; leave the certificate out, or run "
        "`stompede serve --demo` and `stompede simulate riders --url wss://...`\n"
    )


@pytest.mark.timeout(60)
async def test_the_demo_listens_at_an_ipv6_address(tmp_path, free_port):
    with running(tmp_path, "--host", "::1", "--port", str(free_port)):
        assert await all_three_riders_move(f"ws://[::1]:{free_port}/stomp")
