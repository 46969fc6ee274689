"""A node as a process: it starts, says where, serves, and stops in order."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import httpx

import stompede

CHAT = """
from msgspec import Struct
from stompede import Stompede

class Say(Struct):
    text: str

app = Stompede()

@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: str, body: Say) -> Say:
    return body
"""


@asynccontextmanager
async def serving(*arguments, cwd, **environment):
    """A node on a free port: (process, port, lines of its log)."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "stompede", "serve", *arguments],
        cwd=cwd,
        env={**os.environ, "STOMPEDE_LOG_FORMAT": "json", **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    lines = []
    try:
        while True:
            line = await process.stderr.readline()
            assert line, f"the node ended: {lines}"
            lines.append(json.loads(line))
            if lines[-1]["event"].startswith("serving "):
                break
        yield process, int(lines[-1]["event"].rpartition(":")[2]), lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_an_application_is_served_and_stops_on_sigterm(tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    async with serving("chat:app", "--port", "0", cwd=tmp_path) as (process, port, _):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/health/ready")).status_code == 200
            assert (await http.get("/asyncapi.json")).json()["asyncapi"].startswith("3.")
        async with stompede.connect(f"ws://127.0.0.1:{port}/stomp", reconnect=None) as client:
            async with client.subscribe("/topic/rooms/1", dict) as messages:
                await client.send("/app/rooms/1/say", {"text": "soup"})
                assert (await messages.next()).body == {"text": "soup"}
                process.send_signal(signal.SIGTERM)
                await client.wait_closed()
        assert await process.wait() == 0


async def test_settings_of_the_command_line_reach_the_application(tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    (tmp_path / "node.toml").write_text('endpoints = ["/live"]\n')
    arguments = ["chat:app", "--port", "0", "--config", "node.toml", "--set", "max_body_bytes=10"]
    async with serving(*arguments, cwd=tmp_path) as (_, port, _):
        async with stompede.connect(f"ws://127.0.0.1:{port}/live", reconnect=None) as client:
            await client.send("/topic/x", "0123456789")
            await client.send("/topic/x", "0123456789 and more", receipt=False)
            await client.wait_closed()


async def test_a_port_that_is_taken_is_one_sentence(stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = await asyncio.to_thread(stompede, "serve", "chat:app", "--port", str(port))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"stompede: cannot listen at 127.0.0.1:{port}: ")
    assert "--port" in ran.stderr


async def test_a_certificate_that_is_not_there_is_one_sentence(stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    ran = await asyncio.to_thread(stompede, "serve", "chat:app", "--port", "0", "--certfile", "no.pem")
    assert ran.returncode == 2
    assert ran.stderr.startswith("stompede: ")
    assert "no.pem" in ran.stderr


async def test_demo_is_for_the_reference_services_only(stompede):
    ran = await asyncio.to_thread(stompede, "serve", "chat:app", "--demo")
    assert ran.returncode == 2
    assert ran.stderr == "stompede: --demo is for the reference services; serve chat:app without it\n"
