from stompede.transports.lapses import Lapses
from stompede.transports.sockjs.framing import SockJsFraming


def message(framing: SockJsFraming, payload: bytes, text: bool = True) -> bytes:
    return framing.header(len(payload), text) + payload


def test_what_a_cohort_writes_is_quoted_once() -> None:
    framing = SockJsFraming()
    data = message(framing, "안녕".encode()) + message(framing, b'"')
    first, all_text = framing.quoted(data)
    assert (first.decode(), all_text) == ('"안녕","\\""', True)
    assert framing.quoted(data)[0] is first
    framing.quoted(message(framing, b"x"))
    assert framing.quoted(data)[0] == first


def test_what_is_not_text_is_left_out_with_what_follows_it_and_told() -> None:
    framing = SockJsFraming()
    data = message(framing, b"a") + message(framing, b"\xff", text=False) + message(framing, b"b")
    assert framing.quoted(data) == (b'"a"', False)
    assert framing.quoted(message(framing, b"\xff", text=False)) == (b"", False)


def test_delays_run_out_in_order_and_start_anew() -> None:
    lapses: Lapses[str] = Lapses(5)
    for now, key in enumerate("abc"):
        lapses.start(key, now)
    lapses.start("a", 3)
    lapses.stop("b")
    lapses.stop("nobody")
    assert len(lapses) == 2
    assert lapses.take_due(6.9) == []
    assert lapses.take_due(7) == ["c"]
    assert lapses.take_due(100) == ["a"]
    assert lapses.take_due(100) == []
