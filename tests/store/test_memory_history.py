from typing import Any

from stompede.store import History, MemoryHistory
from stompede.testing.contracts import HistoryContract

HOUR = History(count=1000, age_s=3600)


class TestMemoryHistory(HistoryContract):
    async def make_store(
        self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024
    ) -> MemoryHistory[Any]:
        return MemoryHistory(max_destinations=max_destinations, max_bytes=max_bytes)

    async def test_what_is_too_old_takes_no_memory_for_long_though_nobody_asks(self) -> None:
        store = await self.make_store(max_destinations=10_000)
        for number in range(2500):
            store.append(f"/topic/{number}", b"", 10, HOUR, self.now)
        await self.pass_time(3601)
        looked = 0
        while store.statistics().messages:
            store.tidy(self.now)
            looked += 1
            assert looked <= 4, "an hour's worth is not gone in some seconds"
        assert store.statistics().size_bytes == 0
        assert store.statistics().destinations == 2500
