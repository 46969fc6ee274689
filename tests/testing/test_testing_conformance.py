"""The application for suites that others wrote, as it is served."""

from collections.abc import Callable
from typing import Any

import pytest

import stompede
from stompede import Settings
from stompede.testing.conformance import settings_for_suites


async def test_bodies_of_a_megabyte_come_back_without_further_settings(
    serve_node: Callable[..., Any],
) -> None:
    node = serve_node("stompede.testing.conformance:app")
    url = node.url.replace("http", "ws") + "/ws"
    async with stompede.connect(url) as client, client.subscribe("/topic/large") as messages:
        for _ in range(3):
            await client.send("/topic/large", bytes(1_000_000))
        assert [len((await messages.next(timeout_s=10)).body) for _ in range(3)] == [1_000_000] * 3


def test_what_is_said_from_outside_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settings_for_suites()
    monkeypatch.setenv("STOMPEDE_MAX_BODY_BYTES", "1000")
    monkeypatch.setenv("STOMPEDE_ENDPOINTS", "/elsewhere")
    told = settings_for_suites()
    assert (told.max_body_bytes, told.endpoints) == (1000, ("/elsewhere",))
    assert told.outbound_bytes == usual.outbound_bytes > Settings().outbound_bytes
