"""Keys by JWKS, rotated while sessions are connected."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from serving import Serve, make_app
from stompede import Principal, Stompede
from stompsocket import StompSocket

sys.path.append(str(Path(__file__).parents[1] / "auth"))
from auth_support import Pair, make_pair


class Provider:
    """Serves a JWKS document."""

    def __init__(self) -> None:
        self.keys: dict[str, Pair] = {}
        self.asked = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        keys = [
            {**pair.jwk, "kid": kid, "alg": pair.algorithm, "use": "sig"} for kid, pair in self.keys.items()
        ]
        body = json.dumps({"keys": keys}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    def token(self, kid: str, name: str = "cook", ttl_s: float = 3600, pair: Pair | None = None) -> str:
        claims = {"sub": name, "exp": time.time() + ttl_s}
        key = pair or self.keys[kid]
        return "Bearer " + jwt.encode(claims, key.private_pem, key.algorithm, {"kid": kid})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    yield provider
    server.close()


def an_app(provider: Provider) -> Stompede:
    app = make_app(jwt_secret=None, jwt_jwks_url=provider.url, jwt_algorithms="ES256,EdDSA", token_grace_s=0)

    @app.message("/whoami")
    async def whoami(who: Principal | None) -> str:
        return who.name if who else "guest"

    return app


async def ask(client: StompSocket, token: str) -> Any:
    await client.send("SEND", {"destination": "/app/whoami", "Authorization": token})
    message = await client.message()
    if message.headers["destination"].endswith("replies"):
        return message.text
    return json.loads(message.body)["code"]


async def test_a_token_of_a_key_that_is_new_is_waited_for_on_every_kind_of_frame(
    serve: Serve, provider: Provider
) -> None:
    provider.keys["old"] = make_pair("ES256")
    served = await serve(an_app(provider))
    client = await served.open()
    await client.connect({"Authorization": provider.token("old")})
    await client.errors()
    await client.replies()
    asked = provider.asked
    provider.keys["send"] = make_pair("EdDSA")
    served.clock.shift += 600
    assert await ask(client, provider.token("send")) == "cook"
    provider.keys["subscribe"] = make_pair("EdDSA")
    served.clock.shift += 600
    await client.subscribe("/topic/a", 7, Authorization=provider.token("subscribe"))
    provider.keys["connect"] = make_pair("ES256")
    served.clock.shift += 600
    other = await served.open()
    assert (await other.connect({"Authorization": provider.token("connect")})).headers["user-name"] == "cook"
    assert provider.asked >= asked + 3


async def test_a_key_that_nobody_knows_is_invalid_and_does_not_ask_each_time(
    serve: Serve, provider: Provider
) -> None:
    provider.keys["one"] = make_pair("ES256")
    served = await serve(an_app(provider))
    client = await served.client()
    await client.errors()
    await client.replies()
    stranger = make_pair("ES256")
    for _ in range(20):
        assert await ask(client, provider.token("unknown", pair=stranger)) == "token-invalid"
        assert await ask(client, provider.token("one", pair=stranger)) == "token-invalid"
    assert provider.asked <= 3


async def test_a_node_whose_provider_is_away_starts_and_says_unavailable(
    serve: Serve, provider: Provider
) -> None:
    provider.url = "http://127.0.0.1:9/jwks"
    served = await serve(an_app(provider))
    served.may_fail = True
    client = await served.client()
    await client.errors()
    await client.replies()
    assert await ask(client, provider.token("any", pair=make_pair("ES256"))) == "unavailable"
    await client.settle()


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
async def test_algorithms_are_pinned(serve: Serve, provider: Provider, algorithm: str) -> None:
    pair = provider.keys["one"] = make_pair("ES256")
    served = await serve(an_app(provider))
    client = await served.client()
    await client.errors()
    claims = {"sub": "cook", "exp": time.time() + 3600}
    key = "x" * 64 if algorithm == "HS256" else None
    token = jwt.encode(claims, key, algorithm, {"kid": "one"})  # type: ignore[arg-type]
    assert await ask(client, f"Bearer {token}") == "token-invalid"
    assert pair
