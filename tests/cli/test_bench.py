"""``stompede bench`` against a node in a process of its own."""

import asyncio
import json

import pytest

CHAT = """
from stompede import Stompede

app = Stompede()
closed = Stompede()


@closed.guard("/topic/{name}", on="subscribe")
def listeners_only() -> bool:
    return True
"""


@pytest.mark.timeout(60)
async def test_every_client_counts_everything(run_stompede, serve_node, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    node = serve_node("chat:app")
    options = ["--subscribers", "5", "--window", "3", "--seconds", "0.3", "--json"]
    ran = await asyncio.to_thread(run_stompede, "bench", node.stomp_url, *options)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["published"] > 3
    assert report["received"] == report["expected"] == 5 * report["published"]
    assert report["outOfOrder"] == 0
    assert 0 < report["p50Ms"] <= report["p99Ms"] <= report["maxMs"]


@pytest.mark.timeout(60)
async def test_a_topic_that_nobody_may_publish_to_is_one_sentence(run_stompede, serve_node, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    node = serve_node("chat:closed")
    options = ["--subscribers", "2", "--seconds", "0.2"]
    ran = await asyncio.to_thread(run_stompede, "bench", node.stomp_url, *options)
    assert ran.returncode == 2
    assert "/topic/bench" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.timeout(60)
def test_a_node_that_is_not_there_is_one_sentence(run_stompede, free_port):
    ran = run_stompede("bench", f"ws://127.0.0.1:{free_port}/stomp", "--subscribers", "2")
    assert ran.returncode in {1, 2}
    assert str(free_port) in ran.stderr
    assert "Traceback" not in ran.stderr
