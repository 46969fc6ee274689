"""What clients do who keep to the rules, though they may leave in the middle of it."""

from __future__ import annotations

import json
import random

from churn import BODY, Act, Churn, message, send_parts, settled, soon
from rude import RUDE

from sockjsclient import fetch
from stompsocket import encode

TOPICS = (
    "/topic/past/a",
    "/topic/past/b",
    "/topic/past/c",
    "/topic/rooms/1",
    "/topic/rooms/2",
    "/topic/plain",
)
WILDCARDS = ("/topic/past/*", "/topic/#", "/topic/rooms/>", "/topic/members/*")
QUEUES = ("/queue/jobs/a", "/queue/jobs/b", "/queue/short/a")
QUESTIONS = "/queue/jobs/questions"
HANDLERS = ("/app/echo", "/app/slow", "/app/blocking", "/app/fail", "/app/rooms/1/say", "/app/jobs/a")
ACKS = ("auto", "client", "client-individual")


async def talk(churn: Churn, chance: random.Random) -> None:
    """Topics, wildcards, handlers, soft errors."""
    async with churn.session(chance) as client:
        await client.errors()
        await client.replies()
        for number, destination in enumerate((chance.choice(TOPICS), chance.choice(WILDCARDS), "/app/once")):
            await client.send(
                "SUBSCRIBE", {"id": number, "destination": destination, "ack": chance.choice(ACKS)}
            )
        for _ in range(chance.randrange(1, 20)):
            await client.send("SEND", {"destination": chance.choice(TOPICS + HANDLERS)}, BODY)
        data = encode("SEND", {"destination": chance.choice(TOPICS)}, json.dumps({"text": "xyz" * 2000}))
        await send_parts(client, data, chance)
        await client.request("SEND", {"destination": "/app/slow"}, BODY)
        if chance.random() < 0.5:
            await client.request("UNSUBSCRIBE", {"id": 0})


async def roam(churn: Churn, chance: random.Random) -> None:
    """Destinations, ids and headers that nobody else has: what is remembered of them must have an end."""
    async with churn.session(chance) as client:
        await client.errors()
        for _ in range(chance.randrange(1, 20)):
            own = f"{chance.getrandbits(64):x}"
            await client.send("SUBSCRIBE", {"id": own, "destination": f"/topic/own/{own}"})
            await client.send("SUBSCRIBE", {"id": f"wild-{own}", "destination": f"/topic/*/{own}/#"})
            await client.send("SEND", {"destination": f"/topic/own/{own}", "own": own}, BODY)
            await client.send("SEND", {"destination": f"/topic/past/{chance.randrange(200)}"}, BODY)
            await client.send("SEND", {"destination": f"/app/rooms/{own}/say"}, BODY)
            await client.send("SEND", {"destination": f"/queue/short/{own}"}, BODY)
        await settled(client)


async def attend(churn: Churn, chance: random.Random) -> None:
    """Presence: somebody is in a room, and looks who else is."""
    room = chance.randrange(1, 5)
    async with churn.session(chance) as client:
        await client.subscribe(f"/topic/presence/rooms/{room}", "who")
        await client.subscribe(f"/topic/rooms/{room}", "room")
        await message(client)


async def whisper(churn: Churn, chance: random.Random) -> None:
    """Messages of the application for one member and for one session; from threads, too."""
    async with churn.session(chance, member=True) as client:
        await client.subscribe("/user/queue/news", "news")
        await client.subscribe("/session/queue/news", "own")
        for _ in range(chance.randrange(1, 5)):
            await client.send("SEND", {"destination": f"/app/whisper/name-{chance.randrange(20)}"}, BODY)
        await client.request("SEND", {"destination": "/app/threaded"}, BODY)
        await message(client)


async def produce(churn: Churn, chance: random.Random) -> None:
    """Work for others; and a question to the application, whose answer comes into a temporary queue."""
    async with churn.session(chance) as client:
        for _ in range(chance.randrange(1, 30)):
            await client.send("SEND", {"destination": chance.choice(QUEUES)}, BODY)
        if chance.random() < 0.5:
            await client.subscribe("/temp-queue/answers", "answers")
            await client.send("SEND", {"destination": "/app/asked", "reply-to": "/temp-queue/answers"}, BODY)
            await message(client)
        await settled(client)


