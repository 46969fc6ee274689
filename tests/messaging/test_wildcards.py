"""Wildcards against a reading of their rules that takes no short cut: every destination of a small world."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.messaging.patterns import Pattern, holds_wildcard
from stompede.messaging.problem import Problem
from stompede.messaging.wildcards import Wildcard, WildcardTrie

PREFIX = "/topic"
LETTERS = ("", "a", "b")
MANY = ("#", "**")
RESTS = (*MANY, ">")


def meant(text: str, destination: str) -> bool:
    """The rules, level by level."""
    name, there = text.removeprefix("/topic/"), destination.removeprefix("/topic/")
    if "/" not in name and "/" in there:
        return all(level in RESTS for level in name.split("."))
    separator = "/" if "/" in name else "."
    return follows(name.split(separator), there.split(separator))


def follows(levels: list[str], parts: list[str]) -> bool:
    if not levels:
        return not parts
    if levels[0] in RESTS:
        return any(follows(levels[1:], parts[taken:]) for taken in range(len(parts) + 1))
    if not parts:
        return False
    return (levels[0] == parts[0] or (levels[0] == "*" and parts[0] != "")) and follows(levels[1:], parts[1:])


def names(levels: tuple[str, ...], most: int) -> list[str]:
    """All names of so many levels, between slashes, dots, or both."""
    return [
        "".join(itertools.chain(*zip(parts, (*separators, ""), strict=True)))
        for count in range(1, most + 1)
        for parts in itertools.product(levels, repeat=count)
        for separators in itertools.product("./", repeat=count - 1)
    ]


WORLD = [f"/topic/{name}" for name in names(LETTERS, 4)]


def readable(text: str) -> bool:
    try:
        Wildcard.parse(text, PREFIX)
    except Problem:
        return False
    return holds_wildcard(text)


WILDCARDS = [text for name in names(("", "a", "*", *RESTS), 3) if readable(text := f"/topic/{name}")]
wildcards = st.sampled_from(WILDCARDS)
paths = st.lists(st.sampled_from(("a", "b", "a.b", "a.a", "a.b.a", "{}")), min_size=1, max_size=3).map(
    lambda segments: (
        "/topic/" + "/".join(f"{{v{n}}}" if one == "{}" else one for n, one in enumerate(segments))
    )
)


def destinations(pattern: Pattern) -> list[str]:
    """All that a pattern matches, its variables being short names; longer ones where it has but one segment."""
    most = 4 if len(pattern.segments) == 2 else 2
    values = [name for name in names(LETTERS, most) if name and "/" not in name]
    return [
        pattern.fill(dict(zip(pattern.variables, chosen, strict=True)))
        for chosen in itertools.product(values, repeat=len(pattern.variables))
    ]


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("stocks.*", ["stocks.ibm"], ["stocks", "stocks.ibm.x", "stocks/ibm", "stocks.", "bonds.ibm"]),
        ("stocks.#", ["stocks", "stocks.ibm", "stocks.ibm.x"], ["stocksx", "stocks/ibm", "bonds"]),
        ("stocks.>", ["stocks", "stocks.ibm", "stocks.ibm.x"], ["bonds", "stocks/ibm"]),
        ("*.ibm.*", ["stocks.ibm.bid"], ["ibm.bid", "stocks.ibm", "stocks.sun.bid"]),
        ("rooms/*", ["rooms/1", "rooms/a.b"], ["rooms", "rooms/1/2", "rooms/", "rooms.1"]),
        ("rooms/**", ["rooms", "rooms/1", "rooms/1/2"], ["rooms.1", "room"]),
        ("rooms/*/seats/**", ["rooms/1/seats", "rooms/1/seats/2/3"], ["rooms/seats", "rooms/1/chairs"]),
        ("*", ["a", "stocks"], ["a.b", "a/b"]),
        ("#.bid", ["bid", "ibm.bid", "stocks.ibm.bid"], ["bid.x", "stocks.ibm", "stocks/bid"]),
        ("a.#.z", ["a.z", "a.b.z", "a.z.z", "a.b..z"], ["a", "z", "a.z.b", "a/z", "b.a.z"]),
        ("rooms/**/seats/*", ["rooms/seats/1", "rooms/1/2/seats/3"], ["rooms/1/seats", "rooms/seats/1/2"]),
        ("#.a.#", ["a", "x.a.y", "a.a"], ["x.y", "x/a"]),
        ("**/x/>", ["x", "x/1", "a/x", "a/x/1/2"], ["x.1", "y/1"]),
        (">", ["a", "a.b", "a/b", "a/b.c/d"], []),
        ("#", ["a", "a.b", "a/b"], []),
        ("**", ["a", "a.b", "a/b"], []),
    ],
)  # fmt: skip
def test_what_clients_of_other_brokers_write_means_the_same_here(text, yes, no):
    wildcard = Wildcard.parse(f"/topic/{text}", PREFIX)
    assert [name for name in yes + no if wildcard.matches(f"/topic/{name}")] == yes
    assert not wildcard.matches("/queue/a")


@pytest.mark.parametrize("text", WILDCARDS)
def test_every_destination_of_a_small_world_matches_as_the_rules_say(text):
    wildcard = Wildcard.parse(text, PREFIX)
    matched = [destination for destination in WORLD if wildcard.matches(destination)]
    assert matched == [destination for destination in WORLD if meant(text, destination)]
    assert all(destination.startswith(wildcard.literal) for destination in matched)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/topic/>/b", "`>` stands for all levels that follow"),
        ("/topic/a.>.b", "`>` stands for all levels that follow"),
        ("/topic/stocks.i*", "a whole level between dots, and `i*` is a part of one"),
        ("/topic/rooms/a.*", "a whole level between slashes, and `a.*` is a part of one"),
        ("/topic/***", "`***` is a part of one"),
        ("/topic/" + ".".join("*" * 33), "a wildcard may have 32 levels"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(Problem) as refused:
        Wildcard.parse(text, PREFIX)
    assert refused.value.code == "invalid-destination"
    assert sentence in refused.value.detail


@given(st.lists(wildcards, unique=True, max_size=30), st.data())
def test_the_trie_finds_what_matches_one_by_one_whatever_came_and_went(texts, data):
    trie = WildcardTrie(PREFIX)
    for text in texts:
        trie.insert(Wildcard.parse(text, PREFIX), text)
    gone = data.draw(st.lists(st.sampled_from(texts), unique=True)) if texts else []
    for text in gone:
        trie.remove(Wildcard.parse(text, PREFIX))
    left = [text for text in texts if text not in gone]
    assert len(trie) == len(left)
    for destination in WORLD:
        assert sorted(trie.matching(destination)) == sorted(text for text in left if meant(text, destination))
    for text in left:
        trie.remove(Wildcard.parse(text, PREFIX))
    assert not trie._dots
    assert not trie._slashes


@given(wildcards, paths)
def test_a_wildcard_overlaps_a_pattern_exactly_where_a_destination_matches_both(text, path):
    pattern = Pattern.parse(path)
    overlap = Wildcard.parse(text, PREFIX).overlap(pattern)
    both = any(meant(text, one) for one in destinations(pattern))
    assert (overlap is not None) == both
    if overlap is not None:
        assert tuple(overlap) == pattern.variables
        assert all(overlap.values())


@given(
    st.lists(st.sampled_from(("a", "b", "*", *MANY)), min_size=2, max_size=8),
    st.lists(st.sampled_from(LETTERS), min_size=1, max_size=9),
    st.sampled_from("./"),
)
def test_any_number_of_levels_stands_in_any_place(levels, parts, separator):
    text, destination = f"/topic/{separator.join(levels)}", f"/topic/{separator.join(parts)}"
    if not readable(text):
        return
    wildcard = Wildcard.parse(text, PREFIX)
    trie = WildcardTrie(PREFIX)
    trie.insert(wildcard, text)
    assert wildcard.matches(destination) == meant(text, destination)
    assert trie.matching(destination) == [text] * meant(text, destination)
    assert not meant(text, destination) or destination.startswith(wildcard.literal)
    trie.remove(wildcard)
    assert not trie._dots
    assert not trie._slashes


@given(
    st.lists(st.sampled_from(("a", "b", "*", *MANY)), min_size=2, max_size=5),
    st.lists(st.sampled_from(("a", "b", "{}")), min_size=2, max_size=3),
)
def test_a_guard_is_never_shown_less_than_the_wildcard_brings(levels, segments):
    text = f"/topic/{'/'.join(levels)}"
    pattern = Pattern.parse(
        "/topic/" + "/".join(f"{{v{number}}}" if one == "{}" else one for number, one in enumerate(segments))
    )
    shown = Wildcard.parse(text, PREFIX).overlap(pattern)
    for destination in destinations(pattern):
        if meant(text, destination):
            assert shown is not None
            for name, value in pattern.match(destination).items():
                assert shown[name] in ("*", *MANY, value)


def test_a_wildcard_that_matches_in_very_many_ways_is_followed_in_all_of_them_at_once():
    wildcard = Wildcard.parse("/topic/" + ".".join(("#", "a") * 15), PREFIX)
    trie = WildcardTrie(PREFIX)
    trie.insert(wildcard, 1)
    for last, found in (("a", [1]), ("b", [])):
        destination = "/topic/" + ".".join([*"a" * 300, last])
        assert wildcard.matches(destination) == bool(found)
        assert trie.matching(destination) == found


def test_an_overlap_shows_what_the_wildcard_has_in_the_place_of_a_variable():
    def shown(text, path):
        return Wildcard.parse(text, PREFIX).overlap(Pattern.parse(path))

    assert shown("/topic/rooms/*", "/topic/rooms/{room}") == {"room": "*"}
    assert shown("/topic/rooms/**", "/topic/rooms/{room}/{seat}") == {"room": "**", "seat": "**"}
    assert shown("/topic/*/2", "/topic/{room}/{seat}") == {"room": "*", "seat": "2"}
    assert shown("/topic/**/2", "/topic/{room}/{seat}") == {"room": "**", "seat": "2"}
    assert shown("/topic/**/2/#", "/topic/{room}/{seat}") == {"room": "**", "seat": "**"}
    assert shown("/topic/#/public/**", "/topic/{room}") == {"room": "public"}
    assert shown("/topic/**/a/b/**", "/topic/{x}/{y}/{z}") == {"x": "**", "y": "**", "z": "**"}
    assert shown("/topic/a.#.z", "/topic/{name}") == {"name": "a.#.z"}
    assert shown("/topic/a.#.z", "/topic/a.b.c") is None
    assert shown("/topic/stocks.*", "/topic/{name}") == {"name": "stocks.*"}
    assert shown("/topic/>", "/topic/rooms/{room}") == {"room": ">"}
    assert shown("/topic/stocks.*", "/topic/stocks.ibm") == {}
    assert shown("/topic/stocks.*", "/topic/bonds.ibm") is None
    assert shown("/topic/rooms/*", "/topic/rooms/{room}/{seat}") is None


def test_a_prefix_of_two_segments_counts_as_it_is():
    wildcard = Wildcard.parse("/exchange/all/stocks.*", "/exchange/all")
    assert wildcard.matches("/exchange/all/stocks.ibm")
    assert wildcard.overlap(Pattern.parse("/exchange/all/{name}")) == {"name": "stocks.*"}
    assert wildcard.overlap(Pattern.parse("/exchange/{name}")) is None
    trie = WildcardTrie("/exchange/all")
    trie.insert(wildcard, 1)
    assert trie.matching("/exchange/all/stocks.ibm") == [1]
