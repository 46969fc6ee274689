"""``stompede sessions`` against a node in a process of its own."""

import asyncio
import json
import time

import pytest

import stompede as library
from redisserving import running_redis

SECRET = "0123456789-0123456789-0123456789-0123456789"
APP = "from stompede import Stompede\napp = Stompede()\n"


@pytest.fixture
def redis():
    with running_redis() as server:
        yield server


@pytest.fixture
def node(serve_node, tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(APP)
    monkeypatch.setenv("STOMPEDE_JWT_SECRET", SECRET)
    return serve_node("plain:app", STOMPEDE_JWT_SECRET=SECRET)


def token_of(name, *scopes):
    return library.TokenIssuer(SECRET).issue(name, scopes, 3600, time.time())


async def test_an_operator_sees_and_closes_sessions(node, stompede):
    async def run(*arguments):
        # In a thread: the clients of this test go on beating.
        return await asyncio.to_thread(stompede, "sessions", *arguments, STOMPEDE_TOKEN=admin)

    admin, cook = stompede("token", "ops", "--scope", "admin").stdout.strip(), token_of("cook")
    async with (
        library.connect(node.stomp_url, token=cook, reconnect=None) as one,
        library.connect(node.stomp_url, token=cook, reconnect=None) as two,
        library.connect(node.stomp_url, reconnect=None) as guest,
    ):
        ran = await run("list", "--url", node.url)
        assert (ran.returncode, ran.stderr) == (0, "")
        for client in (one, two, guest):
            (line,) = [line for line in ran.stdout.splitlines() if client.session_id in line]
            assert "127.0.0.1" in line
            assert ("cook" if client is not guest else "guest") in line
        narrow = await asyncio.to_thread(
            stompede,
            "sessions",
            "list",
            "--url",
            node.url,
            "--limit",
            "1",
            STOMPEDE_TOKEN=admin,
            COLUMNS="20",
        )
        page = narrow.stdout
        first = min(one.session_id, two.session_id, guest.session_id)
        assert f"there are more: --after {first}" in page
        assert page.count(first) == 2, "an id is never cut off"
        rest = await run("list", "--json", "--url", node.url, "--after", first)
        assert len(json.loads(rest.stdout)["sessions"]) == 2
        ran = await run("close", one.session_id, "--url", f"{node.url}/", "--token", admin)
        assert (ran.returncode, ran.stdout) == (0, f"closed {one.session_id}\n")
        ran = await run("close-user", "cook", "--url", node.url)
        assert ran.stdout == "closed 1 session of cook\n"
        left = await run("list", "--json", "--url", node.url)
        assert [entry["id"] for entry in json.loads(left.stdout)["sessions"]] == [guest.session_id]


async def test_an_operator_of_one_node_sees_and_closes_a_members_sessions_on_all(
    redis, serve_node, stompede, tmp_path
):
    (tmp_path / "plain.py").write_text(APP)
    shared = {"STOMPEDE_JWT_SECRET": SECRET, "STOMPEDE_BUS": redis.url}
    here, there = serve_node("plain:app", **shared), serve_node("plain:app", **shared)
    admin, cook = token_of("ops", "admin"), token_of("cook")

    async def run(*arguments):
        return await asyncio.to_thread(
            stompede, "sessions", *arguments, "--url", here.url, STOMPEDE_TOKEN=admin
        )

    async with (
        library.connect(here.stomp_url, token=cook, reconnect=None) as one,
        library.connect(there.stomp_url, token=cook, reconnect=None) as two,
        library.connect(there.stomp_url, token=cook, reconnect=None) as three,
    ):
        async with asyncio.timeout(30):
            while (ran := await run("list", "--user", "cook")).stdout.count("cook") < 3:
                pass
        lines = {line.split()[0]: line for line in ran.stdout.splitlines()}
        assert "127.0.0.1" in lines[one.session_id]
        assert "127.0.0.1" not in lines[two.session_id], "only its node knows"
        nodes = {lines[client.session_id].split()[-1] for client in (one, two, three)}
        assert len(nodes) == 2
        ran = await run("close", two.session_id)
        assert (ran.returncode, ran.stdout) == (0, f"its node was told to close {two.session_id}\n")
        await two.wait_closed()
        ran = await run("close-user", "cook")
        assert ran.stdout.startswith("closed 1 session of cook; other nodes were told to close ")
        await one.wait_closed()
        await three.wait_closed()


def test_what_a_node_refuses_is_one_sentence_that_says_how_to_do_better(node, stompede):
    cases = [
        ((), "scope admin (token-missing); make one by `stompede token NAME --scope admin`"),
        (("--token", "nonsense"), "(token-invalid); make one by"),
        (("--token", token_of("cook")), "only operators may do this"),
    ]
    for options, sentence in cases:
        ran = stompede("sessions", "list", "--url", node.url, *options)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith(f"stompede: {node.url}: ")
        assert ran.stderr.count("\n") == 1
        assert sentence in ran.stderr
    ran = stompede("sessions", "close", "nobody", "--url", node.url, STOMPEDE_TOKEN=token_of("ops", "admin"))
    assert (ran.returncode, ran.stderr) == (
        1,
        f"stompede: {node.url}: this node has no session nobody (not-found)\n",
    )


def test_where_no_node_answers_it_says_so(stompede, free_port, serve_node, tmp_path):
    url = f"http://127.0.0.1:{free_port}"
    ran = stompede("sessions", "list", "--url", url)
    said = f"stompede: {url}: connection refused; does a node run there? Name another by --url\n"
    assert (ran.returncode, ran.stderr) == (1, said)
    for wrong in ("localhost:8080", "ws://localhost:8080/stomp", "http://"):
        ran = stompede("sessions", "list", "--url", wrong)
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
        assert "write http://localhost:8080" in ran.stderr
    (tmp_path / "plain.py").write_text(APP)
    node = serve_node("plain:app")
    ran = stompede("sessions", "list", "--url", f"{node.url}/somewhere")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "HTTP 404, and not in the words of a node" in ran.stderr
