"""A node as a process: it starts, says where, serves, and stops in order."""

import asyncio
import socket
import ssl

import httpx
import pytest

import stompede
from certificates import self_signed
from stompede import SessionClosedError

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


@pytest.mark.timeout(60)
async def test_an_application_is_served_and_stops_on_sigterm(serve_node, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    node = serve_node("chat:app")
    async with httpx.AsyncClient(base_url=node.url) as http:
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get("/asyncapi.json")).json()["asyncapi"].startswith("3.")
    async with stompede.connect(node.stomp_url, reconnect=None) as client:
        async with client.subscribe("/topic/rooms/1", dict) as messages:
            await client.send("/app/rooms/1/say", {"text": "soup"})
            assert (await messages.next()).body == {"text": "soup"}
            stopped = asyncio.create_task(asyncio.to_thread(node.stop))
            await client.wait_closed()
            assert await stopped == 0
    assert [line["why"] for line in node.log if line["event"] == "session ended"] == ["service-restart"]


@pytest.mark.timeout(60)
async def test_settings_of_file_and_command_line_reach_the_application(serve_node, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    (tmp_path / "node.toml").write_text('endpoints = ["/live"]\n')
    node = serve_node("chat:app", "--config", "node.toml", "--set", "max_body_bytes=10")
    url = node.stomp_url.replace("/stomp", "/live")
    async with stompede.connect(url, reconnect=None) as client:
        await client.send("/topic/x", "0123456789")
        with pytest.raises(SessionClosedError, match=r"max_body_bytes|limit"):
            await client.send("/topic/x", "0123456789 and more")


@pytest.mark.timeout(60)
async def test_a_node_speaks_tls_by_a_certificate_file(serve_node, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    self_signed(tmp_path)
    node = serve_node("chat:app", "--certfile", "cert.pem", "--keyfile", "key.pem")
    assert node.url.startswith("https://")
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    url = node.stomp_url.replace("127.0.0.1", "localhost")
    async with stompede.connect(url, reconnect=None, ssl=trust) as client:
        await client.send("/topic/x", "hello")


async def test_a_port_that_is_taken_is_one_sentence(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = await asyncio.to_thread(run_stompede, "serve", "chat:app", "--port", str(port))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"stompede: cannot listen at 127.0.0.1:{port}: ")
    assert "--port" in ran.stderr


async def test_a_certificate_that_is_not_there_is_one_sentence(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    ran = await asyncio.to_thread(run_stompede, "serve", "chat:app", "--port", "0", "--certfile", "no.pem")
    assert ran.returncode == 2
    assert ran.stderr.startswith("stompede: ")
    assert "no.pem" in ran.stderr


@pytest.mark.parametrize("name", ["..x:app", "../x:app", ".x:app", "a..b:app", "-:app", "1x:app"])
async def test_a_name_that_no_module_can_have_is_one_sentence(run_stompede, name):
    ran = await asyncio.to_thread(run_stompede, "serve", "--port", "0", "--", name)
    assert ran.returncode == 2
    assert ran.stderr == f"stompede: '{name}' names no application; write module:app, for example chat:app\n"


async def test_demo_is_for_the_reference_services_only(run_stompede):
    ran = await asyncio.to_thread(run_stompede, "serve", "chat:app", "--demo")
    assert ran.returncode == 2
    assert ran.stderr == "stompede: --demo is for the reference services; serve chat:app without it\n"


@pytest.mark.timeout(60)
async def test_a_node_at_all_addresses_answers_with_the_one_it_was_asked_by_and_says_what_to_set(serve_node):
    node = serve_node("--demo", "--host", "0.0.0.0")
    port = node.url.rpartition(":")[2]
    [warned] = [line for line in node.log if "set public_url" in line["event"]]
    assert (warned["level"], warned["url"]) == ("warning", f"ws://0.0.0.0:{port}/stomp")
    here = f"ws://127.0.0.1:{port}/stomp"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/api/v1/rider/1")).json()["connect"] == here
        async with stompede.connect(here, reconnect=None) as client:
            began = {"riderId": 1, "workStatus": "INIT", "data": {"x": 24.94, "y": 60.17}}
            await client.request("/app/commute", began, dict)
            assert (await http.get("/api/v1/rider/1")).json() == {"riderId": 1, "url": here}


@pytest.mark.timeout(60)
async def test_a_public_url_is_what_everybody_is_told(serve_node):
    url = "wss://live.example.org/stomp"
    node = serve_node("--demo", "--host", "0.0.0.0", "--set", f"public_url={url}")
    assert not [line for line in node.log if line["level"] == "warning"]
    port = node.url.rpartition(":")[2]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/api/v1/rider/1")).json()["connect"] == url
