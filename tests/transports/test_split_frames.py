import pytest

from stompede.transports.asgi import split_frames
from stompede.transports.websocket import WEBSOCKET


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
@pytest.mark.parametrize("text", [True, False])
def test_one_frame_of_every_length_form(length: int, text: bool) -> None:
    payload = b"x" * length
    assert list(split_frames(WEBSOCKET.header(length, text) + payload)) == [(text, payload)]


def test_several_frames_in_order() -> None:
    parts = [(True, b"one"), (False, b"\xff" * 200), (True, b""), (True, b"z" * 70_000), (False, b"end")]
    joined = b"".join(WEBSOCKET.header(len(payload), text) + payload for text, payload in parts)
    assert list(split_frames(joined)) == parts


def test_nothing_gives_nothing() -> None:
    assert list(split_frames(b"")) == []
