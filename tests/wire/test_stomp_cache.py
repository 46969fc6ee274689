import pytest
from wire_support import event, server

from stompede.errors import ConfigurationError
from stompede.wire.stomp import HeadCache, Limits, Send, ServerSession, Subscribe, Version, Violation


def send(session: ServerSession, *lines: str, body: bytes = b"x") -> Send:
    found = event(
        session, "\n".join(("SEND", "destination:/app/a", *lines)).encode() + b"\n\n" + body + b"\0"
    )
    assert isinstance(found, Send), found
    return found


def kept(cache: HeadCache) -> int:
    """How many heads are kept, but for CONNECT."""
    connects = len(cache._young[None]) + len(cache._old[None])
    return cache.statistics().entries - connects


def test_a_head_is_kept_when_it_comes_the_second_time():
    cache = HeadCache()
    assert send(server(cache=cache)).head is not send(server(cache=cache)).head
    assert kept(cache) == 1
    third = send(server(cache=cache)).head
    hits = cache.statistics().hits
    session = server(cache=cache)
    assert third is send(session).head
    assert cache.statistics().hits == hits + 2  # CONNECT and SEND


def test_a_session_remembers_its_own_last_head_at_once():
    session = server()
    assert send(session).head is send(session).head


def test_memo_is_shared_as_the_head_is():
    cache = HeadCache()
    for _ in range(3):
        head = send(server(cache=cache)).head
    head.memo = "route"
    assert send(server(cache=cache)).head.memo == "route"


def test_versions_do_not_share_heads():
    cache = HeadCache()
    for _ in range(3):
        assert send(server(Version.V1_2, cache=cache), "k:\\\\").head.headers["k"] == "\\"
        assert send(server(Version.V1_1, cache=cache), "k:\\\\").head.headers["k"] == "\\"
        assert send(server(Version.V1_0, cache=cache), "k:\\\\").head.headers["k"] == "\\\\"
    assert kept(cache) == 3


def test_what_never_repeats_is_never_kept():
    cache = HeadCache(64)
    session = server(cache=cache)
    for number in range(10_000):
        send(session, f"nonce:{number}")
    assert kept(cache) == 0
    assert cache.statistics().rotations == 0


def test_what_never_repeats_does_not_drive_out_what_does():
    cache = HeadCache(64)
    sessions = [server(cache=cache) for _ in range(8)]
    for session in sessions * 2:
        send(session, "steady:1")
    steady = send(sessions[-1], "steady:1").head
    for number in range(2000):
        for session in sessions:
            send(session, f"nonce:{number}-{id(session)}")
        assert send(sessions[number % 8], "steady:1").head is steady


def test_entries_are_bounded_and_those_in_use_stay():
    cache = HeadCache(64)
    session = server(cache=cache)
    steady = [f"steady:{number}" for number in range(10)]
    for round_ in range(100):
        for line in steady * 2:
            send(session, line)
        for number in range(10):
            send(session, f"passing:{round_}-{number}")
            send(session, f"other:{round_}-{number}")
            send(session, f"passing:{round_}-{number}")
        assert cache.statistics().entries <= 64
    statistics = cache.statistics()
    assert statistics.rotations > 5
    before = statistics.misses
    for line in steady * 10:
        send(session, line)
    assert cache.statistics().misses == before


def test_long_heads_are_not_kept():
    cache = HeadCache(max_head_bytes=100)
    for _ in range(3):
        send(server(cache=cache), "k:" + "x" * 100)
    assert kept(cache) == 0


def test_secrets_of_connect_are_not_kept():
    cache = HeadCache()
    for _ in range(3):
        event(server(None, cache=cache), b"CONNECT\naccept-version:1.2\nlogin:a\npasscode:b\n\n\0")
    assert cache.statistics().entries == 0
    for _ in range(3):
        event(server(None, cache=cache), b"CONNECT\naccept-version:1.2\nhost:/\n\n\0")
    assert cache.statistics().entries == 1


def test_frames_that_are_refused_leave_nothing():
    cache = HeadCache()
    for _ in range(3):
        assert isinstance(event(server(cache=cache), b"SEND\nno:destination\n\n\0"), Violation)
    assert [head for version in (None, *Version) for head in cache.heads(version) if b"no:" in head] == []


def test_a_known_head_of_another_state_is_refused():
    cache = HeadCache()
    for _ in range(3):
        send(server(cache=cache))
    found = event(server(None, cache=cache), b"SEND\ndestination:/app/a\n\nx\0")
    assert isinstance(found, Violation)


