"""The application that is fuzzed: handlers of every kind, tight limits, and figures about its own memory."""

import asyncio

from msgspec import Struct

from stompede import Principal, Problem, Stompede

app = Stompede()


class Say(Struct):
    text: str


@app.message("/echo")
async def echo(body: bytes) -> bytes:
    return body


@app.message("/slow")
async def slow(body: str) -> str:
    await asyncio.sleep(0)
    return body


@app.message("/fail")
async def fail() -> None:
    raise Problem("as-asked")


@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: int, body: Say, who: Principal | None) -> Say:
    return body


@app.subscribe("/echo")
async def answer() -> str:
    return "once"


@app.guard("/queue/{name}")
def nobody() -> bool:
    return False
