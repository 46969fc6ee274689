from msgspec import Struct

from stompede import History, Stompede, connect


class Said(Struct):
    who: str
    text: str


# --8<-- [start:app]
app = Stompede()
app.destination("/topic/rooms/{room}", history=History(count=500, size_bytes=1024 * 1024, age_s=3600))
# --8<-- [end:app]


# --8<-- [start:client]
async def listen(url: str) -> None:
    async with (
        connect(url) as client,
        client.subscribe("/topic/rooms/kitchen", Said, headers={"history-last": "20"}) as messages,
    ):
        async for message in messages:  # also what was said while the connection was away
            if message.recovered is False:
                print("something may be missing here")
            print(message.message_id, message.body.who, message.body.text)


# --8<-- [end:client]
