from typing import Any

from stompede import Principal, Stompede, StompSession, connect
from stompede.presence import Counted, Joined, Left, PresenceEvent, Present

# --8<-- [start:app]
app = Stompede()
app.destination("/topic/rooms/{room}", presence=True)


@app.presence_info
def who_it_is(session: StompSession, destination: str) -> Any:
    assert session.principal is not None  # guests are counted, and not asked about
    return {"hat": session.principal.claims.get("hat")}


# --8<-- [end:app]
# --8<-- [start:guard]
@app.guard("/topic/rooms/{room}", on="subscribe")
async def may_enter(room: str, who: Principal | None) -> bool:
    return room != "office" or (who is not None and "staff" in who.scopes)


# --8<-- [end:guard]
# --8<-- [start:code]
async def is_worth_cooking(room: str) -> bool:
    return await app.presence_count(f"/topic/rooms/{room}") > 3


async def names(room: str) -> list[str]:
    there = await app.presence(f"/topic/rooms/{room}", limit=20)
    return sorted(one.user for one in there.users)


# --8<-- [end:code]
# --8<-- [start:sessions]
async def throw_out(name: str) -> list[str]:
    addresses = [one.address for one in await app.sessions(user=name)]
    await app.close_user_sessions(name)
    return addresses


# --8<-- [end:sessions]
# --8<-- [start:client]
class Room:
    """Who is in a room, as a client shows it."""

    def __init__(self) -> None:
        self.users: dict[str, Any] = {}
        self.count = 0

    def apply(self, event: PresenceEvent) -> None:
        match event:
            case Present():
                self.users = {one.user: one.info for one in event.users}
            case Joined():
                self.users[event.user] = event.info
            case Left():
                self.users.pop(event.user, None)
            case Counted():
                pass  # guests, or more changes than are told one by one
        self.count = event.count


async def watch(url: str, room: Room) -> None:
    async with (
        connect(url) as client,
        client.subscribe("/topic/presence/rooms/kitchen", PresenceEvent) as events,
    ):
        async for event in events:
            room.apply(event.body)


# --8<-- [end:client]
