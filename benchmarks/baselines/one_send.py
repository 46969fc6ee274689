"""Fan-out as everybody writes it first: one send per message and subscriber."""

from __future__ import annotations

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.baselines.serving import CONNECTED, body_of, header_of, main, receipt

SUBSCRIBERS: dict[WSTransport, None] = {}
NUMBER = 0


def publish(body: bytes, destination: bytes) -> None:
    """Sends a message to everybody. All subscription ids are taken to be the first one's."""
    global NUMBER
    NUMBER += 1
    message = b"MESSAGE\nsubscription:0\nmessage-id:%d\ndestination:%b\ncontent-length:%d\n\n%b\0" % (
        NUMBER,
        destination,
        len(body),
        body,
    )
    for transport in SUBSCRIBERS:
        transport.send(WSMsgType.TEXT, message)


class Connection(WSListener):
    """One client."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if data.startswith(b"SEND"):
            publish(body_of(data), header_of(data, b"destination"))
        elif data.startswith(b"CONNECT"):
            transport.send(WSMsgType.TEXT, CONNECTED)
        elif data.startswith(b"SUBSCRIBE"):
            SUBSCRIBERS[transport] = None
            transport.send(WSMsgType.TEXT, receipt(data))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        SUBSCRIBERS.pop(transport, None)


def listener(_: WSUpgradeRequest) -> WSListener:
    return Connection()


if __name__ == "__main__":
    main(listener)
