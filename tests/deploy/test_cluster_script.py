"""`make cluster`: it starts, answers, outlives a node, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import urllib.request
from pathlib import Path

import psutil
import pytest

import stompede
from balancing import ROOT, is_ready, until
from subprocesses import running


@pytest.mark.proof
async def test_it_serves_three_nodes_behind_one_address_and_ends_with_all_of_them() -> None:
    if shutil.which("haproxy") is None or shutil.which("redis-server") is None:
        pytest.skip("needs haproxy and redis-server: `make services`")
    with running([str(ROOT / "scripts" / "cluster.py"), "--port", "0"]) as cluster:
        try:
            url = cluster.wait_log(r"(http://localhost:\d+)/ +HAProxy")[1]
            token = read(cluster.wait_log(r"cat (\S+/token)\)")[1])
            nodes = [int(pid) for pid in re.findall(r"node \d, process (\d+)", cluster.log)]
            children = psutil.Process(cluster.pid).children(recursive=True)
            assert len(nodes) == 3
            await until(lambda: known(url, token) == 3)

            os.kill(nodes[0], signal.SIGKILL)
            cluster.wait_log("node1 has ended")
            async with stompede.connect(url.replace("http", "ws") + "/stomp") as client:
                async with client.subscribe("/topic/news", int) as news:
                    await client.send("/topic/news", 1)
                    assert (await news.next()).body == 1
        finally:
            # Killed, it could not end what it started.
            cluster.process.send_signal(signal.SIGINT)
            status = cluster.wait()
        assert status == 0
        assert psutil.wait_procs(children, timeout=5)[1] == []
        assert not is_ready(url)


def read(path: str) -> str:
    return Path(path).read_text("utf-8")


def known(url: str, token: str) -> int:
    """How many nodes a node knows of."""
    request = urllib.request.Request(f"{url}/api/v1/nodes", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return len(json.load(answer)["nodes"])
