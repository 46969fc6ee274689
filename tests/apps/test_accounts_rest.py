from datetime import datetime

import argon2
import httpx
import pytest
from fastapi import FastAPI

from stompede import TokenIssuer
from stompede.apps.accounts import Passwords, accounts_router, demo_accounts
from stompede.auth import FixedKeys, KeySet, TokenVerifier, bearer_token, secret_key

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def passwords():
    made = Passwords(threads=1, hasher=argon2.PasswordHasher(1, 8, 1))
    yield made
    made.close()


def client_of(clock, passwords, **options):
    verifier = TokenVerifier(FixedKeys(KeySet([secret_key(SECRET)])), algorithms=["HS256"])

    async def prove(authorization):
        return await verifier.verify(bearer_token(authorization), clock())

    app = FastAPI()
    accounts = demo_accounts(clock=clock, passwords=passwords)
    app.include_router(accounts_router(accounts, TokenIssuer(SECRET), prove, clock=clock, **options))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


@pytest.fixture
async def client(clock, passwords):
    async with client_of(clock, passwords, choose_ttl=True) as client:
        yield client


def check_problem(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    return problem


async def login(client, **body):
    return await client.post("/api/v1/login", json={"login": "cook", "password": "cook", **body})


async def test_a_login_gives_a_token_that_me_accepts(client):
    answer = await login(client, login="admin", password="admin")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["member"] == {"name": "admin", "displayName": "The administrator", "scopes": ["admin"]}
    assert datetime.fromisoformat(body["expiresAt"]).timestamp() == NOW + 3600
    assert body["expiresAt"].endswith("Z")
    me = await client.get("/api/v1/me", headers={"Authorization": f"bearer {body['token']}"})
    assert me.json() == {**body["member"], "expiresAt": body["expiresAt"]}


async def test_a_riders_token_names_its_number(client, clock):
    token = (await login(client, login="rider-7", password="rider")).json()["token"]
    verifier = TokenVerifier(FixedKeys(KeySet([secret_key(SECRET)])), algorithms=["HS256"])
    principal = verifier.verify_nowait(token, NOW)
    assert principal.claims["riderId"] == 7
    assert principal.name == "rider-7"


@pytest.mark.parametrize("name", ["cook", "nobody"])
async def test_a_wrong_login_is_a_problem(client, name):
    answer = await login(client, login=name, password="s3cret")
    problem = check_problem(answer, 401, "login-failed")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "s3cret" not in answer.text
    assert problem["detail"] == "the login or the password is wrong"


async def test_after_too_many_failures_it_says_when_to_come_again(client):
    for _ in range(10):
        await login(client, password="x")
    answer = await login(client)
    check_problem(answer, 429, "rate-limited")
    assert answer.headers["retry-after"] == "6"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"{", "JSON"),
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"login": "cook"}', "password"),
        (b'{"login": 7, "password": "s3cret"}', "login"),
        (b'{"login": "", "password": "s3cret"}', "login"),
        (b'{"login": "s3cret", "password": ["s3cret"]}', "password"),
        (b'{"login": "cook", "password": "\\ud800"}', "hex escape"),
        (b'{"login": "cook", "password": "cook", "ttlS": 0.5}', "ttlS"),
        (b'{"login": "cook", "password": "cook", "ttlS": 3601}', "ttlS"),
        (b'{"login": "cook", "password": "cook", "ttlS": NaN}', "ttlS"),
        (b'{"login": "cook", "password": "cook", "scope": "admin"}', "scope"),
        (b"\xff", "JSON"),
    ],
)
async def test_a_malformed_login_names_the_field_and_repeats_nothing(client, body, names):
    answer = await client.post("/api/v1/login", content=body)
    problem = check_problem(answer, 422, "invalid-body")
    assert names in problem["detail"]
    assert "s3cret" not in answer.text


async def test_a_large_body_is_not_read(client):
    async def endless():
        while True:
            yield b" " * 1024

    check_problem(await client.post("/api/v1/login", content=endless()), 413, "too-large")


async def test_the_demo_may_choose_a_short_life_and_nobody_else(client, clock, passwords):
    token = (await login(client, ttlS=2)).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
    clock.now += 2
    answer = await client.get("/api/v1/me", headers=headers)
    check_problem(answer, 401, "token-expired")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    async with client_of(clock, passwords) as strict:
        check_problem(await login(strict, ttlS=2), 422, "invalid-body")
        assert (await login(strict)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token-missing"),
        ({"Authorization": "Basic x"}, "token-invalid"),
        ({"Authorization": "Bearer x"}, "token-invalid"),
    ],
)
async def test_me_needs_a_good_token(client, headers, code):
    answer = await client.get("/api/v1/me", headers=headers)
    check_problem(answer, 401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_member_without_a_shown_name_is_shown_by_its_name(client):
    token = TokenIssuer(SECRET).issue("somebody", (), 60, NOW)
    me = (await client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).json()
    assert me["displayName"] == "somebody"


async def test_the_routes_are_documented(client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    schema = paths["/api/v1/login"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"login", "password", "ttlS"}
    assert "401" in paths["/api/v1/login"]["post"]["responses"]
    assert paths["/api/v1/me"]["get"]["security"] == [{"HTTPBearer": []}]
