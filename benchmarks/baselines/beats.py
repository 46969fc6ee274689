"""Heart-beats: a loop that writes one line feed to each client at the interval that CONNECTED promised, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.baselines.serving import framed, main, receipt

BEAT = framed(b"\n")
TURN_S = 0.25
TURNS = 4  # what the product makes of 1.5 s
CONNECTED = b"CONNECTED\nversion:1.2\nheart-beat:1500,0\n\n\0"

Write = Callable[[bytes], None]


class Clock:
    """Clients in as many groups as an interval has turns."""

    def __init__(self) -> None:
        self.groups: list[list[Write]] = [[] for _ in range(TURNS)]
        self.turn = self.clients = 0

    def add(self, write: Write) -> None:
        """One more client; the first one starts the clock."""
        if not self.clients:
            self.tick()
        self.groups[self.clients % TURNS].append(write)
        self.clients += 1

    def tick(self) -> None:
        """Writes to the group whose turn it is."""
        asyncio.get_running_loop().call_later(TURN_S, self.tick)
        self.turn += 1
        for write in self.groups[self.turn % TURNS]:
            write(BEAT)


CLOCK = Clock()


class Connection(WSListener):
    """One client; it is not forgotten when it has gone."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if data.startswith(b"CONNECT"):
            transport.send(WSMsgType.TEXT, CONNECTED)
            CLOCK.add(transport.underlying_transport.write)
        elif data.startswith(b"SUBSCRIBE"):
            transport.send(WSMsgType.TEXT, receipt(data))


def listener(_: WSUpgradeRequest) -> WSListener:
    return Connection()


if __name__ == "__main__":
    main(listener)