def test_subscribe_is_kept_too():
    cache = HeadCache()
    found = [
        event(server(cache=cache), b"SUBSCRIBE\nid:0\ndestination:/a\nreceipt:r\n\n\0") for _ in range(4)
    ]
    assert all(isinstance(each, Subscribe) for each in found)
    assert found[2].head is found[3].head  # type: ignore[union-attr]


def test_sessions_that_share_a_cache_share_their_limits():
    cache = HeadCache()
    server(cache=cache)
    server(cache=cache, limits=Limits())
    with pytest.raises(ConfigurationError, match="must have the same limits"):
        server(cache=cache, limits=Limits(max_headers=3))


# Receipts and request codes, which are another on every frame.


def test_a_head_is_found_without_its_receipt_and_request_code():
    cache = HeadCache()
    session = server(cache=cache)
    for number in range(100):
        head = send(session, f"receipt:r{number}", "k:v", f"client-request-code:c{number}").head
        assert (head.receipt, head.client_request_code) == (f"r{number}", f"c{number}")
        assert head.headers == {
            "destination": "/app/a",
            "receipt": f"r{number}",
            "k": "v",
            "client-request-code": f"c{number}",
        }
        assert head.forwarded == {"k": "v", "client-request-code": f"c{number}"}
    assert kept(cache) == 1
    assert cache.statistics().misses == 3  # CONNECT and the first two


@pytest.mark.parametrize(
    "lines", [["receipt:1"], ["client-request-code:1"], ["receipt:1", "client-request-code:1"], ["receipt:"]]
)
@pytest.mark.parametrize("more", [[], ["k:v"], ["receipt:2"], ["client-request-code:2", "receipt:2"]])
@pytest.mark.parametrize("version", list(Version))
def test_a_head_that_is_put_together_is_the_one_that_is_parsed(
    lines: list[str], more: list[str], version: Version
):
    cache = HeadCache()
    session = server(version, cache=cache)
    first = send(session, *lines, *more).head
    for number in range(2):
        send(session, *lines, *more)
        send(session, f"other:{number}")  # so that the session does not remember
    again = send(session, *lines, *more).head
    assert again is not first
    for name in first.__struct_fields__:
        if name != "variant":
            assert getattr(again, name) == getattr(first, name), name


def test_memo_reaches_later_heads_that_differ_in_the_request_code():
    session = server()
    for number in range(4):
        head = send(session, f"client-request-code:{number}").head
    assert head.memo is None
    head.memo = "route"
    for number in range(4, 8):
        assert send(session, f"client-request-code:{number}").head.memo == "route"


@pytest.mark.parametrize(
    ("version", "written", "meant"),
    [
        (Version.V1_2, "a\\cb", "a:b"),
        (Version.V1_2, "a\r", "a"),
        (Version.V1_1, "a\r", "a\r"),
        (Version.V1_1, "a\\nb", "a\nb"),
        (Version.V1_0, " a\\nb ", "a\\nb"),
        (Version.V1_2, " a ", " a "),
    ],
)
def test_a_receipt_that_is_put_back_is_read_as_the_version_wants(version: Version, written: str, meant: str):
    session = server(version)
    for _ in range(4):
        assert send(session, f"receipt:{written}").head.receipt == meant
        send(session, "other:1")


@pytest.mark.parametrize("receipt", [b"a\\tb", b"\xff", b"a\0b"])
def test_a_receipt_that_cannot_be_read_is_refused_though_the_rest_is_known(receipt: bytes):
    cache = HeadCache()
    session = server(cache=cache)
    for number in range(3):
        send(session, f"receipt:{number}")
    assert isinstance(event(session, b"SEND\ndestination:/app/a\nreceipt:" + receipt + b"\n\nx\0"), Violation)


def test_limits_hold_for_heads_that_are_put_together():
    limits = Limits(max_headers=3, max_header_line_bytes=40, max_header_block_bytes=60)
    for lines in (
        ["receipt:" + "x" * 33],
        ["receipt:1", "a:b", "c:d"],
        ["client-request-code:1", "receipt:" + "x" * 15],
    ):
        session = server(limits=limits)
        for number in range(4):
            send(session, f"receipt:{number}")
            send(session, f"receipt:{number}", "a:b")
        data = "\n".join(("SEND", "destination:/app/a", *lines)).encode() + b"\n\nx\0"
        assert isinstance(event(session, data), Violation), lines
