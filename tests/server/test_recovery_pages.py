"""Pieces of histories: where they are cut, and who shares them."""

from stompede.messaging.message import Message
from stompede.server.recovery.pages import Items, Pages, first_piece
from stompede.store import Kept, Position
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version


def stretch(first: int, last: int, size: int = 10) -> Items:
    return [
        Kept(Position("e", offset), Message("/topic/a", str(offset).rjust(size).encode()))
        for offset in range(first, last + 1)
    ]


def pieces(items: Items) -> list[tuple[int, int]]:
    """First and last offset of each piece."""
    found, start = [], 0
    while start < len(items):
        end = first_piece(items, start)
        found.append((items[start].position.offset, items[end - 1].position.offset))
        start = end
    return found


def test_clients_that_left_off_at_different_places_share_all_but_the_first_piece() -> None:
    assert pieces(stretch(5, 200)) == [(5, 63), (64, 127), (128, 191), (192, 200)]
    assert pieces(stretch(70, 200)) == [(70, 127), (128, 191), (192, 200)]


def test_a_piece_is_bounded_in_bytes_and_has_one_message_at_least() -> None:
    assert pieces(stretch(64, 70, size=30_000)) == [(64, 65), (66, 67), (68, 69), (70, 70)]
    assert pieces(stretch(64, 66, size=100_000)) == [(64, 64), (65, 65), (66, 66)]


def test_a_piece_is_encoded_once_for_ids_of_one_length_and_joined_once_for_each_id() -> None:
    pages, items = Pages(), stretch(64, 70)
    for sid in ("1", "1", "2", "33"):
        data = pages.data("/topic/a", (WEBSOCKET, Version.V1_2, sid), items, 0, 7)
        assert data.count(f"subscription:{sid}\n".encode()) == 7
        assert data.count(b"recovered:true\n") == 7
    assert (pages.encoded, pages.shared) == (2, 2)


def test_what_is_kept_is_bounded() -> None:
    pages = Pages()
    for number in range(200):
        items = stretch(64 * number, 64 * number, size=100_000)
        pages.data("/topic/a", (WEBSOCKET, Version.V1_2, "1"), items, 0, 1)
    assert pages.kept_bytes <= 8 * 1024 * 1024
    pages.clear()
    assert pages.kept_bytes == 0
