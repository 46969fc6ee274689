"""The HTTP requests of SockJS: who may ask what, and what stands in the answers' heads.

Status codes, bodies and headers are those that the suite sockjs-protocol 0.3.3 asks for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from stompede.transports.asgi import Receive, Scope, Send
from stompede.transports.handshake import HandshakeRefused, admit
from stompede.transports.sockjs.bodies import BODY_TIMEOUT_S, BodyTooLarge, BodyTooSlow, read_messages
from stompede.transports.sockjs.responses import FrameResponse, Headers, send_last, start_frames
from stompede.transports.sockjs.service import SockJsService
from stompede.transports.sockjs.session import SockJsSession
from stompede.wire.sockjs import (
    CALLBACK,
    BodyRefused,
    Location,
    Place,
    Wrapping,
    close_frame,
    iframe_page,
    wrapping_for,
)

_YEAR_S: Final = 31_536_000
_PLAIN: Final = "text/plain; charset=UTF-8"
_NEVER_CACHED: Final = (b"cache-control", b"no-store, no-cache, must-revalidate, max-age=0")
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_COOKIE: Final = re.compile(r"(?:^|;)\s*JSESSIONID=([\w.~-]{1,128})")
_TAKEN: Final = close_frame(2010, "Another connection still open")
_CALLS_BACK: Final = frozenset({Place.HTMLFILE, Place.JSONP})
_PUBLIC: Final = frozenset({Place.GREETING, Place.IFRAME})
_METHODS: Final = {
    Place.XHR: "POST", Place.XHR_SEND: "POST", Place.XHR_STREAMING: "POST", Place.JSONP_SEND: "POST",
}  # fmt: skip


class Request(msgspec.Struct, frozen=True):
    """A request that was understood and may be served."""

    service: SockJsService
    scope: Scope
    headers: Mapping[str, str]
    address: str
    location: Location
    receive: Receive
    send: Send

    def cors(self) -> Headers:
        """Who may read the answer. A page from a file has the origin ``null``, which stands for everybody."""
        origin = self.headers.get("origin", "null")
        asked = self.headers.get("access-control-request-headers")
        return [
            (b"access-control-allow-origin", (b"*" if origin == "null" else origin.encode("latin-1"))),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"Origin"),
            *([(b"access-control-allow-headers", asked.encode("latin-1"))] if asked else []),
        ]

    def private(self, content_type: str) -> Headers:
        """The head of an answer of a session."""
        headers = [(b"content-type", content_type.encode()), _NEVER_CACHED, _NO_SNIFFING, *self.cors()]
        if self.service.options.cookie:
            found = _COOKIE.search(self.headers.get("cookie", ""))
            value = found[1] if found else "dummy"
            headers.append((b"set-cookie", f"JSESSIONID={value}; Path=/".encode()))
        return headers

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Sends a whole answer."""
        if status not in (204, 304):
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def say(self, status: int, sentence: str, *more: tuple[bytes, bytes]) -> None:
        """Answers with a sentence."""
        await self.answer(status, [*self.private(_PLAIN), *more], sentence.encode())


