"""Fan-out with ticks and cohorts: the best that plain code on picows does.

Publications of one turn of the loop are gathered. At its end the frames of the turn are made once for each
subscription id and written to its subscribers, one write each, past picows' `send`, which would build a
header for every message. Ids of one length share all but the id, so the bytes for one more id are one `join`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.baselines.serving import CONNECTED, body_of, header_of, main, receipt, text_header

Write = Callable[[bytes], None]

BEFORE = b"MESSAGE\nsubscription:"
AFTER = b"\nmessage-id:%d\ndestination:%b\ncontent-length:%d\n\n%b\0"


class Topic:
    """A destination."""

    def __init__(self, destination: bytes) -> None:
        self.destination = destination
        self.cohorts: dict[bytes, dict[Write, None]] = {}
        self.pending: list[bytes] = []
        self.number = 0

    def publish(self, body: bytes) -> None:
        """Takes a message for the end of this turn of the loop."""
        if not self.pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self.number += 1
        self.pending.append(AFTER % (self.number, self.destination, len(body), body))

    def flush(self) -> None:
        """Writes the messages of the turn."""
        afters, self.pending = self.pending, []
        pieces_of: dict[int, list[bytes]] = {}
        for subscription, writes in self.cohorts.items():
            pieces = pieces_of.get(len(subscription))
            if pieces is None:
                pieces = pieces_of[len(subscription)] = cut(afters, len(subscription))
            data = subscription.join(pieces)
            for write in writes:
                write(data)


def cut(afters: list[bytes], length: int) -> list[bytes]:
    """The turn's bytes, cut where an id of ``length`` bytes stands."""
    pieces = []
    tail = b""
    for after in afters:
        pieces.append(tail + text_header(len(BEFORE) + length + len(after)) + BEFORE)
        tail = after
    pieces.append(tail)
    return pieces


TOPICS: dict[bytes, Topic] = {}


class Connection(WSListener):
    """One client."""

    write: Write | None = None
    subscription = b""
    topic: Topic

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if data.startswith(b"SEND"):
            TOPICS[header_of(data, b"destination")].publish(body_of(data))
        elif data.startswith(b"CONNECT"):
            transport.send(WSMsgType.TEXT, CONNECTED)
        elif data.startswith(b"SUBSCRIBE"):
            self.subscription = header_of(data, b"id")
            self.write = transport.underlying_transport.write
            destination = header_of(data, b"destination")
            self.topic = TOPICS.setdefault(destination, Topic(destination))
            self.topic.cohorts.setdefault(self.subscription, {})[self.write] = None
            transport.send(WSMsgType.TEXT, receipt(data))

    def on_ws_disconnected(self, _: WSTransport) -> None:
        if self.write is not None:
            cohort = self.topic.cohorts[self.subscription]
            del cohort[self.write]
            if not cohort:
                del self.topic.cohorts[self.subscription]


def listener(_: WSUpgradeRequest) -> WSListener:
    return Connection()


if __name__ == "__main__":
    main(listener)
