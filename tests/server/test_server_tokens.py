"""JWT in the Authorization header of any frame; time is moved, not waited for."""

import json
from typing import Any

import pytest

from serving import Serve, Served, make_app, until
from stompede import Message, Principal, Problem, Stompede
from stompsocket import StompSocket


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)

    @app.message("/whoami")
    async def whoami(who: Principal | None) -> str:
        return who.name if who else "guest"

    @app.message("/headers", publish="/topic/headers")
    async def headers(message: Message) -> dict[str, str]:
        return dict(message.headers)

    @app.guard("/topic/members/{room}")
    def members_only(who: Principal) -> bool:
        return who.name != "baker"

    return app


async def ready(client: StompSocket) -> StompSocket:
    await client.errors()
    await client.replies()
    return client


async def ask(client: StompSocket, token: str | None = None) -> str:
    """Who the server takes the sender for, or the code of its refusal."""
    headers = {"destination": "/app/whoami"}
    if token is not None:
        headers["Authorization"] = token
    await client.send("SEND", headers)
    message = await client.message()
    if message.headers["destination"] == "/session/queue/replies":
        return message.text
    code: str = json.loads(message.body)["code"]
    return code


async def test_a_token_on_any_frame_makes_an_anonymous_session_a_members_once(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    assert await ask(client) == "guest"
    assert await ask(client, served.token("cook")) == "cook"
    assert await ask(client) == "cook"
    assert served.node.statistics().members == 1
    assert await ask(client, served.token("baker")) == "principal-mismatch"
    assert await ask(client) == "cook", "and the session lives on as it was"


async def test_a_token_on_subscribe_counts_as_well(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    await client.request(
        "SUBSCRIBE", {"id": 1, "destination": "/topic/members/a", "authorization": served.token("cook")}
    )
    assert await ask(client) == "cook"


async def test_an_expired_token_on_one_frame_is_a_soft_error_and_the_session_lives_on(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    short, long = served.token("cook", 10), served.token("cook", 3600)
    served.clock.shift = 60
    assert await ask(client, short) == "token-expired"
    assert await ask(client) == "guest"
    assert await ask(client, long) == "cook"
    assert await ask(client, short) == "token-expired"
    assert await ask(client) == "cook"


async def test_a_session_whose_token_ran_out_needs_a_new_one_and_a_valid_one_renews_it(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.member("cook", 10))
    assert await ask(client) == "cook"
    served.clock.shift = 60
    assert await ask(client) == "token-expired"
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/topic/members/a"})
    assert json.loads((await client.message()).body)["code"] == "token-expired"
    assert await ask(client, served.token("cook")) == "cook"
    assert await ask(client) == "cook"


@pytest.mark.parametrize(
    ("token", "code"), [("Bearer x.y.z", "token-invalid"), ("Bearer", "token-missing"), ("", "token-missing")]
)
async def test_a_token_that_does_not_count_is_a_soft_error(serve: Serve, token: str, code: str) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    assert await ask(client, token) == code
    assert await ask(client) == "guest"


async def test_a_token_of_another_key_is_invalid(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    stranger = make_app(jwt_secret="another secret that is long enough for HS256").issuer
    token = stranger.issue("cook", (), 3600, served.clock.unix_now())
    assert await ask(client, f"Bearer {token}") == "token-invalid"


async def test_a_token_is_verified_once_and_remembered_until_it_expires(serve: Serve) -> None:
    served = await serve(an_app())
    client = await ready(await served.client())
    token = served.token("cook", 100)
    before = served.node.statistics().tokens.verified
    for _ in range(5):
        assert await ask(client, token) == "cook"
    assert served.node.statistics().tokens.verified == before + 1
    served.clock.shift = 200
    assert await ask(client, token) == "token-expired"


async def test_anonymous_is_refused_softly_where_a_handler_wants_a_member(serve: Serve) -> None:
    app = an_app()

    @app.message("/members")
    async def members(who: Principal) -> str:
        return who.name

    served = await serve(app)
    client = await ready(await served.client())
    await client.send("SEND", {"destination": "/app/members"})
    assert json.loads((await client.message()).body)["code"] == "login-required"


# A silent subscriber.


async def silent(served: Served, ttl_s: float = 10) -> StompSocket:
    client = await ready(await served.member("cook", ttl_s))
    await client.subscribe("/topic/members/a", "guarded")
    await client.subscribe("/topic/open", "open")
    return client


async def publish(served: Served, text: str) -> None:
    await served.app.publish("/topic/members/a", f"guarded {text}")
    await served.app.publish("/topic/open", f"open {text}")


async def test_a_silent_subscriber_is_suspended_after_the_grace_time_and_told_why(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=30))
    client = await silent(served)
    served.clock.shift = 25
    await publish(served, "1")
    assert {(await client.message()).text for _ in range(2)} == {"guarded 1", "open 1"}
    served.clock.shift = 41
    told = await client.message()
    body = json.loads(told.body)
    assert (body["code"], body["destination"]) == ("token-expired", "/topic/members/a")
    await publish(served, "2")
    assert (await client.message()).text == "open 2"
    assert served.logged("told", session=client.session)
    assert served.node.statistics().hub.subscriptions == 1


async def test_a_new_token_resumes_what_was_suspended(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=0))
    client = await silent(served)
    served.clock.shift = 11
    await client.message()
    assert await ask(client, served.token("cook")) == "cook"
    await until(lambda: served.node.statistics().hub.subscriptions == 2)
    await publish(served, "again")
    assert {(await client.message()).text for _ in range(2)} == {"guarded again", "open again"}
    await client.request("UNSUBSCRIBE", {"id": "guarded"})
    await publish(served, "last")
    assert (await client.message()).text == "open last"


async def test_a_renewal_in_time_suspends_nothing(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=5))
    client = await silent(served)
    served.clock.shift = 8
    assert await ask(client, served.token("cook", 3600)) == "cook"
    served.clock.shift = 60
    other = await served.client()
    await until(
        lambda: served.node.deadlines._last and served.node.deadlines._last * 0.25 > served.clock.now() - 1
    )
    await other.settle()
    await publish(served, "still")
    assert {(await client.message()).text for _ in range(2)} == {"guarded still", "open still"}


async def test_an_older_token_shortens_nothing(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=0))
    client = await silent(served, 3600)
    assert await ask(client, served.token("cook", 10)) == "cook"
    served.clock.shift = 60
    assert await ask(client) == "cook"