async def serve_http(
    service: SockJsService, location: Location, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answers one request to an endpoint.

    Args:
        service: the endpoint.
        location: what the path leads to.
        scope: ASGI scope.
        receive: ASGI receive.
        send: ASGI send.
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    peer = (scope.get("client") or ("",))[0]
    request = Request(service, scope, headers, peer, location, receive, send)
    allowed = _METHODS.get(location.place, "GET")
    handler: Callable[[Request], Awaitable[None]]
    if scope["method"] == "OPTIONS" and location.place not in _PUBLIC | {
        Place.WEBSOCKET,
        Place.RAW_WEBSOCKET,
    }:
        handler = _options
    elif scope["method"] != allowed:
        await request.answer(405, [(b"allow", allowed.encode())])
        return
    else:
        handler = _HANDLERS[location.place]
    if location.place not in _PUBLIC:
        try:
            admitted = admit(_with_origin(headers), peer, scope.get("scheme") == "https", service.rules)
        except HandshakeRefused as refused:
            text = [(b"content-type", _PLAIN.encode()), _NEVER_CACHED]
            await request.answer(refused.status, text, refused.detail.encode())
            return
        request = msgspec.structs.replace(request, address=admitted.address)
    await handler(request)


def _with_origin(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Scripts and frames of other sites ask without an ``Origin``; browsers say so in another way."""
    if "origin" in headers or headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return headers
    origin = re.match(r"https?://[^/]+", headers.get("referer", ""))
    return {**headers, "origin": origin[0] if origin else "null"}


# What belongs to no session.


async def _greeting(request: Request) -> None:
    await request.answer(200, [(b"content-type", _PLAIN.encode()), _NO_SNIFFING], b"Welcome to SockJS!\n")


async def _info(request: Request) -> None:
    options = request.service.options
    body = {
        "websocket": "websocket" in options.transports,
        "origins": ["*:*"],
        "cookie_needed": options.cookie,
        "entropy": secrets.randbits(32),
    }
    head = [(b"content-type", b"application/json; charset=UTF-8"), _NEVER_CACHED, _NO_SNIFFING]
    await request.answer(200, [*head, *request.cors()], json.dumps(body).encode())


async def _iframe(request: Request) -> None:
    page = iframe_page(request.service.options.client_url)
    etag = f'"{hashlib.sha256(page).hexdigest()[:32]}"'
    headers = [
        *_cached(),
        (b"etag", etag.encode()),
        (b"content-security-policy", _ancestors(request.service)),
    ]
    if request.headers.get("if-none-match") == etag:
        await request.answer(304, headers)
    else:
        await request.answer(200, [(b"content-type", b"text/html; charset=UTF-8"), *headers], page)


async def _options(request: Request) -> None:
    methods = f"OPTIONS, {_METHODS.get(request.location.place, 'GET')}"
    await request.answer(
        204,
        [
            *_cached(),
            *request.cors(),
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-max-age", str(_YEAR_S).encode()),
        ],
    )


def _cached() -> Headers:
    expires = formatdate(time.time() + _YEAR_S, usegmt=True)
    return [(b"cache-control", f"public, max-age={_YEAR_S}".encode()), (b"expires", expires.encode())]


def _ancestors(service: SockJsService) -> bytes:
    """Which pages may hold ours in a frame: those whose origin may open a WebSocket."""
    return " ".join(("frame-ancestors 'self'", *sorted(service.rules.allowed_origins))).encode()


async def _no_upgrade(request: Request) -> None:
    if request.headers.get("upgrade", "").lower() != "websocket":
        sentence = 'Can "Upgrade" only to "WebSocket".'
    else:
        sentence = '"Connection" must be "Upgrade".'
    await request.answer(400, [(b"content-type", _PLAIN.encode())], sentence.encode())


# What belongs to a session.


async def _frames(request: Request) -> None:
    place = request.location.place
    callback = ""
    if place in _CALLS_BACK:
        query = parse_qs(request.scope.get("query_string", b"").decode("latin-1"))
        callback = (query.get("c") or query.get("callback") or [""])[0]
        if not CALLBACK.fullmatch(callback):
            wrong = 'invalid "callback" parameter' if callback else '"callback" parameter required'
            await request.say(500, wrong)
            return
    wrapping = wrapping_for(place, callback)
    headers = request.private(wrapping.content_type)
    if place is Place.HTMLFILE:
        headers.append((b"content-security-policy", _ancestors(request.service)))
    await _carry(request, wrapping, headers)


async def _carry(request: Request, wrapping: Wrapping, headers: Headers) -> None:
    service, key = request.service, request.location.session
    session = service.sessions.get(key)
    last = service.ended.get(key) if session is None else _TAKEN if session.taken else None
    if last is not None:
        await start_frames(request.send, wrapping, headers)
        await send_last(request.send, wrapping, last)
        return
    if session is None:
        busy = service.acceptor.refuse(request.address)
        if busy is not None:
            again = [(b"retry-after", str(busy.retry_after_s).encode())] if busy.retry_after_s else []
            await request.say(busy.status, busy.sentence, *again)
            return
        session = service.open(key, request.address)
    extensions: Any = request.scope.get("extensions") or {}
    cut: Callable[[], None] | None = extensions.get("stompede.abort")
    response = FrameResponse(session, wrapping, service.options.stream_bytes, request.send, cut)
    await response.run(request.receive, headers)


async def _messages(request: Request) -> None:
    service, key = request.service, request.location.session
    session = service.sessions.get(key)
    if session is None:
        if key in service.ended:  # it is told so by the next frame
            await _taken_in(request)
        else:
            await request.say(404, "there is no such session")
        return
    if session.posts >= service.options.max_posts:
        service.posts_refused += 1
        await request.say(429, "too many requests of this session wait already (sockjs_max_posts)")
        return
    session.posts += 1
    try:
        taken = await _take(request, session)
    finally:
        session.posts -= 1
    if taken:
        await _taken_in(request)


async def _take(request: Request, session: SockJsSession) -> bool:
    """Waits for a request's turn, reads its messages and hands them over; says what is wrong where that cannot be."""
    inbox = session.inbox()
    try:
        async with session.while_it_lives():
            await inbox.acquire()
    except TimeoutError:
        await request.say(404, "the session has ended")
        return False
    try:
        return await _read(request, session)
    finally:
        inbox.release()


async def _read(request: Request, session: SockJsSession) -> bool:
    try:
        async with session.while_it_lives() as scope:
            scope.reschedule(asyncio.get_running_loop().time() + BODY_TIMEOUT_S)
            messages = await read_messages(
                request.receive,
                request.headers,
                request.service.options,
                session.progress,
                forms=request.location.place is Place.JSONP_SEND,
            )
    except TimeoutError:
        await request.say(408, "the body did not come in time, or its session has ended meanwhile")
    except BodyRefused as refused:
        await request.say(500, str(refused))
    except BodyTooSlow:
        await request.say(408, "the body stopped coming")
    except BodyTooLarge as large:
        await request.say(413, str(large))
        session.refuse(1009, str(large))
    else:
        await session.take(messages)
        return True
    return False


async def _taken_in(request: Request) -> None:
    if request.location.place is Place.JSONP_SEND:
        await request.say(200, "ok")  # a browser submits this as a form, and wants something to show
    else:
        await request.answer(204, request.private(_PLAIN))


_HANDLERS: Final[Mapping[Place, Callable[[Request], Awaitable[None]]]] = {
    Place.GREETING: _greeting,
    Place.INFO: _info,
    Place.IFRAME: _iframe,
    Place.WEBSOCKET: _no_upgrade,
    Place.RAW_WEBSOCKET: _no_upgrade,
    Place.XHR: _frames,
    Place.XHR_STREAMING: _frames,
    Place.EVENTSOURCE: _frames,
    Place.HTMLFILE: _frames,
    Place.JSONP: _frames,
    Place.XHR_SEND: _messages,
    Place.JSONP_SEND: _messages,
}
