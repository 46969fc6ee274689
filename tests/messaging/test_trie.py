from stompede.messaging.trie import Trie


def test_an_empty_trie_finds_nothing():
    assert Trie().first(["a"]) is None
    assert list(Trie().every(["a"])) == []


def test_only_whole_paths_are_found():
    trie = Trie()
    trie.insert(["a", None, "c"], 1)
    assert trie.first(["a", "b", "c"]) == (1, ["b"])
    assert trie.first(["a", "b"]) is None
    assert trie.first(["a", "b", "c", "d"]) is None
    assert trie.first([]) is None


def test_the_greedy_walk_goes_back_where_a_literal_leads_nowhere():
    trie = Trie()
    trie.insert(["a", "b", None, "x"], "literal")
    trie.insert(["a", None, None, "y"], "variable")
    assert trie.first(["a", "b", "c", "y"]) == ("variable", ["b", "c"])
    assert trie.first(["a", "b", "c", "x"]) == ("literal", ["c"])
    assert trie.first(["a", "b", "c", "z"]) is None


def test_several_values_under_one_path_come_in_the_order_of_insertion():
    trie = Trie()
    for value in (1, 2):
        trie.insert([None], value)
    assert list(trie.every(["a"])) == [(1, ["a"]), (2, ["a"])]


def test_a_variable_is_never_empty():
    trie = Trie()
    trie.insert([None], 1)
    assert trie.first([""]) is None
    assert list(trie.every([""])) == []
