import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.errors import ConfigurationError
from stompede.messaging.patterns import Pattern

SEGMENT = st.text(
    st.characters(exclude_characters="/*>#", exclude_categories=("Cs",)), min_size=1, max_size=8
)


def test_a_pattern_knows_its_variables_in_order():
    pattern = Pattern.parse("/rooms/{room}/seats/{seat}")
    assert pattern.variables == ("room", "seat")
    assert pattern.segments == ("rooms", None, "seats", None)
    assert str(pattern) == "/rooms/{room}/seats/{seat}"


def test_a_match_gives_the_values():
    assert Pattern.parse("/rooms/{room}/say").match("/rooms/kitchen/say") == {"room": "kitchen"}
    assert Pattern.parse("/ping").match("/ping") == {}


@pytest.mark.parametrize(
    "destination",
    [
        "/rooms/say",
        "/rooms/a/b/say",
        "/rooms/kitchen/sing",
        "rooms/kitchen/say",
        "x/rooms/kitchen/say",
        "/rooms//say",
        "",
    ],
)
def test_other_destinations_do_not_match(destination):
    assert Pattern.parse("/rooms/{room}/say").match(destination) is None


@pytest.mark.parametrize("value", ["*", "**", ">", "#", "kitchen*", "C#"])
def test_a_variable_never_holds_a_wildcard(value):
    assert Pattern.parse("/rooms/{room}").match(f"/rooms/{value}") is None


@given(room=SEGMENT, seat=SEGMENT)
def test_what_is_filled_in_matches_again(room, seat):
    pattern = Pattern.parse("/100%/{room}/%s/{seat}")
    destination = pattern.fill({"room": room, "seat": seat, "other": "x"})
    assert destination == f"/100%/{room}/%s/{seat}"
    assert pattern.match(destination) == {"room": room, "seat": seat}


def test_a_pattern_without_variables_fills_to_itself():
    assert Pattern.parse("/topic/50%").fill({}) == "/topic/50%"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rooms/{room}", 'pattern "rooms/{room}": it must begin with a slash: /rooms/{room}'),
        ("", "it must begin with a slash"),
        ("/", "it has an empty segment"),
        ("/rooms//say", "it has an empty segment; take the doubled or last slash away"),
        ("/rooms/", "it has an empty segment"),
        ("/rooms/*", "`*` holds a wildcard; write a variable, {name}, for one segment"),
        ("/rooms/>", "holds a wildcard"),
        ("/rooms/#", "holds a wildcard"),
        ("/room-{id}", "`room-{id}`: a variable fills a whole segment between slashes"),
        ("/{a}{b}", "a variable fills a whole segment"),
        ("/{a", "a variable fills a whole segment"),
        ("/a}", "a variable fills a whole segment"),
        ("/{}", "{} cannot be the name of an argument"),
        ("/{room-id}", "{room-id} cannot be the name of an argument; use letters, digits and _"),
        ("/{class}", "{class} cannot be the name of an argument"),
        ("/{a}/{a}", "variable {a} stands in it twice; give the second another name"),
    ],
)
def test_a_malformed_pattern_says_how_to_mend_it(text, sentence):
    with pytest.raises(ConfigurationError) as caught:
        Pattern.parse(text, "handler say() at chat.py:15")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f'handler say() at chat.py:15: pattern "{text}": ')


def test_overlap_and_cover():
    general, special, other = (Pattern.parse(p) for p in ("/{a}/{b}", "/{a}/x", "/y/{b}"))
    assert general.overlaps(special)
    assert general.covers(special)
    assert not special.covers(general)
    assert special.overlaps(other)
    assert not special.covers(other)
    assert not special.overlaps(Pattern.parse("/{a}/z"))
    assert not general.overlaps(Pattern.parse("/{a}"))
