from collections.abc import Callable

from stompede.server.fanout.cuts import Cuts
from stompede.server.fanout.outbox import Outbox, OutboxCounters


def outboxes(count: int, ended: list[int]) -> list[Outbox]:
    def end(number: int) -> Callable[[], None]:
        return lambda: ended.append(number)

    return [Outbox(lambda _: None, 1000, OutboxCounters(), end(number)) for number in range(count)]


def test_many_that_are_too_slow_end_in_several_turns_but_nothing_more_goes_out_to_any() -> None:
    turns: list[Callable[[], None]] = []
    ended: list[int] = []
    cuts = Cuts(turns.append)
    slow = outboxes(50, ended)
    cuts.add(slow[:30])
    cuts.add(slow[30:])
    assert all(outbox.closed for outbox in slow)
    sizes = [len(ended)]
    while turns:
        turns.pop()()
        sizes.append(len(ended))
    assert ended == list(range(50))
    assert max(after - before for before, after in zip([0, *sizes], sizes, strict=False)) <= 8


def test_a_few_end_at_once() -> None:
    turns: list[Callable[[], None]] = []
    ended: list[int] = []
    Cuts(turns.append).add(outboxes(3, ended))
    assert (ended, turns) == ([0, 1, 2], [])
