from dataclasses import dataclass
from typing import Any, TypedDict

from msgspec import Struct
from pydantic import BaseModel, Field

from stompede import Message, Stompede, StompSession

app = Stompede()


# --8<-- [start:types]
class Spoon(Struct):  # the fastest
    size_ml: int


@dataclass
class Fork:
    prongs: int


class Knife(TypedDict):
    length_cm: float


class Pan(BaseModel):
    diameter_cm: int = Field(gt=0, alias="diameterCm")


@app.message("/spoon")
async def spoon(body: Spoon) -> Spoon:
    return body


@app.message("/fork")
async def fork(body: Fork) -> Fork:
    return body


@app.message("/knife")
async def knife(body: Knife) -> Knife:
    return body


@app.message("/pan")
async def pan(body: Pan) -> Pan:
    return body


@app.message("/list")
async def many(body: list[int]) -> dict[str, int]:
    return {"sum": sum(body)}


@app.message("/raw")
async def raw(body: bytes) -> bytes:  # as it came, and back as it is
    return body[::-1]


# --8<-- [end:types]
# --8<-- [start:ours]
@app.message("/whoami")
async def whoami(message: Message, session: StompSession) -> dict[str, Any]:
    session.attributes["asked"] = session.attributes.get("asked", 0) + 1
    return {
        "destination": message.destination,
        "contentType": message.content_type,
        "bytes": len(message.body),
        "version": session.version,
        "asked": session.attributes["asked"],
    }


# --8<-- [end:ours]
