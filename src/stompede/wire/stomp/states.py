"""The conversation of a client and a server as one state machine.

Both sides walk the same table. A state is what both know after the frames that have crossed so far; an event
is a frame that crosses, and its name says which side sent it. So a server that *receives* what its state has
no row for has met a peer that breaks the protocol, and a server that *sends* such a frame has a mistake of
its own (`LocalProtocolError`); for a client it is the same with the sides swapped.

Heart-beats are end-of-line octets between frames. They move nothing and are allowed at any time, so they are
no events here; that a side must not send them before CONNECTED follows from what they are negotiated by.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class State(enum.Enum):
    """Where the conversation stands."""

    # As with versions: half of all look-ups into the table would be spent in the hash that `enum.Enum`
    # defines in Python.
    __hash__ = object.__hash__

    OPEN = "open"
    """The connection is there; the client must send CONNECT or STOMP."""
    CONNECTING = "connecting"
    """CONNECT is sent; CONNECTED or ERROR must answer it. The client's next frame waits for that."""
    CONNECTED = "connected"
    """The version is agreed on; everything goes."""
    DISCONNECTING = "disconnecting"
    """DISCONNECT is sent; the client sends nothing more, the server finishes what it has to say."""
    CLOSING = "closing"
    """ERROR is sent, or the protocol was broken; nothing more is said, and the server closes."""


TRANSITIONS: Final[Mapping[tuple[State, str], State]] = MappingProxyType(
    {
        (State.OPEN, "CONNECT"): State.CONNECTING,
        (State.OPEN, "STOMP"): State.CONNECTING,
        (State.OPEN, "ERROR"): State.CLOSING,
        (State.CONNECTING, "CONNECTED"): State.CONNECTED,
        (State.CONNECTING, "ERROR"): State.CLOSING,
        (State.CONNECTED, "SEND"): State.CONNECTED,
        (State.CONNECTED, "SUBSCRIBE"): State.CONNECTED,
        (State.CONNECTED, "UNSUBSCRIBE"): State.CONNECTED,
        (State.CONNECTED, "ACK"): State.CONNECTED,
        (State.CONNECTED, "NACK"): State.CONNECTED,
        (State.CONNECTED, "BEGIN"): State.CONNECTED,
        (State.CONNECTED, "COMMIT"): State.CONNECTED,
        (State.CONNECTED, "ABORT"): State.CONNECTED,
        (State.CONNECTED, "DISCONNECT"): State.DISCONNECTING,
        (State.CONNECTED, "MESSAGE"): State.CONNECTED,
        (State.CONNECTED, "RECEIPT"): State.CONNECTED,
        (State.CONNECTED, "ERROR"): State.CLOSING,
        # What the server sent before it saw DISCONNECT is still on its way; RECEIPT answers it.
        (State.DISCONNECTING, "MESSAGE"): State.DISCONNECTING,
        (State.DISCONNECTING, "RECEIPT"): State.DISCONNECTING,
        (State.DISCONNECTING, "ERROR"): State.CLOSING,
    }
)


def next_state(state: State, command: str) -> State | None:
    """The state after a frame has crossed, or ``None`` where it must not."""
    return TRANSITIONS.get((state, command))


def legal_commands(state: State) -> tuple[str, ...]:
    """The commands that may cross in a state."""
    return tuple(command for (at, command) in TRANSITIONS if at is state)


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, command), after in TRANSITIONS.items():
        arrows.setdefault((state, after), []).append(command)
    lines = ["stateDiagram-v2", f"    [*] --> {State.OPEN.value}"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(commands)}" for (a, b), commands in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in (State.DISCONNECTING, State.CLOSING)]
    return "\n".join(lines) + "\n"
