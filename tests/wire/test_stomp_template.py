import itertools

import pytest
from wire_support import event, server

from stompede.wire.stomp import HeadCache, Limits, Send, ServerSession, Version, Violation
from stompede.wire.stomp.template import Template, Templates


def send(session: ServerSession, *lines: str, body: bytes = b"x") -> Send:
    found = event(
        session, "\n".join(("SEND", "destination:/app/a", *lines)).encode() + b"\n\n" + body + b"\0"
    )
    assert isinstance(found, Send), found
    return found


def test_a_session_finds_a_head_without_what_is_another_on_every_frame():
    cache = HeadCache()
    session = server(cache=cache)
    for number in range(100):
        body = b"x" * number
        head = send(
            session,
            f"receipt:r{number}",
            "k:v",
            f"client-request-code:c{number}",
            f"content-length:{number}",
            body=body,
        ).head
        assert (head.receipt, head.client_request_code, head.content_length) == (
            f"r{number}",
            f"c{number}",
            number,
        )
        assert head.headers == {
            "destination": "/app/a",
            "k": "v",
            "receipt": f"r{number}",
            "client-request-code": f"c{number}",
            "content-length": str(number),
        }
        assert head.forwarded == {"k": "v", "client-request-code": f"c{number}"}
    assert cache.statistics().entries == 0
    assert cache.statistics().misses == 2  # CONNECT and the first SEND


def test_each_line_may_come_and_go():
    session = server()
    lines = {"content-length": "1", "receipt": "r", "client-request-code": "c"}
    for chosen in [
        (),
        *itertools.permutations(lines, 1),
        *itertools.permutations(lines, 2),
        *itertools.permutations(lines),
    ] * 2:
        head = send(session, *(f"{name}:{lines[name]}" for name in chosen)).head
        said = {name: lines[name] for name in chosen}
        assert head.headers == {"destination": "/app/a", **said}
        assert head.forwarded == {
            name: value for name, value in said.items() if name == "client-request-code"
        }


@pytest.mark.parametrize("length", ["007", "-1", " 5", "5 ", "x", "", "9" * 30, "300000"])
def test_odd_lengths_are_left_to_the_parser(length: str):
    session = server()
    for number in range(3):
        send(session, f"content-length:{number}", body=b"x" * number)
    found = event(session, f"SEND\ndestination:/app/a\ncontent-length:{length}\n\n1234567\0".encode())
    assert isinstance(found, Send if length == "007" else Violation)


@pytest.mark.parametrize(
    "lines",
    [
        ["receipt:1"],
        ["client-request-code:1"],
        ["content-length:1", "receipt:1"],
        ["receipt:"],
        ["content-length:1"],
    ],
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


def test_length_of_a_head_with_a_token_may_change():
    cache = HeadCache()
    session = server(cache=cache)
    for number in range(20):
        found = send(session, "Authorization:Bearer a", f"content-length:{number}", "k:v", body=b"x" * number)
        assert found.head.content_length == number
        assert found.head.headers["content-length"] == str(number)
        assert (found.head.authorization, found.head.forwarded) == ("Bearer a", {"k": "v"})
        assert (
            found.head.forwarded
            is send(
                session, "Authorization:Bearer a", f"content-length:{number}", "k:v", body=found.body
            ).head.forwarded
        )
    assert cache.statistics().misses == 2  # CONNECT and the first SEND


def test_a_new_token_is_a_new_head():
    session = server()
    for token in ("a", "b", "a"):
        for number in range(3):
            head = send(session, f"Authorization:Bearer {token}", f"receipt:{number}").head
            assert (head.authorization, head.receipt) == (f"Bearer {token}", str(number))


def test_a_session_may_send_to_a_few_destinations_in_turn():
    cache = HeadCache()
    session = server(cache=cache)
    for number in range(20):
        for destination in "abcd":
            data = f"SEND\ndestination:/app/{destination}\nclient-request-code:{number}\n\nx\0".encode()
            found = event(session, data)
            assert isinstance(found, Send)
            assert (found.destination, found.head.client_request_code) == (f"/app/{destination}", str(number))
    assert cache.statistics().misses == 5


def test_a_session_has_few_templates():
    templates = Templates()
    session = server()
    for number in range(20):
        head = send(session, f"k{number}:v", "receipt:1").head
        template = Template.of(head, Version.V1_2, Limits())
        assert template is not None
        templates.add(template)
    assert len(templates._templates) == Templates.LIMIT
    assert templates.head_at(b"SEND\ndestination:/app/a\nk19:v\nreceipt:2\n\n", 0) is not None
    assert templates.head_at(b"SEND\ndestination:/app/a\nk3:v\nreceipt:2\n\n", 0) is None


def test_a_head_that_is_cut_off_fits_no_template():
    head = send(server(), "receipt:1", "k:v").head
    template = Template.of(head, Version.V1_2, Limits())
    assert template is not None
    for end in range(len(head.raw)):
        assert template.head_at(head.raw[:end], 0) is None
    assert template.head_at(b"\0" + head.raw + b"x", 1) is not None


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["k:v"],
        ["content-length:1"],
        ["receipt:1", "receipt:2"],
        ["receipt:1\r"],
        ["receipt:1\r", "receipt:2"],
    ],
)
def test_a_head_that_has_nothing_to_gain_makes_no_template(lines: list[str]):
    assert Template.of(send(server(), *lines).head, Version.V1_2, Limits()) is None
