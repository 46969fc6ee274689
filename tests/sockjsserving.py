"""SockJS's plain services on a free port, and what tests of them look at again and again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from serving import Served, make_app, serving, until
from sockjsclient import Answer, Exchange, fetch
from stompede.testing.echoes import mount_echoes
from stompede.transports.sockjs import SockJsService
from stompede.transports.sockjs.session import SockJsSession

YEAR = "public, max-age=31536000"
NEVER = "no-store, no-cache, must-revalidate, max-age=0"


@asynccontextmanager
async def echoing(**settings: Any) -> AsyncIterator[Served]:
    """An application with the services that sockjs-protocol knows."""
    app = make_app(**settings)
    mount_echoes(app)
    async with serving(app) as served:
        yield served


def service_of(served: Served, path: str = "/stomp") -> SockJsService:
    return next(service for service in served.app._endpoints if service.path == path)


async def ask(url: str, place: str, method: str = "POST") -> Exchange:
    """A request whose response is not read yet."""
    exchange = await Exchange.open(url)
    await exchange.ask(method, f"{urlsplit(url).path}/{place}")
    return exchange


async def only(served: Served, path: str = "/stomp") -> SockJsSession:
    """The one session there is, once a response carries its messages."""
    service = service_of(served, path)
    await until(
        lambda: any(session.taken for session in service.sessions.values()), "a session with a response"
    )
    return next(iter(service.sessions.values()))


def content_type(answer: Answer | Exchange) -> str:
    return answer.headers["content-type"].replace(" ", "")


def check_cors(answer: Answer | Exchange, origin: str = "*") -> None:
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"


def check_not_cached(answer: Answer | Exchange) -> None:
    assert answer.headers["cache-control"] == NEVER
    assert "expires" not in answer.headers
    assert "last-modified" not in answer.headers


async def check_options(url: str, methods: str) -> None:
    for sent, allowed in ((None, "*"), ("test", "test"), ("null", "*")):
        answer = await fetch(url, "OPTIONS", headers={} if sent is None else {"Origin": sent})
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["cache-control"] == YEAR
        assert answer.headers["expires"]
        assert int(answer.headers["access-control-max-age"]) > 1_000_000
        assert answer.headers["access-control-allow-methods"] == methods
        check_cors(answer, allowed)
