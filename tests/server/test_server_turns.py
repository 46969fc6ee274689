"""One client's flood of frames is handled in turns: others have theirs in between, and nothing is lost or reordered."""

import asyncio
import json
from collections.abc import Callable

import pytest

from serving import Serve, make_app, until
from stompede.server.session.reading import FRAMES_OF_A_TURN
from stompsocket import StompSocket, encode

COUNT = 3000
REFUSED = encode("SEND", {"destination": "/nowhere"})


class Turns:
    """Looks at a number in each turn of the loop.

    Attributes:
        count: turns so far.
        most: by how much the number has fallen in one of them.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._last = 0
        self.count = self.most = 0
        self._turn()

    def _turn(self) -> None:
        number = self._number()
        self.most = max(self.most, self._last - number)
        self._last = number
        self.count += 1
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        self._next.cancel()


async def answered(client: StompSocket, receipt: str) -> None:
    await client.frame_where(lambda frame: frame.headers.get("receipt-id") == receipt, f"RECEIPT {receipt}")


@pytest.mark.parametrize(
    "frame",
    [
        REFUSED,
        encode("SEND", {"destination": "/topic/a"}),
        encode("SEND", {"destination": "/queue/a"}),
        encode("SEND", {"destination": "/app/quick"}),
        encode("UNSUBSCRIBE", {"id": "unknown"}),
    ],
)
async def test_thousands_of_frames_in_one_message_are_handled_some_in_each_turn(
    serve: Serve, frame: bytes
) -> None:
    app = make_app()

    @app.message("/quick")
    async def quick() -> None: ...

    served = await serve(app)
    client = await served.client()
    session = served.session(client)
    turns = Turns(lambda: session.wire.buffered_bytes)
    await client.send_ws(frame * COUNT + encode("UNSUBSCRIBE", {"id": "x", "receipt": "last"}))
    await answered(client, "last")
    turns.stop()
    assert 0 < turns.most <= FRAMES_OF_A_TURN * len(frame)
    assert turns.count >= COUNT / FRAMES_OF_A_TURN
    assert served.node.statistics().reading_paused_total == 0, "it was not kept by work that waits"


async def test_frames_that_wait_for_their_turn_stay_in_order(serve: Serve) -> None:
    served = await serve(outbound_bytes=4_000_000)
    client, other = await served.client(), await served.client()
    await other.subscribe("/topic/a")
    numbers = range(10 * FRAMES_OF_A_TURN + 7)
    frames = [encode("SEND", {"destination": "/topic/a"}, str(number)) for number in numbers]
    for start in range(0, len(frames), 100):
        await client.send_ws(b"".join(frames[start : start + 100]))
    assert [int((await other.message()).text) for _ in numbers] == list(numbers)


async def test_a_stop_handles_what_had_been_read(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.send_ws(encode("SEND", {"destination": "/queue/a"}) * COUNT)
    store = served.node.queues._store
    await until(lambda: store.statistics().appended)
    assert served.session(client).wire.buffered_bytes
    await served.node.stop()
    assert store.statistics().appended == COUNT


async def test_a_handler_that_fails_is_one_turn(serve: Serve) -> None:
    app = make_app()

    @app.message("/burn")
    async def burn() -> None:
        raise RuntimeError("the soup is burnt")

    served = await serve(app)
    served.may_fail = True
    client = await served.client()
    session = served.session(client)
    frame = encode("SEND", {"destination": "/app/burn"})
    turns = Turns(lambda: session.wire.buffered_bytes)
    await client.send_ws(frame * 100 + encode("UNSUBSCRIBE", {"id": "x", "receipt": "last"}))
    await answered(client, "last")
    turns.stop()
    assert 0 < turns.most < 2 * len(frame)


# The log.


def stop_the_clock(served: object) -> None:
    now = served.clock.now()  # type: ignore[attr-defined]
    served.node.now = lambda: now + served.clock.shift  # type: ignore[attr-defined]


async def test_soft_errors_of_one_kind_are_one_line_a_second_and_counted(serve: Serve) -> None:
    served = await serve()
    stop_the_clock(served)
    client = await served.client()
    await client.errors()
    await client.send_ws(REFUSED * 100 + encode("SEND", {"destination": "/app/nothing"}))
    told = [json.loads((await client.message()).body) for _ in range(101)]
    served.clock.shift += 1
    await client.send_ws(REFUSED * 3)
    told += [json.loads((await client.message()).body) for _ in range(3)]
    await client.request("DISCONNECT")
    lines = served.logged("refused")
    assert [(line["destination"], line.get("left_out")) for line in lines] == [
        ("/nowhere", None), ("/app/nothing", None), ("/nowhere", 99),
    ]  # fmt: skip
    assert (await served.ended("disconnect"))["left_out"] == 2
    assert {one["errorId"] for one in told} == {line["error_id"] for line in lines}, "each can be looked up"


async def test_failures_of_one_kind_have_one_traceback_a_second(serve: Serve) -> None:
    app = make_app()

    @app.message("/burn/{dish}")
    async def burn(dish: str) -> None:
        raise (RuntimeError if dish == "soup" else ValueError)(dish)

    served = await serve(app)
    served.may_fail = True
    stop_the_clock(served)
    client = await served.client()
    await client.errors()
    for dish in ("soup", "bread"):
        await client.send_ws(encode("SEND", {"destination": f"/app/burn/{dish}"}) * 20)
    told = [json.loads((await client.message()).body) for _ in range(40)]
    lines = served.logged("handler failed")
    assert [line["destination"] for line in lines] == ["/app/burn/soup", "/app/burn/bread"]
    assert {one["errorId"] for one in told} == {line["error_id"] for line in lines}
