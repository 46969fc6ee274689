import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stompede.errors import ConfigurationError
from stompede.messaging.patterns import Pattern
from stompede.messaging.routing import Router


def router_of(*patterns, overlapping=False):
    router = Router(overlapping=overlapping)
    for pattern in patterns:
        router.add(pattern, pattern)
    return router


def test_an_exact_destination_is_found():
    router = router_of("/ping", "/rooms/{room}")
    assert router.match("/ping") == ("/ping", {})
    assert router.match("/pong") is None


def test_variables_are_returned():
    router = router_of("/rooms/{room}/say", "/rooms/{room}/seats/{seat}")
    assert router.match("/rooms/kitchen/say") == ("/rooms/{room}/say", {"room": "kitchen"})
    assert router.match("/rooms/kitchen/seats/2") == (
        "/rooms/{room}/seats/{seat}",
        {"room": "kitchen", "seat": "2"},
    )


def test_a_literal_wins_over_a_variable():
    router = router_of(
        "/rooms/{room}/say", "/rooms/lobby/say", "/rooms/{room}/{verb}", "/halls/cellar/{verb}"
    )
    assert router.match("/rooms/lobby/say")[0] == "/rooms/lobby/say"
    assert router.match("/rooms/kitchen/say")[0] == "/rooms/{room}/say"
    assert router.match("/rooms/kitchen/sing")[0] == "/rooms/{room}/{verb}"


def test_a_literal_that_leads_nowhere_is_no_dead_end():
    router = router_of("/a/{x}/c", "/a/b/d")
    assert router.match("/a/b/c") == ("/a/{x}/c", {"x": "b"})
    assert router.match("/a/b/d") == ("/a/b/d", {})
    assert router.match("/a/b/e") is None


@pytest.mark.parametrize(
    "destination", ["/rooms/*", "/rooms/>", "/rooms/#", "/rooms/", "rooms/a", "x/rooms/a", "", "/", "//"]
)
def test_what_is_no_whole_plain_segment_matches_nothing(destination):
    router = router_of("/rooms/{room}", "/{anything}")
    assert router.match(destination) is None
    assert router.all_matches(destination) == []


def test_who_denies_by_patterns_sees_wildcards_too():
    router = router_of("/rooms/{room}")
    assert router.all_matches("/rooms/*", wildcards=True) == [("/rooms/{room}", {"room": "*"})]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("/ping", "/ping", 'b: pattern "/ping" is taken already by a; change one of the two'),
        (
            "/a/{x}",
            "/a/{y}",
            'b: pattern "/a/{y}" matches the same destinations as "/a/{x}" of a; change one of the two',
        ),
        (
            "/{a}/b",
            "/a/{b}",
            'b: pattern "/a/{b}" and "/{a}/b" of a both match "/a/b", and neither is more specific; change a',
        ),
        ("/{a}/x/{c}", "/{a}/{b}/y", 'both match "/any/x/y"'),
    ],
)
def test_an_ambiguous_pattern_is_refused(first, second, sentence):
    router = Router()
    router.add(first, 1, "a")
    with pytest.raises(ConfigurationError) as caught:
        router.add(second, 2, "b")
    assert sentence in str(caught.value)
    assert len(router) == 1


def test_a_malformed_pattern_is_refused_with_its_owner():
    with pytest.raises(
        ConfigurationError, match=r'^handler x\(\): pattern "ping": it must begin with a slash'
    ):
        Router().add("ping", 1, "handler x()")


def test_an_overlapping_router_takes_all_and_returns_all_the_most_specific_first():
    router = router_of("/{a}/{b}", "/{a}/b", "/a/{b}", "/a/b", "/a/b", "/c/{d}", overlapping=True)
    assert [value for value, _ in router.all_matches("/a/b")] == [
        "/a/b",
        "/a/b",
        "/a/{b}",
        "/{a}/b",
        "/{a}/{b}",
    ]
    assert router.all_matches("/x/b") == [("/{a}/b", {"a": "x"}), ("/{a}/{b}", {"a": "x", "b": "b"})]
    assert len(router) == 6
    assert [str(pattern) for pattern, _ in router][:2] == ["/{a}/{b}", "/{a}/b"]


segments = st.lists(st.sampled_from(["a", "b", "{x}", "{y}", "{z}"]), min_size=1, max_size=4)
patterns = st.lists(
    segments.filter(lambda s: len(set(s) & {"{x}", "{y}", "{z}"}) == sum(p[0] == "{" for p in s)), max_size=8
)
destinations = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=4)


@settings(max_examples=300)
@given(patterns=patterns, destination=destinations)
def test_a_router_finds_what_looking_at_every_pattern_finds(patterns, destination):
    router = Router()
    kept = []
    for parts in patterns:
        text = "/" + "/".join(parts)
        try:
            router.add(text, text)
        except ConfigurationError:
            continue
        kept.append(Pattern.parse(text))
    path = "/" + "/".join(destination)
    matching = [pattern for pattern in kept if pattern.match(path) is not None]
    assert {value for value, _ in router.all_matches(path)} == {pattern.text for pattern in matching}
    found = router.match(path)
    if not matching:
        assert found is None
        return
    # Exactly one is covered by all others, since ambiguous ones were refused.
    (best,) = [p for p in matching if all(other.covers(p) for other in matching)]
    assert found == (best.text, best.match(path))