async def correspond(churn: Churn, chance: random.Random) -> None:
    """Questions of one client that others answer into its temporary queue, where answers wait when it goes."""
    asks = {"destination": QUESTIONS, "reply-to": "/temp-queue/answers"}
    async with churn.session(chance) as other:
        await other.errors()
        await other.subscribe(QUESTIONS, "questions", ack="client")
        async with churn.session(chance) as client:
            if chance.random() < 0.7:
                await client.subscribe(
                    "/temp-queue/answers", "answers", ack=chance.choice(ACKS), **{"prefetch-count": 1}
                )
            for _ in range(chance.randrange(1, 5)):
                await client.request("SEND", asks, BODY)
            for _ in range(5):
                frame = await soon(other)
                if frame is None:
                    break
                await other.send("SEND", {"destination": frame.headers["reply-to"]}, BODY)
                await other.send("ACK", {"id": frame.headers["ack"]})
            await settled(other)


async def consume(churn: Churn, chance: random.Random) -> None:
    """Takes work, settles some of it, and leaves in the middle of the rest."""
    mode = chance.choice(ACKS)
    async with churn.session(chance) as client:
        await client.errors()
        await client.subscribe(
            chance.choice(QUEUES), "work", ack=mode, **{"prefetch-count": chance.randrange(1, 20)}
        )
        await client.send("SEND", {"destination": "/queue/jobs/a"}, BODY)
        for _ in range(chance.randrange(20)):
            frame = await soon(client)
            if frame is None:
                break
            if mode != "auto" and chance.random() < 0.8:
                await client.send(chance.choice(("ACK", "ACK", "NACK")), {"id": frame.headers["ack"]})
        if chance.random() < 0.3:
            await client.send("UNSUBSCRIBE", {"id": "work"})
            await settled(client)


async def transact(churn: Churn, chance: random.Random) -> None:
    """Transactions: committed, aborted, spoilt, left open."""
    async with churn.session(chance) as client:
        await client.errors()
        await client.subscribe("/queue/jobs/b", "work", ack="client-individual")
        await client.send("SEND", {"destination": "/queue/jobs/b"}, BODY)
        for number in range(chance.randrange(1, 5)):
            name = {"transaction": f"t{number}"}
            await client.send("BEGIN", name)
            for _ in range(chance.randrange(5)):
                await client.send("SEND", {"destination": chance.choice(QUEUES + TOPICS), **name}, BODY)
            frame = await soon(client)
            if frame is not None:
                await client.send(chance.choice(("ACK", "NACK")), {"id": frame.headers["ack"], **name})
            if chance.random() < 0.2:
                await client.send("SEND", {"destination": chance.choice(HANDLERS), **name}, BODY)
            if chance.random() < 0.8:
                await client.send(chance.choice(("COMMIT", "ABORT")), name)
        await settled(client)


async def recover(churn: Churn, chance: random.Random) -> None:
    """Comes, goes, and asks for what it missed."""
    destination = chance.choice(TOPICS[:3])
    async with churn.session(chance) as client:
        receipt = await client.request("SUBSCRIBE", {"id": 1, "destination": destination})
        position = receipt.headers.get("position", "nonsense")
    await fetch(f"{churn.doors.http}/health/live")
    async with churn.session(chance) as client:
        asks = chance.choice(({"recover-from": position}, {"recover-from": "k3f9-1"}, {"history-last": 30}))
        asks |= {"ack": chance.choice(ACKS), "prefetch-count": chance.randrange(1, 20)}
        await client.request("SUBSCRIBE", {"id": 1, "destination": destination, **asks})
        await client.request("SEND", {"destination": destination}, BODY)
        await message(client)


async def operate(churn: Churn, chance: random.Random) -> None:
    """An operator looks who is there and what was said, and ends all sessions of a member, or one of them."""
    headers = {"Authorization": f"Bearer {churn.tokens[0]}"}
    api = f"{churn.doors.http}/api/v1"
    name = f"name-{chance.randrange(20)}"
    for path in (
        f"destinations/history?destination={chance.choice(TOPICS[:3])}&limit=20",
        "destinations/presence?destination=/topic/rooms/1",
    ):
        assert (await fetch(f"{api}/{path}", headers=headers)).status == 200, path
    if churn.turn("operate", 2):
        assert (await fetch(f"{api}/users/{name}/sessions", "DELETE", headers=headers)).status == 200
        return
    answer = await fetch(f"{api}/sessions?user={name}", headers=headers)
    assert answer.status == 200
    for session in json.loads(answer.body)["sessions"][:1]:
        answer = await fetch(f"{api}/sessions/{session['id']}", "DELETE", headers=headers)
        assert answer.status in (204, 404), answer


ACTS: tuple[Act, ...] = (
    talk, talk, talk, roam, attend, attend, whisper, produce, produce, correspond, consume, consume, consume, transact,
    transact, recover, recover, operate, *RUDE,
)  # fmt: skip
