"""The conformance vectors, against ``stompede serve stompede.testing.conformance:app``, over WebSocket and over TCP.

All are played side by side, once for each; each test then looks at its own. Every MUST and SHOULD must hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from vector_player import VECTORS, Player

from subprocesses import stompede_serve

REQUIRED = [name for name, vector in VECTORS.items() if vector["level"] != "CHOICE"]
CHOICES = [name for name, vector in VECTORS.items() if vector["level"] == "CHOICE"]
AT_ONCE = 32


async def play_all(url: str) -> dict[str, list[str]]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def play(name: str) -> list[str]:
        async with turns:
            try:
                return await Player(VECTORS[name], url).play()
            except Exception as error:
                return [repr(error)]

    names = [*REQUIRED, *CHOICES]
    return dict(zip(names, await asyncio.gather(*map(play, names)), strict=True))


@pytest.fixture(scope="module", params=["/stomp", "/ws", "tcp"])
def complaints(request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    with stompede_serve("stompede.testing.conformance:app", "--tcp-port", "0") as (process, url):
        base = url.replace("http", "ws")
        tcp = process.wait_log(r'"tcp": "(stomp://[^"]+)"')[1]
        yield asyncio.run(play_all(tcp if request.param == "tcp" else base + request.param))
        process.terminate()
        assert process.wait() == 0
        assert "Traceback" not in process.log, process.log
        assert "session failed" not in process.log, process.log


@pytest.mark.parametrize("name", REQUIRED)
def test_vector(name: str, complaints: dict[str, list[str]]) -> None:
    vector = VECTORS[name]
    assert not complaints[name], f"{vector['level']}: {vector['expected']} ({vector['source']})"


@pytest.mark.parametrize("name", CHOICES)
def test_where_the_specification_leaves_a_choice_nothing_breaks(
    name: str, complaints: dict[str, list[str]]
) -> None:
    assert not complaints[name]


def test_the_vectors_are_all_of_them() -> None:
    assert len(REQUIRED) + len(CHOICES) == len(VECTORS) == 95
