from collections.abc import Awaitable, Callable

from msgspec import Struct

import stompede


class Ping(Struct):
    number: int


class Pong(Struct):
    number: int


class Said(Struct):
    who: str
    text: str


async def main(url: str, fetch_token: Callable[[], Awaitable[str]]) -> None:
    async with stompede.connect(url, token=fetch_token) as client:
        answer = await client.request("/app/ping", Ping(1), Pong)
        print(answer.number)
        async with client.subscribe("/topic/rooms/kitchen", Said) as messages:
            await client.send("/app/rooms/kitchen/say", {"text": "soup"})
            async for message in messages:
                print(message.body.who, "says", message.body.text)
                break
