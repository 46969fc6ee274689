"""The rules of what goes out when, without a socket and without time."""

import asyncio
import logging

import msgspec
import pytest

from stompede.client.changes import Changes
from stompede.client.courier import Courier
from stompede.client.frames import Outgoing, SendQueue
from stompede.client.standing import Standing
from stompede.client.tokens import TokenSource
from stompede.errors import LimitError, RequestError, SessionClosedError, StompedeError

ERRORS = "/session/queue/request-error"


class Written:
    """Where frames go."""

    def __init__(self) -> None:
        self.frames: list[Outgoing] = []
        self.authorizations: list[str | None] = []

    def send(self, frame: Outgoing, authorization: str | None) -> None:
        self.frames.append(frame)
        self.authorizations.append(authorization)

    def said(self) -> list[str]:
        return [f"{frame.command} {frame.destination or frame.headers.get('id')}" for frame in self.frames]


class Setup:
    """A courier and all that it tells."""

    def __init__(self, token: object = None) -> None:
        self.reported: list[RequestError] = []
        self.wire = Written()
        self.may_renew = True
        self.tokens = TokenSource(token)  # type: ignore[arg-type]
        self.courier = Courier(
            self.tokens,
            SendQueue(3, 10_000),
            report=self.reported.append,
            changes=Changes(),
            may_renew=lambda: self.may_renew,
        )

    def connect(self) -> None:
        self.wire = Written()
        self.courier.attach(self.wire)
        for frame in list(self.wire.frames):
            if frame.receipt is not None:
                self.courier.on_receipt(frame.receipt)
        self.courier.release()

    def error(self, code: str, *, frame: Outgoing | None = None, destination: str | None = None) -> None:
        headers = {} if frame is None or frame.receipt is None else {"receipt-id": frame.receipt}
        body = {"code": code, "detail": "because", "destination": destination}
        self.courier.on_soft_error(headers, msgspec.json.encode(body))


def send(destination: str = "/topic/a", receipt: str | None = None) -> Outgoing:
    outcome = None if receipt is None else asyncio.get_running_loop().create_future()
    return Outgoing("SEND", {"destination": destination}, b"x", receipt=receipt, outcome=outcome)


def standing(name: str, told: list[object], destination: str = "/topic/a", **options: bool) -> Standing:
    def ended(error: StompedeError | None) -> None:
        told.append(error)

    return Standing(name, destination, lambda _, body: told.append(body), on_end=ended, **options)


def lost() -> SessionClosedError:
    return SessionClosedError("lost", 1006)


async def test_frames_wait_until_the_courier_is_released_and_leave_in_order() -> None:
    setup = Setup()
    frames = [send(), send()]
    for frame in frames:
        assert setup.courier.offer(frame) is None
    setup.courier.attach(setup.wire)
    assert setup.wire.frames == []
    third = send()
    setup.courier.offer(third)
    setup.courier.release()
    assert setup.wire.frames == [*frames, third]
    late = send()
    setup.courier.offer(late)
    assert setup.wire.frames[-1] is late


async def test_a_full_queue_names_its_bound() -> None:
    setup = Setup()
    for _ in range(3):
        setup.courier.offer(send())
    assert isinstance(setup.courier.offer(send()), LimitError)
    assert not setup.courier.may_get_room


async def test_what_stands_early_is_subscribed_first_then_in_the_order_of_the_calls() -> None:
    setup, told = Setup(), []
    setup.courier.subscribe(standing("1", told, "/topic/a"))
    setup.courier.subscribe(standing("errors", told, ERRORS, early=True))
    setup.courier.subscribe(standing("2", told, "/topic/b"))
    setup.courier.offer(send())
    setup.connect()
    assert setup.wire.said() == [
        f"SUBSCRIBE {ERRORS}",
        "SUBSCRIBE /topic/a",
        "SUBSCRIBE /topic/b",
        "SEND /topic/a",
    ]


async def test_it_is_restored_when_every_subscription_has_been_answered() -> None:
    setup, told = Setup(), []
    setup.courier.subscribe(standing("1", told))
    setup.courier.subscribe(standing("2", told))
    setup.courier.attach(setup.wire)
    first, second = setup.wire.frames
    setup.courier.on_receipt(first.receipt or "")
    assert not setup.courier.restored
    setup.error("forbidden", frame=second)
    assert setup.courier.restored
    assert list(setup.courier.standing) == ["1"]


async def test_a_paused_link_gets_nothing_until_it_resumes() -> None:
    setup = Setup()
    setup.connect()
    setup.courier.on_paused()
    setup.courier.offer(send())
    assert setup.wire.frames == []
    assert setup.courier.may_get_room
    setup.courier.on_resumed()
    assert len(setup.wire.frames) == 1


async def test_a_lost_connection_fails_what_was_written_and_keeps_what_waits() -> None:
    setup, told = Setup(), []
    setup.connect()
    written, waiting = send(receipt="a"), send(receipt="b")
    setup.courier.offer(written)
    stays = standing("1", told)
    setup.courier.subscribe(stays)
    setup.courier.on_paused()
    setup.courier.offer(waiting)
    setup.courier.detach(lost)
    assert written.outcome is not None
    assert isinstance(written.outcome.exception(), SessionClosedError)
    assert not waiting.abandoned
    setup.connect()
    assert setup.wire.said() == ["SUBSCRIBE /topic/a", "SEND /topic/a"]
    assert told == []


