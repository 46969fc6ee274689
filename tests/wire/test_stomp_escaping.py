import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.errors import RemoteProtocolError
from stompede.wire.stomp import ALL_VERSIONS, Version, escape, unescape

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_version_1_2_escapes_line_ends_colons_and_backslashes():
    assert escape(Version.V1_2, "a:b\nc\\d\re") == "a\\cb\\nc\\\\d\\re"


def test_version_1_1_has_no_escape_for_carriage_return():
    assert escape(Version.V1_1, "a:b\nc\\d\re") == "a\\cb\\nc\\\\d\re"


@pytest.mark.parametrize("version", [None, Version.V1_0])
def test_without_escapes_a_line_end_becomes_a_space_so_that_no_header_can_be_smuggled_in(
    version: Version | None,
):
    assert escape(version, "a\nadmin:true\r\\") == "a admin:true \\"


@pytest.mark.parametrize("version", [None, *ALL_VERSIONS])
def test_nul_never_stands_in_a_header(version: Version | None):
    assert "\0" not in escape(version, "a\0b")


@pytest.mark.parametrize("version", [Version.V1_1, Version.V1_2])
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("\\n", "\n"),
        ("\\c", ":"),
        ("\\\\", "\\"),
        ("\\\\n", "\\n"),
        ("\\\\\\n", "\\\n"),
        ("a\\c\\\\c", "a:\\c"),
        ("", ""),
    ],
)
def test_escapes_are_read_from_the_left(version: Version, written: str, meant: str):
    assert unescape(version, written) == meant


def test_escaped_carriage_return_is_of_1_2_alone():
    assert unescape(Version.V1_2, "a\\r") == "a\r"
    with pytest.raises(
        RemoteProtocolError, match=r"the escape \\r is not defined in STOMP 1\.1, only \\n, \\c and"
    ):
        unescape(Version.V1_1, "a\\r")


@pytest.mark.parametrize("version", [Version.V1_1, Version.V1_2])
@pytest.mark.parametrize("written", ["\\t", "a\\", "\\\\\\", "\\\\\\x", "\\N", "\\é"])
def test_undefined_escapes_are_refused(version: Version, written: str):
    with pytest.raises(RemoteProtocolError, match="is not defined"):
        unescape(version, written)


@pytest.mark.parametrize("version", [None, Version.V1_0])
def test_nothing_is_unescaped_where_there_are_no_escapes(version: Version | None):
    assert unescape(version, "a\\t\\n\\") == "a\\t\\n\\"


@given(version=st.sampled_from([Version.V1_1, Version.V1_2]), text=TEXT)
def test_unescape_undoes_escape(version: Version, text: str):
    written = escape(version, text)
    assert "\n" not in written
    assert ":" not in written
    assert unescape(version, written) == text


@given(
    version=st.sampled_from([Version.V1_1, Version.V1_2]), text=st.text(alphabet="\\ncr:x\n\r", max_size=12)
)
def test_unescape_is_what_reading_one_character_after_the_other_gives(version: Version, text: str):
    meant, known = "", {"n": "\n", "c": ":", "\\": "\\"} | ({"r": "\r"} if version is Version.V1_2 else {})
    at = 0
    while at < len(text):
        if text[at] == "\\":
            if text[at + 1 : at + 2] not in known:
                with pytest.raises(RemoteProtocolError):
                    unescape(version, text)
                return
            meant += known[text[at + 1]]
            at += 2
        else:
            meant += text[at]
            at += 1
    assert unescape(version, text) == meant
