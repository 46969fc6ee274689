import pytest

from stompede.wire.stomp import ALL_VERSIONS, Version
from stompede.wire.stomp.versions import choose_version, names, parse_offer, version_named


@pytest.mark.parametrize(
    ("accept_version", "chosen"),
    [
        (None, Version.V1_0),
        ("1.1", Version.V1_1),
        ("1.0,1.1,1.2", Version.V1_2),
        ("1.2,1.1,1.0", Version.V1_2),
        ("1.0,1.1,1.3", Version.V1_1),
        ("1.0,10.1", Version.V1_0),
        ("1.0, 1.1, 1.2", Version.V1_2),
        ("9.0,10.1", None),
        ("", None),
        (",", None),
    ],
)
def test_highest_common_version_is_chosen(accept_version: str | None, chosen: Version | None):
    assert choose_version(parse_offer(accept_version), ALL_VERSIONS) is chosen


def test_a_version_that_is_not_supported_is_not_chosen():
    assert choose_version(("1.0", "1.2"), (Version.V1_0, Version.V1_1)) is Version.V1_0
    assert choose_version(("1.0",), (Version.V1_2,)) is None


def test_connected_without_a_version_means_1_0():
    assert version_named(None) is Version.V1_0
    assert version_named("1.2") is Version.V1_2
    assert version_named("2.0") is None


def test_versions_are_listed_as_accept_version_lists_them():
    assert names(ALL_VERSIONS) == "1.0,1.1,1.2"
