import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header
from msgspec import Struct

from stompede import Principal, Stompede

app = Stompede()


# --8<-- [start:reply]
class Ping(Struct):
    number: int


class Pong(Struct):
    number: int


@app.message("/ping")
def ping(body: Ping) -> Pong:
    time.sleep(0.01)  # blocking is allowed here: a plain def runs in the thread pool
    return Pong(body.number)


# --8<-- [end:reply]
# --8<-- [start:both]
class Ledger:
    """Stands for a database session."""

    def __init__(self) -> None:
        self.taken: dict[int, str] = {}
        self.committed = 0


ledger = Ledger()


async def get_ledger() -> AsyncIterator[Ledger]:
    yield ledger
    ledger.committed += 1  # before the result is published: committed, then told


class Taken(Struct):
    order_id: int
    by: str
    greeting: str


@app.message("/orders/{order_id}/take", publish="/topic/orders/{order_id}", reply=True)
async def take(
    order_id: int,
    who: Principal,
    lang: Annotated[str, Header("accept-language")],
    book: Annotated[Ledger, Depends(get_ledger)],
) -> Taken | None:
    if order_id in book.taken:
        return None  # publishes nothing and answers nothing
    book.taken[order_id] = who.name
    return Taken(order_id, who.name, "moi" if lang.startswith("fi") else "hello")


# --8<-- [end:both]
# --8<-- [start:subscribe]
class Member(Struct):
    name: str


@app.subscribe("/rooms/{room}/members")
async def members(room: str) -> list[Member]:
    return [Member("cook"), Member("waiter")] if room == "kitchen" else []


# --8<-- [end:subscribe]
