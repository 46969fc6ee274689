import asyncio
import threading
from typing import Annotated

from fastapi import FastAPI, Header
from msgspec import Struct

from stompede import Settings, Stompede


class Said(Struct):
    who: str
    text: str


class Offer(Struct):
    price: int


# --8<-- [start:mount]
web = FastAPI(title="Kitchen")
app = Stompede(web, settings=Settings(endpoints=("/stomp", "/ws")))
# --8<-- [end:mount]


# --8<-- [start:route]
@web.post("/rooms/{room}/announce")
async def announce(room: str, text: str) -> dict[str, bool]:
    await app.publish(f"/topic/rooms/{room}", Said("cook", text))  # returns when the bus took it
    return {"published": True}


# --8<-- [end:route]
# --8<-- [start:read]
@web.get("/rooms/{room}")
async def read_room(room: str, authorization: Annotated[str | None, Header()] = None) -> dict[str, str]:
    principal = await app.prove(authorization)
    await app.check_access("subscribe", f"/topic/rooms/{room}", principal)
    return {"room": room}


# --8<-- [end:read]
# --8<-- [start:thread]
def from_a_thread() -> None:
    app.publish_threadsafe("/topic/rooms/kitchen", Said("oven", "180 °C"))


# --8<-- [end:thread]
# --8<-- [start:user]
async def offer_to(member: str, price: int) -> None:
    await app.send_to_user(member, "/queue/offers", Offer(price))  # every session of that member


async def offer_here(session_id: str, price: int) -> None:
    await app.send_to_session(session_id, "/queue/offers", Offer(price))  # that one session


# --8<-- [end:user]


async def measure_oven() -> None:
    thread = threading.Thread(target=from_a_thread)
    thread.start()
    await asyncio.to_thread(thread.join)