async def test_an_unsubscribe_is_fulfilled_by_a_lost_connection() -> None:
    setup, told = Setup(), []
    one = standing("1", told)
    setup.courier.subscribe(one)
    setup.connect()
    frame = setup.courier.unsubscribe(one, confirm=True)
    assert frame is not None
    frame.outcome = asyncio.get_running_loop().create_future()
    setup.courier.detach(lost)
    assert frame.outcome.result() is None
    assert setup.courier.unsubscribe(one, confirm=True) is None


async def test_messages_go_to_their_subscription_and_strays_are_counted() -> None:
    setup, told = Setup(), []
    setup.courier.subscribe(standing("1", told))
    setup.courier.on_message({"subscription": "1"}, b"a")
    setup.courier.on_message({"subscription": "2"}, b"b")
    setup.courier.on_message({}, b"c")
    assert told == [b"a"]
    assert (setup.courier.received, setup.courier.undelivered) == (1, 2)


async def test_an_error_body_that_is_no_error_is_logged_and_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup()
    with caplog.at_level(logging.WARNING, "stompede.client"):
        setup.courier.on_soft_error({}, b"<html>")
    assert "<html>" in caplog.text
    assert setup.reported == []


async def test_a_subscription_that_the_server_has_ended_is_told_why_and_nobody_else_is() -> None:
    setup, told = Setup(), []
    setup.courier.subscribe(standing("1", told))
    setup.courier.subscribe(standing("2", told))
    setup.connect()
    for _ in range(2):  # the second is about one that has gone meanwhile
        setup.courier.on_soft_error(
            {"ended-subscription": "1"}, b'{"code":"forbidden","destination":"/topic/a"}'
        )
    [error] = told
    assert isinstance(error, RequestError)
    assert error.code == "forbidden"
    assert list(setup.courier.standing) == ["2"]
    assert setup.reported == []


async def test_a_token_that_expires_holds_sends_until_it_is_renewed() -> None:
    setup = Setup(lambda: "new")
    setup.connect()
    refused, other = send(receipt="1"), send()
    setup.courier.offer(refused)
    setup.error("token-expired", frame=refused)
    assert setup.courier.renewal_wanted
    setup.courier.offer(other)
    assert setup.wire.frames == [refused]
    await setup.tokens.fetch()
    setup.courier.renewed()
    setup.courier.release()
    assert setup.wire.frames == [refused, refused, other]
    assert setup.wire.authorizations == [None, "Bearer new", "Bearer new"]
    setup.error("token-expired", frame=refused)
    assert not setup.courier.renewal_wanted
    assert refused.outcome is not None
    assert isinstance(refused.outcome.exception(), RequestError)


async def test_what_an_expired_token_stopped_goes_first_on_the_next_connection() -> None:
    setup = Setup(lambda: "new")
    setup.connect()
    refused, other = send(receipt="1"), send()
    setup.courier.offer(refused)
    setup.error("token-expired", frame=refused)
    setup.courier.offer(other)
    setup.courier.detach(lost)
    setup.connect()
    assert setup.wire.frames == [refused, other]


async def test_without_a_new_token_what_waits_for_one_fails_with_the_reason() -> None:
    setup, told = Setup(lambda: "new"), []
    setup.connect()
    refused, one = send(receipt="a"), standing("1", told)
    setup.courier.offer(refused)
    setup.courier.subscribe(one)
    setup.error("token-expired", frame=refused)
    setup.error("token-expired", frame=setup.wire.frames[-1])
    setup.error("token-expired", destination="/topic/z")
    setup.courier.not_renewed("principal-mismatch", "another member's")
    assert refused.outcome is not None
    error = refused.outcome.exception()
    assert isinstance(error, RequestError)
    assert error.code == "principal-mismatch"
    with pytest.raises(RequestError, match="another member"):
        await one.wait_live()
    assert [each.code for each in setup.reported] == ["principal-mismatch"]


async def test_frames_that_nobody_waits_for_do_not_ask_for_tokens_all_the_time() -> None:
    setup = Setup(lambda: "new")
    setup.connect()
    setup.may_renew = False
    setup.error("token-expired", destination="/topic/a")
    assert not setup.courier.renewal_wanted
    assert [error.code for error in setup.reported] == ["token-expired"]


@pytest.mark.parametrize("by_user", [True, False])
async def test_closing_for_good_fails_all_that_waits_and_ends_what_stands(by_user: bool) -> None:
    setup, told = Setup(), []
    queued = send(receipt="1")
    setup.courier.offer(queued)
    setup.courier.subscribe(standing("1", told))
    setup.courier.close(lost, by_user=by_user)
    assert queued.outcome is not None
    assert isinstance(queued.outcome.exception(), SessionClosedError)
    assert len(told) == 1
    assert (told[0] is None) is by_user
    assert setup.courier.standing == {}


async def test_a_request_that_is_confirmed_without_an_answer_fails_at_once() -> None:
    setup = Setup()
    setup.connect()
    outcomes = []
    for number, confirmed_first in (("1", True), ("2", False)):
        outcome = asyncio.get_running_loop().create_future()
        outcomes.append(outcome)
        frame = Outgoing(
            "SEND", {"destination": "/app/x"}, receipt=f"r{number}", code=f"c{number}", outcome=outcome
        )
        assert setup.courier.offer(frame) is None
        told = [
            lambda name=number: setup.courier.on_receipt(f"r{name}"),
            lambda name=number: setup.courier.on_reply({"client-request-code": f"c{name}"}, b"late"),
        ]
        for tell in told if confirmed_first else reversed(told):
            tell()
    with pytest.raises(RequestError) as caught:
        outcomes[0].result()
    assert (caught.value.code, caught.value.client_request_code) == ("no-reply", "c1")
    assert outcomes[1].result() == b"late"
    assert (setup.courier.undelivered, len(setup.courier.in_flight)) == (1, 0)
