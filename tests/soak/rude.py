"""What clients do who break rules, ask for too much, read nothing or vanish; those of SockJS vanish between two
requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import ssl
from urllib.parse import urlsplit

from churn import BODY, Act, Churn, message, settled
from websockets.frames import Frame, Opcode

from sockjsclient import METHODS, Exchange, SockJsStomp, fetch
from stompline import StompLine
from stompsocket import Closed, StompSocket, encode

_names = itertools.count()


async def dawdle(churn: Churn, chance: random.Random) -> None:
    """Reads nothing while much comes for it; what is said of its destination happens."""
    destination = f"/topic/flood/{('cut', 'newest', 'some')[churn.turn('dawdle', 3)]}"
    async with churn.session(chance, leaves=False, receive_buffer=4096) as client:
        await client.subscribe(destination, ack=chance.choice(("auto", "auto", "client")))
        async with churn.session(chance) as flood:
            body = chance.randbytes(60_000)  # which no compression makes any shorter
            for _ in range(chance.randrange(5, 80)):
                await flood.send("SEND", {"destination": destination, "content-length": len(body)}, body)
            await settled(flood)
        if chance.random() < 0.5:  # reads again, a little
            await client.frame()


async def freeze(churn: Churn, chance: random.Random) -> None:
    """Promises heart-beats, and is silent until the node gives it up."""
    async with churn.session(chance, beats="100,0", leaves=False) as client:
        await client.subscribe("/queue/jobs/a", "work", ack="client")
        await client.closed()


async def hang(churn: Churn, chance: random.Random) -> None:
    """Asks for what takes too long; waits for the error, or goes."""
    async with churn.session(chance) as client:
        await client.errors()
        await client.send("SEND", {"destination": "/app/hang"}, BODY)
        if churn.turn("hang", 2):
            await message(client)


async def overstep(churn: Churn, chance: random.Random) -> None:
    """More than one session may have: it is told so, or ended."""
    way = churn.turn("overstep", 5)
    if way == 0:  # becomes 5 MB
        door = f"{churn.doors.websockets[0]}/stomp"
        async with await StompSocket.open(door, extensions=churn.offers(chance)) as client:
            await client.connect()
            bomb = Frame(Opcode.TEXT, b"\n" * 5_000_000)
            await client.send_bytes(bomb.serialize(mask=True, extensions=client.protocol.extensions))
            assert (await client.closed()).code == 1009
        return
    async with churn.session(chance, leaves=False) as client:
        await client.errors()
        if way == 1:
            head = encode("SEND", {"destination": "/topic/plain", "content-length": 1_000_000})[:-1]
            await client.send_bytes(head) if isinstance(client, StompLine) else await client.send_ws(head)
            await client.closed()
        elif way == 2:
            await client.send("SEND", {"destination": "/topic/plain", "long": "x" * 20_000})
            await client.closed()
        elif way == 3:
            for number in range(100):
                await client.send("BEGIN", {"transaction": number})
            await client.closed()
        else:
            for number in range(100):
                await client.send("SUBSCRIBE", {"id": number, "destination": "/topic/nobody-speaks"})
            await message(client)


async def vanish(churn: Churn, chance: random.Random) -> None:
    """A SockJS session over HTTP whose client is never heard of again, asks twice, or closes in order."""
    kind = list(METHODS)[churn.turn("vanish", len(METHODS))]
    door = chance.choice(churn.doors.websockets).replace("ws", "http", 1)
    client = SockJsStomp(f"{door}/stomp", kind)
    try:
        await client.open()
        if chance.random() < 0.1:
            return
        login = {"login": f"name-{chance.randrange(20)}", "passcode": "x"}
        await client.connect(**chance.choice(({}, login)))
        for destination in ("/topic/rooms/1", "/session/queue/request-error"):
            await client.subscribe(destination, destination)
        await client.send("SUBSCRIBE", {"id": 1, "destination": "/queue/jobs/a", "ack": "client"})
        await client.send("BEGIN", {"transaction": "t"})
        await client.request("SEND", {"destination": "/queue/jobs/b"}, BODY)
        way = chance.randrange(4)
        if way == 0:
            await client.send("DISCONNECT")
            await client.receive()
        elif way == 1:  # asks once more, and does not wait for the answer
            with contextlib.closing(await Exchange.open(client.url)) as again:
                await again.ask(METHODS[kind], client.receiving_url.removeprefix(door))
        churn.done[f"{kind} to the end"] += 1
    except AssertionError as error:  # it asked too late, and perhaps began another session by that
        if client.closed is None and "no such session" not in str(error):
            raise
        raise Closed(*(client.closed or (None, ""))) from None
    finally:
        client.drop()


async def wrap(churn: Churn, chance: random.Random) -> None:
    """A SockJS session over WebSocket, whose client says much at once and goes, or closes in order."""
    url = f"{chance.choice(churn.doors.websockets)}/stomp/000/framed-{next(_names)}/websocket"
    frames = [
        ("CONNECT", {"accept-version": "1.2", "host": "x"}, ""),
        ("SUBSCRIBE", {"id": 1, "destination": "/topic/plain"}, ""),
        ("SUBSCRIBE", {"id": 2, "destination": "/queue/jobs/b", "ack": "client"}, ""),
        ("BEGIN", {"transaction": "t"}, ""),
        ("SEND", {"destination": "/topic/plain"}, BODY),
    ]
    stays = chance.random() < 0.5
    async with await StompSocket.open(url, extensions=churn.offers(chance)) as client:
        if stays:
            frames.append(("DISCONNECT", {}, ""))
        text = json.dumps([encode(*each).decode() for each in frames]).encode()
        packed = Frame(Opcode.TEXT, text).serialize(mask=True, extensions=client.protocol.extensions)
        await client.send_bytes(packed)
        if stays:
            await client.closed()


async def knock(churn: Churn, chance: random.Random) -> None:
    """Part of a handshake, or a handshake and no CONNECT, or a CONNECT that is refused."""
    way = churn.turn("knock", 7)
    if way < 2:
        doors = churn.doors.http, churn.doors.lines[0], churn.doors.encrypted[0]
        request = b"GET /stomp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        await say(chance.choice(doors), request[: chance.randrange(len(request))], wait=way == 1)
    elif way == 2:  # the beginning of a TLS handshake
        await say(churn.doors.encrypted[0], b"\x16\x03\x01\x02\x00\x01", wait=False)
    elif way == 3:
        for path in ("/stomp/info", "/stomp/iframe.html", "/stomp/000/nobody/xhr_send"):
            await fetch(churn.doors.http + path, "POST" if path.endswith("send") else "GET")
    else:
        async with await churn.open(chance) as client:
            if way == 4:
                refused = {"accept-version": "1.2", "host": "x", "Authorization": "Bearer x.y.z"}
                await client.send("CONNECT", refused)
                await client.error()
            elif way == 5:
                await client.connect()
                await client.send("NONSENSE")
                await client.error()


async def break_off(churn: Churn, chance: random.Random) -> None:
    """A TLS handshake of which the node hears a part: of the client's first words, or of its last ones."""
    target = urlsplit(churn.doors.encrypted[0])
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = churn.doors.trust.wrap_bio(heard, said, server_hostname=target.hostname)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        if churn.turn("break_off", 2):
            writer.write(said.read())
            async with asyncio.timeout(20):
                while said.pending == 0:
                    heard.write(await reader.readexactly(1) + await reader.read(65536))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        tls.do_handshake()
        data = said.read()
        writer.write(data[: chance.randrange(1, len(data))])
        await writer.drain()
    finally:
        writer.transport.abort()


async def say(url: str, data: bytes, *, wait: bool) -> None:
    """Bytes for a server that may wait for more of them, or for none."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        writer.write(data)
        await writer.drain()
        if wait:
            async with asyncio.timeout(20):
                await reader.read()
    finally:
        writer.transport.abort()


RUDE: tuple[Act, ...] = (
    dawdle,
    freeze,
    hang,
    overstep,
    vanish,
    vanish,
    vanish,
    wrap,
    knock,
    knock,
    break_off,
)
