"""The application under test: topics, and typed handlers that publish or answer. All else is as it comes."""

from __future__ import annotations

from msgspec import Struct

from stompede import History, Principal, Stompede


class Ping(Struct):
    """A request."""

    text: str


class Pong(Struct):
    """The answer to it."""

    text: str


app = Stompede()
app.destination("/topic/past/{name}", history=History(count=1000))


@app.message("/ping")
async def ping(body: Ping) -> Pong:
    """Anybody may ask."""
    return Pong(body.text)


@app.message("/say", publish="/topic/said")
async def say(body: Ping) -> Pong:
    """What anybody says goes to all who listen."""
    return Pong(body.text)


@app.message("/member/ping")
async def member_ping(body: Ping, who: Principal) -> Pong:  # noqa: ARG001 - it demands a member
    """Only members may ask, so every message carries a token that is checked."""
    return Pong(body.text)
