import msgspec
from msgspec import Struct

from stompede import Command, Disconnect, Principal, Problem, SendCommand, Stompede, StompSession

app = Stompede()
guests = {"kitchen": {"cook", "waiter"}}
closed_rooms: set[str] = {"cellar"}
log: list[str] = []


class Say(Struct):
    text: str


class Said(Struct):
    who: str
    text: str


# --8<-- [start:errors]
class RoomClosed(Exception):
    pass


@app.on_error(RoomClosed)
def closed(error: RoomClosed) -> Problem:
    return Problem("room-closed", detail=str(error))


@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: str, body: Say, who: Principal) -> Said:
    if room in closed_rooms:
        raise RoomClosed(f"{room} is closed until tomorrow")
    if not body.text.strip():
        raise Problem("nothing-said", detail="the text is empty")
    return Said(who.name, body.text)


# --8<-- [end:errors]
# --8<-- [start:guard]
@app.guard("/topic/rooms/{room}", on="subscribe")
async def may_enter(room: str, who: Principal) -> bool:
    return who.name in guests.get(room, ())


# --8<-- [end:guard]
# --8<-- [start:intercept]
@app.intercept
def stamp(command: Command, session: StompSession) -> Command | None:
    if not isinstance(command, SendCommand):
        return None  # passes as it is
    if b"spam" in command.message.body:
        raise Problem("forbidden", detail="no spam here")
    headers = {**command.message.headers, "client": session.client_address}
    return msgspec.structs.replace(command, message=msgspec.structs.replace(command.message, headers=headers))


# --8<-- [end:intercept]
# --8<-- [start:events]
@app.on_session_start
async def came(session: StompSession) -> None:
    log.append(f"{session.id} came")


@app.on_session_end
async def gone(session: StompSession, why: Disconnect) -> None:
    log.append(f"{session.id} left: {why.reason}")


@app.on_subscribe
def entered(session: StompSession, destination: str) -> None:
    log.append(f"{session.id} entered {destination}")


# --8<-- [end:events]
