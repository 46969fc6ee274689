import pytest

from stompede.wire.sockjs import TRANSPORTS, Location, Place, locate


@pytest.mark.parametrize(
    ("rest", "place"),
    [
        ("", Place.GREETING), ("/", Place.GREETING), ("/info", Place.INFO), ("/websocket", Place.RAW_WEBSOCKET),
        ("/iframe.html", Place.IFRAME), ("/iframe-.html", Place.IFRAME), ("/iframe-0.1.2.html", Place.IFRAME),
        ("/iframe-0.1.2abc-dirty.2144.html", Place.IFRAME),
    ],
)  # fmt: skip
def test_fixed_places(rest: str, place: Place) -> None:
    assert locate(rest) == Location(place)


@pytest.mark.parametrize(
    "name",
    ["xhr", "xhr_send", "xhr_streaming", "eventsource", "htmlfile", "jsonp", "jsonp_send", "websocket"],
)
def test_places_of_a_session(name: str) -> None:
    assert locate(f"/000/some-id/{name}") == Location(Place(name), "some-id")


@pytest.mark.parametrize("session", ["a", "_", "1", "abcdefg_i-j ", "x" * 128])
def test_any_server_and_session_are_taken(session: str) -> None:
    assert locate(f"/{session}/{session}/xhr") == Location(Place.XHR, session)


@pytest.mark.parametrize(
    "rest",
    [
        "/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "///xhr", "/a./a/xhr", "/a/a./xhr", "/././xhr", "//xhr",
        "////xhr", "/a/a/xhr/", "/a/a/nothing", "/a/a/info", "/a/a/raw websocket", "/x/a/a/xhr", "a/a/xhr", "stuff",
        "/iframe.htm", "/iframe", "/IFRAME.HTML", "/iframe.HTML", "/iframe-/.html", f"/a/{'x' * 129}/xhr",
    ],
)  # fmt: skip
def test_nothing_else_is_there(rest: str) -> None:
    assert locate(rest) is None


def test_every_place_belongs_to_a_transport_or_to_all() -> None:
    found = frozenset[Place]().union(*TRANSPORTS.values())
    assert found | {Place.GREETING, Place.INFO} == set(Place)
