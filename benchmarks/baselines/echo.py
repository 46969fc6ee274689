"""A bare echo: what picows needs for one message in and one message out."""

from __future__ import annotations

from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest

from benchmarks.baselines.serving import main


class Connection(WSListener):
    """One client."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_memoryview())


def listener(_: WSUpgradeRequest) -> WSListener:
    return Connection()


if __name__ == "__main__":
    main(listener)
