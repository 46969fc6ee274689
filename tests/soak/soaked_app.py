"""The application that is soaked: destinations of every kind, handlers of every kind, and a look into its own process.

``/debug/snapshot`` tells what the process holds. ``/debug/leak`` holds something on purpose: it shows that the checks
find what they look for.
"""

import asyncio
import contextlib
import gc
import os
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import structlog
from allocated import allocated, take, trim
from fastapi import Depends, FastAPI, Header, Response

from stompede import (
    Command,
    Conflate,
    DropOldest,
    History,
    Principal,
    Problem,
    Queue,
    SendCommand,
    Stompede,
    StompSession,
)
from stompede._app.listening import authority_of, listen
from stompede.server.handlers.pool import THREAD_NAME
from stompede.server.session.session import Session
from stompede.transports import listen_tcp

log = structlog.get_logger("soaked")


@contextlib.asynccontextmanager
async def encrypted(_: FastAPI) -> AsyncIterator[None]:
    """A second port for STOMP over TCP, which speaks TLS."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(os.environ["SOAKED_CERTIFICATE"], os.environ["SOAKED_KEY"])
    listener = listen("127.0.0.1", 0)
    settings = app.settings
    server = await listen_tcp(
        app, listener, refused=lambda _: b"", tls=tls, handshakes=app._tls_handshakes,
        handshake_timeout_s=settings.handshake_timeout_s, close_timeout_s=settings.close_timeout_s,
    )  # fmt: skip
    log.info("serving", tls=f"stomp+ssl://{authority_of(listener)}")
    yield
    server.close()


app = Stompede(FastAPI(lifespan=encrypted))
app.destination("/topic/past/{name}", history=History(count=50, size_bytes=64 * 1024))
app.destination("/topic/rooms/{room}", presence=True, history=History(count=10))
app.destination("/topic/flood/cut")
app.destination("/topic/flood/newest", slow=Conflate())
app.destination("/topic/flood/some", slow=DropOldest())
app.destination("/queue/jobs/{name}", queue=Queue(max_deliveries=4, dead_letters="/queue/letters"))
app.destination("/queue/letters", queue=Queue(max_messages=200, full="drop-oldest"))
app.destination("/queue/short/{name}", queue=Queue(max_messages=50, ttl_s=1))

_held: list[Any] = []


class Say(msgspec.Struct):
    text: str


async def lease() -> AsyncIterator[str]:
    """A dependency with an end of its own."""
    await asyncio.sleep(0)
    yield "lease"


@app.message("/echo")
async def echo(body: bytes) -> bytes:
    return body


@app.message("/slow")
async def slow(body: bytes, leased: Annotated[str, Depends(lease)]) -> bytes:
    await asyncio.sleep(0.02)
    return body


@app.message("/hang")
async def hang(leased: Annotated[str, Depends(lease)]) -> None:
    await asyncio.Event().wait()


@app.message("/blocking")
def blocking(body: bytes) -> bytes:
    time.sleep(0.001)
    return body


class AsAsked(Exception):  # noqa: N818 - nothing is wrong
    pass


@app.message("/fail")
async def fail() -> None:
    raise AsAsked


@app.on_error(AsAsked)
def as_asked(error: AsAsked) -> Problem:
    return Problem("as-asked")


@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: str, body: Say, who: Principal | None) -> Say:
    return body


@app.message("/jobs/{name}", publish="/queue/jobs/{name}")
def work(name: str, body: bytes) -> bytes:
    return body


@app.message("/whisper/{name}")
async def whisper(name: str, body: bytes, session: StompSession) -> None:
    await app.send_to_user(name, "/queue/news", body)
    await app.send_to_session(session.id, "/queue/news", body)


@app.message("/threaded")
def threaded(body: bytes) -> None:
    app.publish_threadsafe("/topic/plain", body)


@app.message("/asked")
async def asked(body: bytes, reply_to: Annotated[str, Header("reply-to")]) -> None:
    await app.publish(reply_to, body)


@app.subscribe("/once")
async def once() -> str:
    return "once"


@app.guard("/topic/members/{name}", wildcards=True)
def members_only(who: Principal | None) -> bool:
    return who is not None


@app.intercept
def stamp(command: Command, session: StompSession) -> Command | None:
    if not isinstance(command, SendCommand) or "own" not in command.message.headers:
        return None
    headers = {**command.message.headers, "from": session.id}
    return msgspec.structs.replace(command, message=msgspec.structs.replace(command.message, headers=headers))


@app.authenticate
async def login(name: str, passcode: str) -> Principal:
    return Principal(name)


@app.presence_info
def info(session: StompSession, destination: str) -> Any:
    return {"session": session.id}


@app.on_session_start
async def enter(session: StompSession) -> None:
    await app.routing.put(f"session:{session.id}", "ws://here")


@app.on_session_end
async def leave(session: StompSession, why: str) -> None:
    await app.routing.remove(f"session:{session.id}")


@app.fastapi.post("/debug/token/{name}")
async def token(name: str) -> str:
    return app.issuer.issue(name, ("admin",), 3600, time.time())


@app.fastapi.get("/debug/snapshot")
async def snapshot() -> Response:
    """What the process holds, when the garbage is gone."""
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), allocated()
    loop: Any = asyncio.get_running_loop()
    tasks = Counter(_name_of(task.get_coro()) for task in asyncio.all_tasks())
    timers = Counter(_name_of(timer._callback) for timer in loop._scheduled if not timer.cancelled())
    types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    sockjs: Counter[str] = Counter()
    for service in app._endpoints:
        sockjs.update(msgspec.structs.asdict(service.statistics()))
    routing = app._routing.table.statistics()
    body = {
        "statistics": app.node.statistics(),
        "sockjs": sockjs,
        "routing": routing,
        "compression": app._compressing.statistics(),
        "tasks": tasks,
        "timers": timers,
        "types": types,
        "blocks": blocks,
        "allocated": memory._asdict(),
        "threads": sum(not each.name.startswith(THREAD_NAME) for each in threading.enumerate()),
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


@app.fastapi.post("/debug/trim")
async def give_back() -> None:
    """What malloc keeps free goes back to the system."""
    trim()


def _name_of(called: Any) -> str:
    return str(getattr(called, "__qualname__", type(called).__qualname__))


@app.fastapi.post("/debug/leak/{kind}")
async def leak(kind: str) -> None:
    """Holds something of that kind until the process ends."""
    loop = asyncio.get_running_loop()
    match kind:
        case "task":
            _held.append(loop.create_task(asyncio.Event().wait(), name="leaked"))
        case "timer":
            _held.append(loop.call_later(3600, print))
        case "descriptor":
            _held.append(os.open("/dev/null", os.O_RDONLY))
        case "thread":
            stop = threading.Event()
            threading.Thread(target=stop.wait, daemon=True).start()
            _held.append(stop)
        case "memory":
            _held.append(os.urandom(1024 * 1024) * 32)
        case "objects":
            _held.append([[number] for number in range(30_000)])
        case "strings":
            _held.append([f"{number:09}" for number in range(30_000)])
        case "library":
            take(16 * 1024 * 1024)
        case "session":
            _held.extend(each for each in gc.get_objects() if isinstance(each, Session))
        case "routing":
            await app.routing.put("session:leaked", "ws://here")
        case "nothing":
            pass
        case _:
            raise ValueError(kind)
