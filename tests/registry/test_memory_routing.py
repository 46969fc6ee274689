from stompede.registry import ClockedRoutes, MemoryRoutingTable, RoutingTable
from stompede.testing.contracts import RoutingTableContract

A, B = "wss://a.example/stomp", "wss://b.example/stomp"


class TestMemoryRoutingTable(RoutingTableContract):
    async def make_table(self, *, max_entries=1000) -> RoutingTable:
        return MemoryRoutingTable(max_entries=max_entries)

    async def test_expired_entries_take_no_memory_for_long(self):
        table = MemoryRoutingTable()
        for n in range(100):
            await table.enter(f"rider:{n}", A, ttl_s=1, now=self.now)
        await self.pass_time(61)
        await table.enter("rider:new", A, ttl_s=1, now=self.now)
        assert table.statistics().entries == 1


async def test_clocked_routes_carry_clock_and_life():
    table, now = MemoryRoutingTable(), [0.0]
    routes = ClockedRoutes(table, ttl_s=10, clock=lambda: now[0])
    await routes.put("rider:1", A)
    now[0] = 9.0
    assert await routes.get("rider:1") == A
    await routes.put("rider:1", B)
    now[0] = 18.0
    assert await routes.get("rider:1") == B
    await routes.remove("rider:1")
    assert await routes.get("rider:1") is None
    await routes.remove("rider:1")
