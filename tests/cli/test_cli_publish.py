"""``stompede publish`` against a node in a process of its own."""

import asyncio
import time

import pytest

import stompede as library

SECRET = "0123456789-0123456789-0123456789-0123456789"
APP = "from stompede import Stompede\napp = Stompede()\n"


@pytest.fixture
def node(serve_node, tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(APP)
    monkeypatch.setenv("STOMPEDE_JWT_SECRET", SECRET)
    return serve_node("plain:app", STOMPEDE_JWT_SECRET=SECRET)


def token_of(name, *scopes):
    return library.TokenIssuer(SECRET).issue(name, scopes, 3600, time.time())


async def test_a_message_is_published_to_a_topic_and_to_a_member(node, stompede):
    shop = token_of("shop", "publish")

    async def run(*arguments):
        return await asyncio.to_thread(
            stompede, "publish", *arguments, "--url", node.url, STOMPEDE_TOKEN=shop
        )

    async with library.connect(node.stomp_url, token=token_of("cook")) as cook:
        async with (
            cook.subscribe("/topic/news", bytes) as news,
            cook.subscribe("/user/queue/offers", bytes) as offers,
        ):
            ran = await run("/topic/news", '{"text": "soup"}', "--header", "kind=menu")
            assert (ran.returncode, ran.stderr) == (0, "")
            assert ran.stdout == "published 1 message to /topic/news\n"
            message = await news.next()
            assert (message.body, message.headers["kind"]) == (b'{"text":"soup"}', "menu")
            await run("/topic/news", "soup is ready", "--content-type", "text/x-menu")
            message = await news.next()
            assert (message.body, message.headers["content-type"]) == (b"soup is ready", "text/x-menu")
            await run("/queue/offers", "7", "--user", "cook")
            assert (await offers.next()).body == b"7"


def test_what_is_refused_is_one_sentence_that_says_how_to_do_better(node, stompede):
    cases = [
        ((), "make one by `stompede token NAME --scope publish`", 1),
        (("--token", token_of("cook")), "the token needs the scope publish", 1),
        (("--token", token_of("shop", "publish"), "--user", "a", "--session", "b"), "name one of them", 1),
        (("--header", "kind"), "--header kind: write NAME=VALUE", 2),
    ]
    for options, sentence, status in cases:
        ran = stompede("publish", "/topic/a", "1", "--url", node.url, *options)
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (status, "", 1)
        assert sentence in ran.stderr