async def test_what_was_suspended_may_be_unsubscribed_and_then_stays_away(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=0))
    client = await silent(served)
    served.clock.shift = 11
    await client.message()
    await client.request("UNSUBSCRIBE", {"id": "guarded"})
    assert await ask(client, served.token("cook")) == "cook"
    await publish(served, "x")
    assert (await client.message()).text == "open x"


async def test_guards_are_asked_again_at_a_resumption(serve: Serve) -> None:
    app = make_app(token_grace_s=0)
    allowed = ["cook"]

    @app.guard("/topic/members/{room}")
    def members_only(who: Principal) -> bool:
        return who.name in allowed

    @app.message("/whoami")
    async def whoami(who: Principal | None) -> str:
        return who.name if who else "guest"

    served = await serve(app)
    client = await silent(served)
    served.clock.shift = 11
    await client.message()
    allowed.clear()
    await client.send("SEND", {"destination": "/app/whoami", "Authorization": served.token("cook")})
    codes = [
        json.loads(frame.body).get("code")
        for frame in [await client.message() for _ in range(2)]
        if frame.body != b"cook"
    ]
    assert codes == ["forbidden"]
    await publish(served, "x")
    assert (await client.message()).text == "open x"


async def test_a_session_without_guarded_subscriptions_is_not_troubled(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=0))
    client = await ready(await served.member("cook", 10))
    await client.subscribe("/topic/open")
    served.clock.shift = 60
    await served.app.publish("/topic/open", "x")
    assert (await client.message()).text == "x"
    assert not served.logged("told")


# Secrets.

SECRETS = ("Authorization", "authorization", "login", "passcode", "receipt", "transaction")


async def test_secrets_of_a_frame_reach_no_message_no_handler_and_no_log(serve: Serve) -> None:
    served = await serve(an_app())
    client, listener = await served.client(), await served.client()
    await listener.subscribe("/topic/a", 1)
    await listener.subscribe("/topic/headers", 2)
    token = served.token("cook")
    for destination in ("/topic/a", "/app/headers"):
        headers: dict[str, object] = {
            "destination": destination, "Authorization": token, "login": "the-login", "passcode": "the-passcode",
            "receipt": "the-receipt", "x-own": "kept", "client-request-code": "kept too", "content-type": "text/x",
        }  # fmt: skip
        await client.send("SEND", headers, "{}")
        seen = str(await listener.message())
        assert "kept" in seen
        assert "kept too" in seen
        for secret in (token.split()[1], "the-login", "the-passcode", "the-receipt"):
            assert secret not in seen
            assert secret not in str(served.logs)
    message = await _direct(client, listener)
    assert message.headers["content-type"] == "text/x"
    assert not {name.lower() for name in message.headers} & {name.lower() for name in SECRETS}


async def _direct(client: StompSocket, listener: StompSocket) -> Any:
    await client.send(
        "SEND", {"destination": "/topic/a", "AUTHORIZATION": "Bearer", "content-type": "text/x"}, "x"
    )
    await client.send("SEND", {"destination": "/topic/a", "content-type": "text/x"}, "x")
    return await listener.message()


async def test_a_clients_message_id_and_subscription_are_never_delivered_as_such(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe("/topic/a", "mine")
    await client.send(
        "SEND",
        {"destination": "/topic/a", "message-id": "forged", "subscription": "forged", "content-length": 1},
        "x",
    )
    message = await client.message()
    assert message.headers["subscription"] == "mine"
    assert message.headers["message-id"] != "forged"
    assert message.headers["content-length"] == "1"


async def test_check_access_and_prove_serve_http_routes(serve: Serve) -> None:
    served = await serve(an_app())
    assert await served.app.prove(None) is None
    principal = await served.app.prove(served.token("cook"))
    assert principal is not None
    await served.app.check_access("subscribe", "/topic/members/a", principal)
    with pytest.raises(Problem):
        await served.app.check_access("subscribe", "/topic/members/a", None)
