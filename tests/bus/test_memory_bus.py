from stompede.bus import MemoryBus
from stompede.testing.contracts import BusContract


class TestMemoryBus(BusContract):
    async def make_bus(self) -> MemoryBus[bytes]:
        return MemoryBus()


async def test_what_is_published_is_delivered_before_publish_returns() -> None:
    bus: MemoryBus[int] = MemoryBus()
    seen: list[int] = []
    await bus.start(seen.append)
    assert bus.want("/topic/a") is None
    for number in range(5):
        assert bus.publish("/topic/a", number) is None
        assert seen[-1] == number


async def test_the_end_of_the_bus_is_the_end_of_all_wishes() -> None:
    bus: MemoryBus[int] = MemoryBus()
    await bus.start(lambda _: None)
    bus.want("/topic/a")
    await bus.aclose()
    assert bus.statistics().channels == 0
