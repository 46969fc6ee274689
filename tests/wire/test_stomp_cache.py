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
