from msgspec import Struct

from stompede import Principal, Stompede


class Say(Struct):
    text: str


class Said(Struct):
    who: str
    text: str


app = Stompede()


@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: str, body: Say, who: Principal | None) -> Said:
    return Said(who.name if who else "guest", body.text)
