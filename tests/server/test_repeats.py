"""Lines that the log has heard already."""

from stompede.server.repeats import MAX_KINDS, Repeats


def test_each_kind_has_one_line_a_second_which_says_what_was_left_out() -> None:
    repeats = Repeats()
    assert repeats.line("forbidden", "a", 10.0) == ("a", 0)
    assert repeats.line("forbidden", "b", 10.2) == ("a", None)
    assert repeats.line("not-found", "c", 10.3) == ("c", 0)
    assert repeats.line("forbidden", "d", 10.9) == ("a", None)
    assert repeats.line("forbidden", "e", 11.0) == ("e", 2)
    assert repeats.line("forbidden", "f", 11.5) == ("e", None)
    assert repeats.left_out() == 1


def test_kinds_without_end_are_one_kind() -> None:
    repeats = Repeats()
    lines = [repeats.line(f"kind-{number}", str(number), 10.0) for number in range(1000)]
    assert [name for name, left_out in lines if left_out is not None] == [
        str(n) for n in range(MAX_KINDS + 1)
    ]
    assert repeats.left_out() == 1000 - MAX_KINDS - 1
