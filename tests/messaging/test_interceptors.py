import msgspec
import pytest
from messaging_support import SESSION

from stompede.errors import ConfigurationError
from stompede.messaging.commands import (
    Answer,
    Command,
    ConnectCommand,
    DisconnectCommand,
    SendCommand,
    SubscribeCommand,
    UnsubscribeCommand,
)
from stompede.messaging.interceptors import InterceptorChain
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession

SEND = SendCommand(Message("/topic/a", b"x"), receipt="r")
SUBSCRIBE = SubscribeCommand("1", "/topic/a")
ALL = [ConnectCommand(), SEND, SUBSCRIBE, UnsubscribeCommand("1", "/topic/a"), DisconnectCommand()]


def chain_of(*interceptors):
    chain = InterceptorChain()
    for interceptor in interceptors:
        chain.add(interceptor)
    return chain


def note(log, name):
    def interceptor(command: Command, session: StompSession) -> None:
        log.append((name, type(command).__name__, session.id))

    return interceptor


def test_an_empty_chain_lets_all_pass_and_wants_nothing():
    chain = InterceptorChain()
    assert not chain
    for command in ALL:
        assert chain.run_nowait(command, SESSION) is command
        assert not chain.wants(type(command))


def test_interceptors_run_in_their_order_and_see_every_command():
    log = []
    chain = chain_of(note(log, "a"), note(log, "b"))
    for command in ALL:
        assert chain.wants(type(command))
        assert not chain.needs_await(type(command))
        assert chain.run_nowait(command, SESSION) is command
    assert log[:2] == [("a", "ConnectCommand", "s-1"), ("b", "ConnectCommand", "s-1")]
    assert len(log) == 10


def test_a_changed_command_goes_on():
    def louder(command: SendCommand, session: StompSession) -> SendCommand:
        message = msgspec.structs.replace(command.message, body=command.message.body.upper())
        return msgspec.structs.replace(command, message=message)

    def twice(command: SendCommand, session: StompSession) -> SendCommand:
        message = msgspec.structs.replace(command.message, body=command.message.body * 2)
        return msgspec.structs.replace(command, message=message)

    changed = chain_of(louder, twice).run_nowait(SEND, SESSION)
    assert changed.message.body == b"XX"
    assert changed.destination == "/topic/a"
    assert SEND.message.body == b"x"


def test_an_interceptor_sees_only_the_commands_of_its_annotation():
    seen = []

    def some(command: SendCommand | SubscribeCommand, session: StompSession) -> None:
        seen.append(type(command))

    chain = chain_of(some)
    assert [chain.wants(type(command)) for command in ALL] == [False, True, True, False, False]
    for command in ALL:
        chain.run_nowait(command, SESSION)
    assert seen == [SendCommand, SubscribeCommand]


def test_an_unannotated_interceptor_sees_all():
    chain = chain_of(lambda command, session: None)
    assert all(chain.wants(type(command)) for command in ALL)


def test_a_problem_refuses():
    def refuse(command: Command, session: StompSession) -> None:
        raise Problem("forbidden", "not today")

    log = []
    with pytest.raises(Problem, match="not today"):
        chain_of(refuse, note(log, "later")).run_nowait(SEND, SESSION)
    assert log == []


@pytest.mark.parametrize("command", [SEND, SUBSCRIBE])
async def test_an_answer_ends_the_way_of_the_command(command):
    log = []

    def answer(command: Command, session: StompSession) -> Answer:
        return Answer({"a": 1})

    chain = chain_of(answer, note(log, "later"))
    assert chain.run_nowait(command, SESSION) == Answer({"a": 1})
    assert await chain.run(command, SESSION) == Answer({"a": 1})
    assert log == []


@pytest.mark.parametrize("outcome", [Answer(1), SUBSCRIBE, "text"])
def test_a_wrong_outcome_is_an_error_that_says_what_is_allowed(outcome):
    def wrong(command: Command, session: StompSession):
        return outcome

    with pytest.raises(
        TypeError, match="it may return None, a changed ConnectCommand, or for SEND and SUBSCRIBE an Answer"
    ):
        chain_of(wrong).run_nowait(ConnectCommand(), SESSION)


async def test_async_interceptors_are_awaited_in_their_order():
    log = []

    async def slow(command: SendCommand, session: StompSession) -> SendCommand:
        log.append("slow")
        return msgspec.structs.replace(command, message=Message("/topic/b", b""))

    chain = chain_of(note(log, "a"), slow, note(log, "b"))
    assert chain.needs_await(SendCommand)
    assert not chain.needs_await(SubscribeCommand)
    changed = await chain.run(SEND, SESSION)
    assert changed.destination == "/topic/b"
    assert log == [("a", "SendCommand", "s-1"), "slow", ("b", "SendCommand", "s-1")]


async def test_a_callable_object_may_be_an_async_interceptor():
    class Slow:
        async def __call__(self, command: SendCommand, session: StompSession) -> Answer:
            return Answer(1)

    chain = chain_of(Slow())
    assert chain.needs_await(SendCommand)
    assert not chain.wants(SubscribeCommand)
    assert await chain.run(SEND, SESSION) == Answer(1)


def test_one_that_is_added_later_counts():
    chain = InterceptorChain()
    assert not chain.wants(SendCommand)
    chain.add(lambda command, session: None)
    assert chain.wants(SendCommand)
    assert chain


def test_an_interceptor_that_cannot_work_is_refused():
    def one(command: Command): ...
    def starred(*args): ...
    def wrong(command: Message, session: StompSession): ...

    for func in (one, starred):
        with pytest.raises(
            ConfigurationError, match=r"takes two arguments: \(command: Command, session: StompSession\)"
        ):
            chain_of(func)
    with pytest.raises(
        ConfigurationError, match="annotate it Command, or with the commands that it wants to see"
    ):
        chain_of(wrong)
