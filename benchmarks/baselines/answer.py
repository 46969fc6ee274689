"""Request and answer: a SEND is parsed by find and split, its body goes back in a MESSAGE of a fixed form."""

from __future__ import annotations

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.baselines.serving import CONNECTED, main, receipt

ANSWER = (
    b"MESSAGE\nsubscription:0\nmessage-id:%d\ndestination:/session/queue/replies\ncontent-length:%d\n\n%b\0"
)


class Connection(WSListener):
    """One client."""

    number = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        end = data.find(b"\n\n")
        lines = data[:end].split(b"\n")
        command = lines[0]
        if command == b"SEND":
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(b":")
                headers[name] = value
            length = int(headers[b"content-length"])
            body = data[end + 2 : end + 2 + length]
            self.number += 1
            transport.send(WSMsgType.TEXT, ANSWER % (self.number, length, body))
        elif command == b"CONNECT":
            transport.send(WSMsgType.TEXT, CONNECTED)
        elif command == b"SUBSCRIBE":
            transport.send(WSMsgType.TEXT, receipt(data))


def listener(_: WSUpgradeRequest) -> WSListener:
    return Connection()


if __name__ == "__main__":
    main(listener)
