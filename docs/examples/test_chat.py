from chat import Said, Say, app

from stompede import testing


async def test_say():
    async with testing.connect(app, member="cook") as cook, testing.connect(app) as guest:
        async with guest.subscribe("/topic/rooms/kitchen", Said) as messages:
            await cook.send("/app/rooms/kitchen/say", Say("soup"))
            assert (await messages.next()).body == Said("cook", "soup")
