import asyncio

import pytest

from stompede.client.frames import InFlight, Outgoing, Recent, SendQueue, check_headers, encode_send
from stompede.errors import LimitError, LocalProtocolError


def send(destination: str = "/topic/a", body: bytes = b"x", **kwargs: str) -> Outgoing:
    return Outgoing("SEND", {"destination": destination}, body, **kwargs)  # type: ignore[arg-type]


def test_the_queue_keeps_the_order_and_counts_its_bytes() -> None:
    queue = SendQueue(10, 10_000)
    frames = [send(body=b"a"), send(body=b"bb")]
    for frame in frames:
        assert queue.full_for(frame) is None
        queue.append(frame)
    assert (len(queue), queue.bytes) == (2, sum(frame.size for frame in frames))
    assert [queue.pop(), queue.pop(), queue.pop()] == [*frames, None]
    assert queue.bytes == 0


def test_the_queue_names_the_bound_that_is_reached() -> None:
    queue = SendQueue(1, 500)
    queue.append(send())
    full = queue.full_for(send())
    assert isinstance(full, LimitError)
    assert (full.limit, full.allowed, full.actual) == ("max_queued_sends", 1, 2)
    big = SendQueue(10, 500).full_for(send(body=bytes(500)))
    assert big is not None
    assert big.limit == "max_queued_bytes"


def test_frames_that_the_server_refused_to_look_at_go_before_all_others() -> None:
    queue = SendQueue(10, 10_000)
    late, first, second = send(), send(), send()
    queue.append(late)
    queue.put_back([first, second])
    assert [queue.pop(), queue.pop(), queue.pop()] == [first, second, late]
    assert queue.bytes == 0


async def test_the_queue_skips_frames_that_nobody_waits_for_any_more() -> None:
    queue = SendQueue(10, 10_000)
    gone, wanted = send(), send()
    gone.outcome = asyncio.get_running_loop().create_future()
    queue.append(gone)
    queue.append(wanted)
    gone.outcome.cancel()
    assert queue.pop() is wanted
    assert queue.bytes == 0


def test_a_discarded_frame_gives_its_room_back() -> None:
    queue = SendQueue(10, 10_000)
    frame = send()
    queue.append(frame)
    queue.discard(frame)
    queue.discard(frame)
    assert (len(queue), queue.bytes) == (0, 0)


def test_a_frame_in_flight_is_found_by_its_receipt_or_its_request_code_once() -> None:
    table = InFlight()
    receipted, asked = send(receipt="1"), send(code="2")
    table.add(receipted)
    table.add(asked)
    assert table.take("1", None) is receipted
    assert table.take("1", None) is None
    assert table.take(None, "2") is asked
    assert table.take("2", "1") is None
    assert len(table) == 0


def test_frames_in_flight_end_in_the_order_of_sending() -> None:
    table = InFlight()
    frames = [send(receipt="1"), send(code="2"), send(receipt="3")]
    for number, frame in enumerate(frames):
        frame.number = number
        table.add(frame)
    assert table.clear() == frames
    assert len(table) == 0


def test_the_last_frames_to_a_destination_are_those_an_expired_token_stopped() -> None:
    recent = Recent()
    frames = [send("/a"), send("/b"), send("/a"), send("/a")]
    for frame in frames:
        recent.add(frame)
    assert recent.last({"/a": 2, "/c": 1}) == frames[2:]
    assert recent.last({"/a": 9, "/b": 1}) == frames


def test_a_frame_is_sent_again_only_once() -> None:
    recent = Recent()
    old, new = send(), send()
    old.renewed = True
    recent.add(old)
    recent.add(new)
    assert recent.last({"/topic/a": 2}) == [new]


def test_recent_frames_are_bounded_in_count_and_bytes() -> None:
    recent = Recent(max_count=2, max_bytes=100)
    frames = [send(body=bytes(40)) for _ in range(3)]
    for frame in frames:
        recent.add(frame)
    assert recent.last({"/topic/a": 9}) == frames[1:]
    large = send(body=bytes(90))
    recent.add(large)
    assert recent.last({"/topic/a": 9}) == [large]


def test_a_send_carries_what_its_body_was_encoded_to() -> None:
    headers, body = encode_send("/app/x", {"a": 1}, {"lang": "fi"}, None)
    assert body == b'{"a":1}'
    assert headers["content-type"].startswith("application/json")
    assert headers["lang"] == "fi"
    headers, body = encode_send("/app/x", b"<a/>", {}, "text/xml")
    assert (headers["content-type"], body) == ("text/xml", b"<a/>")


def test_headers_that_the_client_writes_itself_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="receipt"):
        check_headers("/topic/a", {"receipt": "1"})


def test_mistakes_in_destinations_and_headers_are_found_at_once() -> None:
    with pytest.raises(LocalProtocolError, match="destination"):
        encode_send("", b"", {}, None)
    with pytest.raises(LocalProtocolError, match="must be strings"):
        check_headers("/topic/a", {"count": 1})  # type: ignore[dict-item]


def test_what_is_no_unicode_is_refused_before_it_is_queued() -> None:
    for destination, headers in (
        ("/topic/\ud800", {}),
        ("/topic/a", {"x": "\ud800"}),
        ("/topic/a", {"\ud800": "x"}),
    ):
        with pytest.raises(LocalProtocolError, match="cannot be written as UTF-8"):
            encode_send(destination, b"", headers, None)


def test_a_request_in_flight_is_found_by_either_name_and_counts_once() -> None:
    for names in (("1", None), (None, "2"), ("1", "2"), ("9", "2")):
        table = InFlight()
        frame = send(receipt="1", code="2")
        table.add(frame)
        assert len(table) == 1
        assert table.take(*names) is frame
        assert (len(table), table.take("1", "2"), table.clear()) == (0, None, [])
