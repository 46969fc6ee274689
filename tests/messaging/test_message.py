import gc
import tracemalloc
from collections.abc import Callable

import pytest

from stompede import History, Queue
from stompede.messaging.message import HEADER_BYTES, MESSAGE_BYTES, Message, size_of
from stompede.store import MemoryHistory
from stompede.store.memory_queues import MemoryQueues
from stompede.store.queues import Entry

KEPT = 2000


def a_message(number: int, headers: int, text: str = "") -> Message:
    destination = f"/queue/of-number-{number}"
    if not headers:
        return Message(destination, b"")
    return Message(
        destination,
        b"",
        None,
        {f"header{each}-{number}": f"{text}{number}-{each}" for each in range(headers)},
    )


def memory_of(keep: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        kept = keep()
        size = tracemalloc.get_traced_memory()[0]
        del kept
        return size
    finally:
        tracemalloc.stop()


async def in_a_queue(messages: Callable[[int], Message]) -> tuple[int, int]:
    store: MemoryQueues[Message] = MemoryQueues(max_bytes=1 << 40)
    await store.start(lambda _: None)
    limits = Queue(max_messages=KEPT, max_bytes=1 << 40)

    def keep() -> None:
        for number in range(KEPT):
            message = messages(number)
            store.append((Entry("/queue/a", message, size_of(message), limits),), now=0.5)

    return memory_of(keep), store.statistics().size_bytes


async def in_a_history(messages: Callable[[int], Message]) -> tuple[int, int]:
    store: MemoryHistory[Message] = MemoryHistory(max_bytes=1 << 40)
    limits = History(count=KEPT, size_bytes=1 << 40)

    def keep() -> None:
        for number in range(KEPT):
            message = messages(number)
            store.append("/topic/a", message, size_of(message), limits, number + 0.5)

    return memory_of(keep), store.statistics().size_bytes or 0


@pytest.mark.parametrize("text", ["", "é", "배달", "🛵"])
@pytest.mark.parametrize("headers", [0, 1, 3, 10, 64])
@pytest.mark.parametrize("keep", [in_a_queue, in_a_history])
async def test_what_a_small_message_counts_for_is_about_the_memory_that_it_takes(
    keep: Callable[[Callable[[int], Message]], object], headers: int, text: str
) -> None:
    taken, counted = await keep(lambda number: a_message(number, headers, text))  # type: ignore[misc]
    assert counted / 2 < taken < counted * 1.5


@pytest.mark.parametrize("letter", ["a", "é", "배", "🛵"])
async def test_no_text_of_a_header_takes_more_than_it_counts_for(letter: str) -> None:
    def messages(number: int) -> Message:
        return Message(
            "/queue/a", b"", None, {"name": letter * 3000 + ("🛵" if letter != "a" else "") + str(number)}
        )

    taken, counted = await in_a_queue(messages)
    assert taken < counted * 1.5


def test_destination_body_content_type_and_headers_count() -> None:
    message = Message("/queue/a", b"12345", "text/plain", {"k": "value", "é": "v"})
    assert size_of(message) == MESSAGE_BYTES + 8 + 5 + 10 + 2 * HEADER_BYTES + 1 + 5 + 4 + 1


def test_the_overheads_are_those_that_the_settings_and_bounds_speak_of() -> None:
    assert (MESSAGE_BYTES, HEADER_BYTES) == (384, 128)
