import pytest

from stompede.bus import MemoryBus
from stompede.errors import BusError


async def test_what_is_published_comes_back_at_once_and_in_order() -> None:
    bus: MemoryBus[int] = MemoryBus()
    seen: list[int] = []
    await bus.start(seen.append)
    for number in range(5):
        assert bus.publish("/topic/a", number) is None
        assert seen[-1] == number
    assert seen == [0, 1, 2, 3, 4]


async def test_wanting_a_channel_is_live_at_once_and_counted() -> None:
    bus: MemoryBus[int] = MemoryBus()
    await bus.start(lambda _: None)
    assert bus.want("/topic/a") is None
    bus.want("/topic/a")
    bus.want("/topic/b")
    assert bus.statistics().channels == 2
    bus.unwant("/topic/a")
    bus.unwant("/topic/never")
    assert bus.statistics().channels == 1


async def test_before_the_start_and_after_the_end_it_refuses_with_a_sentence() -> None:
    bus: MemoryBus[int] = MemoryBus()
    with pytest.raises(BusError, match="not started"):
        bus.publish("/topic/a", 1)
    await bus.start(lambda _: None)
    bus.publish("/topic/a", 2)
    await bus.aclose()
    await bus.aclose()
    with pytest.raises(BusError):
        bus.publish("/topic/a", 3)
    statistics = bus.statistics()
    assert (statistics.published, statistics.delivered) == (1, 1)
