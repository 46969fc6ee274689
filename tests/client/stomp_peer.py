"""A small, real STOMP server for tests of the client: TCP, WebSocket by picows, STOMP by the library's wire room.

It does what a test tells it: refuses tokens, cuts connections, falls silent, closes with any code. It keeps every frame
that it got.
"""

import asyncio
from collections.abc import Callable

import msgspec
import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from stompede.client import Client
from stompede.messaging.message import Message
from stompede.wire import stomp

ERRORS = "/session/queue/request-error"
REPLIES = "/session/queue/replies"


class Got(msgspec.Struct):
    """A frame that a client sent."""

    command: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def destination(self) -> str:
        return self.headers.get("destination", "")


class Conversation(WSListener):
    """One connection."""

    def __init__(self, peer: "Peer", request: picows.WSUpgradeRequest) -> None:
        self.peer = peer
        self.request = request
        self.loop = asyncio.get_running_loop()
        self.wire = stomp.ServerSession(
            limits=stomp.Limits(), heart_beat=peer.heart_beat, server="peer", cache=stomp.HeadCache(64)
        )
        self.subscriptions: dict[str, str] = {}
        self.got: list[Got] = []
        self.messages = 0
        self.timer: asyncio.TimerHandle | None = None
        self.close_code: int | None = None
        self.member: str | None = None

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.peer.conversations.append(self)
        self.peer.changed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self.close_code = int(frame.get_close_code())
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            self.peer.controls.append(frame.msg_type)
            self.peer.changed()
            return
        self.wire.receive_data(frame.get_payload_as_bytes(), self.loop.time())
        while (event := self.wire.next_event()) is not None:
            self.on_event(event)
        self.peer.changed()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.peer.conversations.remove(self)
        self.peer.changed()

    # STOMP

    def on_event(self, event: stomp.ServerEvent) -> None:
        if isinstance(event, stomp.Violation):
            self.peer.violations.append(event.detail)
            self.write(event.error)
            return
        got = Got(event.head.command, dict(event.head.headers), getattr(event, "body", b""))
        self.got.append(got)
        self.peer.got.append(got)
        if self.peer.silent:
            return
        match event:
            case stomp.Connect():
                self.connect(event)
            case stomp.Disconnect():
                self.receipt(event.head)
            case stomp.Subscribe():
                if self.allowed(event.head):
                    self.subscriptions[event.id] = event.destination
                    self.receipt(event.head)
            case stomp.Unsubscribe():
                self.subscriptions.pop(event.id, None)
                self.receipt(event.head)
            case stomp.Send():
                if self.allowed(event.head):
                    self.send(event)
            case stomp.Begin() | stomp.Commit() | stomp.Abort():
                self.receipt(event.head)

    def connect(self, event: stomp.Connect) -> None:
        refusal = self.peer.refuse_connect
        if refusal is not None:
            detail, headers, code = refusal
            self.write(self.wire.send_error(detail, headers=headers))
            self.close(code)
            return
        self.write(
            self.wire.send_connected(
                session=f"s{self.peer.total()}", user_name=self.member, now=self.loop.time()
            )
        )
        self.beat()

    def allowed(self, head: stomp.Head) -> bool:
        """Checks the token, if the peer wants tokens; and what the peer refuses by name."""
        if head.destination in self.peer.refused:
            self.soft_error(head, "forbidden", "not you")
            return False
        if self.peer.valid_token is None:
            return True
        if head.authorization == f"Bearer {self.peer.valid_token}":
            return True
        if head.destination == ERRORS and not (self.peer.strict and self.subscriptions):
            return True  # a session whose token runs out later
        self.soft_error(head, "token-expired", "the token has expired")
        return False

    def send(self, event: stomp.Send) -> None:
        destination, head = event.destination, event.head
        self.peer.handled.append(event.body)
        if destination == "/app/echo":
            headers = {"client-request-code": head.client_request_code or ""}
            self.to(REPLIES, Message(REPLIES, event.body, head.content_type, headers))
        elif destination == "/app/lost":
            pass
        elif destination == "/app/fail":
            self.soft_error(head, "handler-failed", "it failed", error_id="e-1")
            return
        elif destination == "/app/cut":
            self.cut()
            return
        else:
            self.peer.publish(destination, event.body, head.content_type)
        self.receipt(head)

    def soft_error(self, head: stomp.Head, code: str, detail: str, error_id: str = "e-0") -> None:
        body = {"code": code, "detail": detail, "destination": head.destination, "errorId": error_id}
        headers = {"error-id": error_id}
        if head.receipt is not None:
            headers["receipt-id"] = head.receipt
        if head.client_request_code is not None:
            headers["client-request-code"] = head.client_request_code
            body["clientRequestCode"] = head.client_request_code
        self.to(ERRORS, Message(ERRORS, msgspec.json.encode(body), "application/json", headers))

    def to(self, destination: str, message: Message, **extra: str) -> None:
        """A MESSAGE on all subscriptions of a destination."""
        for name, subscribed in self.subscriptions.items():
            if subscribed == destination:
                self.messages += 1
                self.write(self.wire.send_message(message, message_id=f"m{self.messages}", subscription=name))

    def receipt(self, head: stomp.Head) -> None:
        if head.receipt is not None and (head.destination or head.command) not in self.peer.no_receipts_for:
            self.write(self.wire.send_receipt(head.receipt))

    def write(self, data: bytes) -> None:
        self.transport.send(WSMsgType.BINARY if self.peer.binary else WSMsgType.TEXT, data)
        self.wire.note_sent(self.loop.time())

    def beat(self) -> None:
        due = self.wire.next_deadline()
        if due is not None:
            self.timer = self.loop.call_at(due, self.on_timer)

    def on_timer(self) -> None:
        for what in self.wire.on_deadline(self.loop.time()):
            if what is stomp.Deadline.PEER_SILENT:
                self.peer.silences += 1
                self.peer.changed()
                self.cut()
                return
            if not self.peer.silent:
                self.transport.send(WSMsgType.TEXT, self.wire.send_heart_beat(self.loop.time()))
        self.beat()

    def close(self, code: int, reason: str = "") -> None:
        self.transport.send_close(code, reason.encode())

    def cut(self) -> None:
        self.transport.disconnect(graceful=False)


