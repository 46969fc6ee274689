import itertools

import pytest
from wire_support import event, events

from stompede.errors import LocalProtocolError
from stompede.messaging.message import Message
from stompede.wire.stomp import (
    TRANSITIONS,
    ClientSession,
    HeadCache,
    HeartBeat,
    Limits,
    ServerSession,
    ServerViolation,
    State,
    Version,
    Violation,
    mermaid,
)
from stompede.wire.stomp.states import legal_commands, next_state
from stompede.wire.stomp.tables import RULES, Side

COMMANDS = tuple(RULES)
CLIENTS = [rule.command for rule in RULES.values() if rule.sender is Side.CLIENT]
SERVERS = [rule.command for rule in RULES.values() if rule.sender is Side.SERVER]

# Headers that make each command valid in 1.2.
HEADERS = {
    "CONNECT": "accept-version:1.2\n",
    "STOMP": "accept-version:1.2\n",
    "SEND": "destination:/topic/a\n",
    "SUBSCRIBE": "id:0\ndestination:/topic/a\n",
    "UNSUBSCRIBE": "id:0\n",
    "ACK": "id:0\n",
    "NACK": "id:0\n",
    "BEGIN": "transaction:t\n",
    "COMMIT": "transaction:t\n",
    "ABORT": "transaction:t\n",
    "DISCONNECT": "",
    "CONNECTED": "version:1.2\n",
    "MESSAGE": "destination:/topic/a\nmessage-id:1\nsubscription:0\n",
    "RECEIPT": "receipt-id:1\n",
    "ERROR": "message:x\n",
}


def frame_of(command: str) -> bytes:
    return f"{command}\n{HEADERS[command]}\n\0".encode()


def server_in(state: State) -> ServerSession:
    session = ServerSession(limits=Limits(), heart_beat=HeartBeat(), server=None, cache=HeadCache())
    if state is not State.OPEN:
        event(session, frame_of("CONNECT"))
    if state in (State.CONNECTED, State.DISCONNECTING, State.CLOSING):
        session.send_connected(session="1", now=0.0)
    if state is State.DISCONNECTING:
        event(session, frame_of("DISCONNECT"))
    if state is State.CLOSING:
        session.send_error("over")
    assert session.state is state
    return session


def client_in(state: State) -> ClientSession:
    session = ClientSession()
    if state is not State.OPEN:
        session.send_connect(host="/", now=0.0)
    if state in (State.CONNECTED, State.DISCONNECTING, State.CLOSING):
        event(session, frame_of("CONNECTED"))
    if state is State.DISCONNECTING:
        session.send_disconnect()
    if state is State.CLOSING:
        event(session, frame_of("ERROR"))
    assert session.state is state
    return session


@pytest.mark.parametrize(("state", "command"), list(itertools.product(State, COMMANDS)))
def test_server_takes_from_a_client_what_the_table_has_and_nothing_else(state: State, command: str):
    session = server_in(state)
    found = events(session, frame_of(command))
    if state in (State.CONNECTING, State.DISCONNECTING, State.CLOSING):
        # After CONNECT the next frame waits for the answer; after the end nothing counts.
        assert found == []
        assert session.state is state
        return
    (one,) = found
    if RULES[command].sender is Side.CLIENT and (state, command) in TRANSITIONS:
        assert type(one).__name__.upper() == command.replace("STOMP", "CONNECT")
        assert session.state is TRANSITIONS[state, command]
    else:
        assert isinstance(one, Violation)
        assert one.code == "command"
        assert command in one.detail
        assert session.state is State.CLOSING


