import pytest

from stompede.errors import BusError
from stompede.store import MemoryQueues, Queue
from stompede.store.queues import Entry
from stompede.testing.contracts import QueueStoreContract


class TestMemoryQueues(QueueStoreContract):
    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> MemoryQueues[bytes]:
        return MemoryQueues(max_queues=max_queues, max_bytes=max_bytes)


async def test_before_the_start_and_after_the_end_nothing_is_taken() -> None:
    store: MemoryQueues[str] = MemoryQueues()
    entry = Entry("/queue/a", "soup", 4, Queue())
    with pytest.raises(BusError, match="not started"):
        store.append([entry], now=0)
    await store.start(lambda _: None)
    assert store.append([entry], now=0) is None
    await store.aclose()
    with pytest.raises(BusError):
        store.append([entry], now=0)


async def test_many_messages_for_one_queue_count_together() -> None:
    store: MemoryQueues[int] = MemoryQueues()
    await store.start(lambda _: None)
    limits = Queue(max_messages=5, full="drop-oldest")
    entries = [Entry("a", number, 1, limits) for number in range(6)]
    assert store.append(entries, now=0) is not None
    assert store.append(entries[:5], now=0) is None
    assert store.append(entries[:2], now=0) is None
    assert [each.item for each in store.take("a", 9, now=0)] == [2, 3, 4, 0, 1]
