"""How long what a session proved lasts: tokens that run out, keys that are withdrawn, logins."""

import base64
import json
from pathlib import Path

import jwt
import pytest
from test_server_guards import code

from serving import Serve, Served, make_app, until
from stompede import Command, Principal, Settings, Stompede, StompSession, SubscribeCommand

ERRORS = "/session/queue/request-error"


def an_app(**settings: object) -> Stompede:
    app = make_app(**settings)

    @app.guard("/user/queue/offers")
    @app.guard("/topic/offers")
    def members_only(who: Principal) -> bool:
        return True

    return app


# A guarded destination of the member's own.


async def test_a_guarded_user_destination_stops_with_the_token_is_told_and_resumes_with_a_new_one(
    serve: Serve,
) -> None:
    served = await serve(an_app(token_grace_s=30))
    client = await served.member("cook", 10)
    await client.errors()
    await client.subscribe("/user/queue/offers", "guarded")
    await client.subscribe("/user/queue/news", "open")

    async def offer(text: str) -> None:
        await served.app.send_to_user("cook", "/queue/offers", f"offer {text}")
        await served.app.send_to_user("cook", "/queue/news", f"news {text}")

    served.clock.shift = 25
    await offer("1")
    assert [(await client.message()).text for _ in range(2)] == ["offer 1", "news 1"]
    served.clock.shift = 41
    assert await client.told() == ("token-expired", "/user/queue/offers")
    await offer("2")
    assert (await client.message()).text == "news 2"
    await client.request("SEND", {"destination": "/topic/nobody", "Authorization": served.token("cook")}, "x")
    session = served.session(client)
    await until(lambda: not any(each.suspended for each in session.subscriptions.values()))
    await offer("3")
    assert [(await client.message()).text for _ in range(2)] == ["offer 3", "news 3"]


async def test_a_guarded_error_channel_takes_up_nothing_that_an_expired_token_suspended(serve: Serve) -> None:
    app = an_app(token_grace_s=0)
    app.guard(ERRORS)(lambda: True)
    served = await serve(app)
    client = await served.member("cook", 10)
    await client.errors()
    await client.subscribe("/topic/offers", "guarded")
    served.clock.shift = 11
    subscriptions = served.session(client).subscriptions
    await until(lambda: all(each.suspended for each in subscriptions.values()))
    await client.subscribe(ERRORS, "again")
    await served.node.runner.wait_empty()
    assert not subscriptions["again"].suspended
    assert subscriptions["guarded"].suspended
    assert served.node.statistics().hub.subscriptions == 0


# Keys that are withdrawn.

KEYS = {"old": b"o" * 40, "new": b"n" * 40}


class KeyFile:
    """A JWK set of which keys are taken away."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.json"
        self.put("old")

    def put(self, *names: str) -> None:
        keys = [
            {"kty": "oct", "kid": name, "k": base64.urlsafe_b64encode(KEYS[name]).rstrip(b"=").decode()}
            for name in names
        ]
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps({"keys": keys}))
        draft.replace(self.path)

    def app(self) -> Stompede:
        app = Stompede(
            settings=Settings(
                jwt_jwks_file=self.path, jwt_algorithms=("HS256",), token_grace_s=5, close_timeout_s=0.5
            )
        )

        @app.guard("/topic/offers")
        def members_only(who: Principal) -> bool:
            return True

        return app


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path)


def signed(served: Served, name: str) -> str:
    claims = {"sub": "cook", "exp": served.clock.unix_now() + 36_000}
    return "Bearer " + jwt.encode(claims, KEYS[name], "HS256", headers={"kid": name})


async def withdraw(served: Served, key_file: KeyFile) -> None:
    """Takes the old key away; the node looks at the file about once a second."""
    key_file.put("new")
    served.clock.shift += 2
    await until(lambda: served.node.verifier.generation == 1)


async def test_a_withdrawn_key_ends_what_it_proved_with_the_next_frame(
    serve: Serve, key_file: KeyFile
) -> None:
    served = await serve(key_file.app())
    old = signed(served, "old")
    client = await served.client({"Authorization": old})
    await client.errors()
    await client.request("SEND", {"destination": "/topic/offers"}, "x")
    await withdraw(served, key_file)
    await client.send("SEND", {"destination": "/topic/offers", "receipt": "r"}, "x")
    assert await code(client) == "token-expired"
    await client.send("SEND", {"destination": "/topic/offers", "Authorization": old}, "x")
    assert await code(client) == "token-invalid"
    await client.request(
        "SEND", {"destination": "/topic/offers", "Authorization": signed(served, "new")}, "x"
    )
    await client.request("SEND", {"destination": "/topic/offers"}, "x")


async def test_a_withdrawn_key_ends_the_guarded_subscriptions_of_a_silent_session(
    serve: Serve, key_file: KeyFile
) -> None:
    served = await serve(key_file.app())
    client = await served.client({"Authorization": signed(served, "old")})
    await client.errors()
    await client.subscribe("/topic/offers", "guarded")
    await withdraw(served, key_file)
    session = served.session(client)
    served.clock.shift += served.app.settings.idle_timeout_s / 2  # it is looked at again about now
    await until(lambda: session.credentials_deadline is not None and session.generation == 1)
    await served.app.publish("/topic/offers", "within the grace time")
    assert (await client.message()).text == "within the grace time"
    served.clock.shift += 6
    assert await client.told() == ("token-expired", "/topic/offers")
    await served.app.publish("/topic/offers", "not for it")
    await client.request(
        "SEND", {"destination": "/topic/nobody", "Authorization": signed(served, "new")}, "x"
    )
    await until(lambda: served.node.statistics().hub.subscriptions == 1)
    await served.app.publish("/topic/offers", "again")
    assert (await client.message()).text == "again"


# Who may still ask for what.


async def test_a_session_whose_token_ran_out_may_still_subscribe_to_its_errors(serve: Serve) -> None:
    await _subscribes_to_errors(await serve(an_app()))


async def test_a_session_whose_token_ran_out_may_still_subscribe_to_its_errors_also_behind_async_interceptors(
    serve: Serve,
) -> None:
    app = an_app()

    @app.intercept
    async def look(command: SubscribeCommand, session: StompSession) -> Command | None:
        return None

    await _subscribes_to_errors(await serve(app))


async def _subscribes_to_errors(served: Served) -> None:
    client = await served.member("cook", 10)
    served.clock.shift = 60
    await client.send("SUBSCRIBE", {"id": "other", "destination": "/topic/open", "receipt": "other"})
    await client.subscribe(ERRORS, "errors")
    await client.send("SEND", {"destination": "/topic/open"}, "x")
    assert await client.told() == ("token-expired", "/topic/open")
    expired = served.token("cook", -1)
    await client.send("SUBSCRIBE", {"id": "2", "destination": ERRORS, "Authorization": expired})
    assert await code(client) == "token-expired"


async def test_a_short_token_does_not_shorten_the_session_of_a_login(serve: Serve) -> None:
    app = an_app(token_grace_s=0)

    @app.authenticate
    def log_in(login: str, passcode: str) -> Principal:
        return Principal(login)

    served = await serve(app)
    client = await served.client({"login": "cook", "passcode": "x"})
    await client.errors()
    await client.subscribe("/topic/offers", "guarded")
    await client.request(
        "SEND", {"destination": "/topic/nobody", "Authorization": served.token("cook", 10)}, "x"
    )
    served.clock.shift = 60
    await client.request("SEND", {"destination": "/topic/offers"}, "an offer")
    assert (await client.message()).text == "an offer"