@pytest.mark.parametrize(("state", "command"), list(itertools.product(State, SERVERS)))
def test_server_sends_what_the_table_has_and_nothing_else(state: State, command: str):
    session = server_in(state)
    message = Message("/topic/a", b"x")
    send = {
        "CONNECTED": lambda: session.send_connected(session="1", now=0.0),
        "MESSAGE": lambda: session.send_message(message, message_id="1", subscription="0"),
        "RECEIPT": lambda: session.send_receipt("1"),
        "ERROR": lambda: session.send_error("over"),
    }[command]
    after = TRANSITIONS.get((state, command))
    if after is None:
        with pytest.raises(
            LocalProtocolError, match=f"cannot send {command} while the session is {state.value}"
        ):
            send()
        assert session.state is state
    else:
        assert send().startswith(command.encode() + b"\n")
        assert session.state is after


@pytest.mark.parametrize(("state", "command"), list(itertools.product(State, COMMANDS)))
def test_client_takes_from_a_server_what_the_table_has_and_nothing_else(state: State, command: str):
    session = client_in(state)
    found = events(session, frame_of(command))
    if state is State.CLOSING:
        assert found == []
        return
    (one,) = found
    if RULES[command].sender is Side.SERVER and (state, command) in TRANSITIONS:
        assert not isinstance(one, ServerViolation)
        assert session.state is TRANSITIONS[state, command]
    else:
        assert isinstance(one, ServerViolation)
        assert one.code == "command"
        assert session.state is State.CLOSING


@pytest.mark.parametrize(("state", "command"), list(itertools.product(State, CLIENTS)))
def test_client_sends_what_the_table_has_and_nothing_else(state: State, command: str):
    session = client_in(state)
    pairs = [line.split(":") for line in HEADERS[command].splitlines()]
    after = TRANSITIONS.get((state, command))
    if command in ("CONNECT", "STOMP"):

        def send() -> bytes:
            return session.send_connect(host="/", now=0.0)

        after = TRANSITIONS.get((state, "CONNECT"))
    else:

        def send() -> bytes:
            return session.send_frame(command, dict(pairs))

    if after is None:
        with pytest.raises(LocalProtocolError):
            send()
        assert session.state is state
    else:
        send()
        assert session.state is after


@pytest.mark.parametrize("command", ["CONNECT", "CONNECTED", "NONSENSE"])
def test_client_sends_no_frame_of_the_other_side_or_of_nobody(command: str):
    with pytest.raises(LocalProtocolError):
        client_in(State.CONNECTED).send_frame(command, {})


def test_every_state_can_be_reached_and_every_command_is_in_the_table():
    assert set(TRANSITIONS.values()) | {State.OPEN} == set(State)
    assert {command for _, command in TRANSITIONS} == set(RULES)


def test_error_can_be_sent_in_every_state_that_is_not_over():
    for state in State:
        assert (next_state(state, "ERROR") is State.CLOSING) == (state is not State.CLOSING)
    assert legal_commands(State.CLOSING) == ()


def test_diagram_has_every_transition_of_the_table():
    text = mermaid()
    assert text.startswith("stateDiagram-v2\n")
    for (state, command), after in TRANSITIONS.items():
        arrow = next(
            line for line in text.splitlines() if line.strip().startswith(f"{state.value} --> {after.value}:")
        )
        assert command in arrow.partition(": ")[2].split(", ")


def test_states_of_server_and_client_agree_through_a_whole_conversation():
    server = ServerSession(limits=Limits(), heart_beat=HeartBeat(), server=None, cache=HeadCache())
    client = ClientSession()
    events(server, client.send_connect(host="/", now=0.0))
    assert server.state is client.state is State.CONNECTING
    events(client, server.send_connected(session="1", now=0.0))
    assert server.state is client.state is State.CONNECTED
    assert server.version is client.version is Version.V1_2
    events(server, client.send_subscribe("0", "/topic/a"))
    events(client, server.send_message(Message("/topic/a", b"x"), message_id="1", subscription="0"))
    events(server, client.send_disconnect("bye"))
    assert server.state is client.state is State.DISCONNECTING
    events(client, server.send_receipt("bye"))
    assert server.state is client.state is State.DISCONNECTING
