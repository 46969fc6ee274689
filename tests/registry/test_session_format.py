import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.registry import SessionEntry, SessionRecord
from stompede.registry.session_format import (
    connect_datetime,
    decode_session,
    encode_session,
    member_uid,
    session_key,
)

NODE = "1700000000000/8c5e1d0e-6f5e-4e57-9d3b-0a1b2c3d4e5f"
AT = 1_795_297_200.123


def test_a_session_stands_as_other_programs_expect_it():
    entry = SessionEntry("5f0c", AT, "17")
    assert session_key(NODE, entry.id) == f"{NODE}_5f0c"
    assert encode_session(NODE, entry) == (
        b'{"connectDatetime":"2026_11_21_T_21_40_00_123_UTC","serverUuid":"' + NODE.encode() + b'",'
        b'"principalUserName":"5f0c","memberUid":17}'
    )


def test_who_is_not_logged_in_or_has_no_number_for_a_name_has_no_member_id():
    for user in (None, "cook"):
        assert msgspec.json.decode(encode_session(NODE, SessionEntry("5f0c", AT, user)))["memberUid"] is None


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("17", 17),
        ("0", 0),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 500, None),
        ("017", None),
        ("-1", None),
        ("", None),
        ("1.0", None),
        ("١٧", None),
        ("²", None),
    ],
)
def test_a_name_that_is_a_number_as_one_writes_it_is_the_member_id(name, uid):
    assert member_uid(name) == uid


def test_a_time_is_written_as_java_writes_it():
    # java.time: Instant.ofEpochMilli(…).atZone(ZoneId.of("UTC")).format(ofPattern("yyyy_MM_dd_'T'_HH_mm_ss_SSS_z"))
    assert connect_datetime(AT) == "2026_11_21_T_21_40_00_123_UTC"
    assert connect_datetime(0.9996) == "1970_01_01_T_00_00_01_000_UTC"


@given(st.floats(0, 4e9), st.text(), st.none() | st.text())
def test_what_is_written_is_read_again(at, name, user):
    entry = SessionEntry(name, at, user)
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    read = decode_session(session_key(NODE, entry.id), encode_session(NODE, entry))
    assert read == SessionRecord(NODE, name, round(at * 1000) / 1000, name, member_uid(user))


def test_what_others_write_is_read_as_far_as_it_goes():
    def value(when: str) -> bytes:
        return msgspec.json.encode(
            {"connectDatetime": when, "serverUuid": "n", "principalUserName": "p", "memberUid": 3, "more": 1}
        )

    for zone in ("UTC", "GMT", "Z"):
        assert decode_session("n_s", value(f"2026_11_21_T_21_40_00_123_{zone}")) == SessionRecord(
            "n", "s", AT, "p", 3
        )
    for when in (
        "2026_11_22_T_06_40_00_123_KST",
        "2026_13_21_T_21_40_00_123_UTC",
        "",
        "_UTC",
        "x_UTC",
        f"{10**30}_1_1_T_1_1_1_1_UTC",
    ):
        assert decode_session("n_s", value(when)) == SessionRecord("n", "s", None, "p", 3)


def test_what_is_no_session_is_none():
    for key, value in (("n_s", b"{}"), ("n_s", b"\xff"), ("m_s", encode_session("n", SessionEntry("s", 0)))):
        assert decode_session(key, value) is None