async def until(client: Client, condition: Callable[[], bool]) -> None:
    """Waits for something to become true inside of a client."""
    supervisor = client._supervisor
    assert supervisor is not None
    async with asyncio.timeout(10):
        await supervisor.changes.until(condition)


class Peer:
    """The server. Its attributes say how it behaves; `until` waits for what a test expects."""

    def __init__(self) -> None:
        self.conversations: list[Conversation] = []
        self.got: list[Got] = []
        self.handled: list[bytes] = []
        self.controls: list[WSMsgType] = []
        self.violations: list[str] = []
        self.heart_beat = stomp.HeartBeat(0, 0)
        self.silent = False
        self.binary = False
        self.valid_token: str | None = None
        self.strict = True
        self.refused: set[str] = set()
        self.no_receipts_for: set[str] = set()
        self.refuse_connect: tuple[str, dict[str, str], int] | None = None
        self.refuse_handshake: int | None = None
        self.subprotocol: str | None = "v12.stomp"
        self.silences = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stomp"

    def total(self) -> int:
        return sum(got.command == "CONNECT" for got in self.got)

    def changed(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def commands(self, *but: str) -> list[str]:
        """Commands and destinations so far, without the error channel's."""
        return [
            f"{got.command} {got.destination}".strip()
            for got in self.got
            if got.destination not in (ERRORS, *but)
        ]

    def sends(self) -> list[bytes]:
        return [got.body for got in self.got if got.command == "SEND"]

    def publish(self, destination: str, body: bytes, content_type: str | None = None, **headers: str) -> None:
        for conversation in self.conversations:
            conversation.to(destination, Message(destination, body, content_type, headers))

    async def start(self, ssl: object = None) -> None:
        def factory(request: picows.WSUpgradeRequest) -> object:
            if self.refuse_handshake is not None:
                response = picows.WSUpgradeResponse.create_error_response(self.refuse_handshake, b"not now")
                return picows.WSUpgradeResponseWithListener(response, None)
            extra = {"Sec-WebSocket-Protocol": self.subprotocol} if self.subprotocol else {}
            response = picows.WSUpgradeResponse.create_101_response(extra)
            return picows.WSUpgradeResponseWithListener(response, Conversation(self, request))

        self._server = await picows.ws_create_server(
            factory, "127.0.0.1", self.port, ssl=ssl, enable_auto_pong=False
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, *, cut: bool = True) -> None:
        """Listens no more; cuts what is connected."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if cut:
            self.cut()
            await self.until(lambda: not self.conversations)

    def cut(self) -> None:
        for conversation in list(self.conversations):
            conversation.cut()
