"""The rules of WebSocket messages (RFC 6455) without I/O, above frames that something else has parsed."""

from __future__ import annotations

from stompede.wire.websocket.assembly import Complete as Complete
from stompede.wire.websocket.assembly import MessageAssembler as MessageAssembler
from stompede.wire.websocket.assembly import WebSocketViolation as WebSocketViolation
from stompede.wire.websocket.assembly import check_close as check_close
from stompede.wire.websocket.assembly import check_control as check_control
from stompede.wire.websocket.assembly import encode_close as encode_close
from stompede.wire.websocket.assembly import encode_header as encode_header
from stompede.wire.websocket.deflate import InflateCounters as InflateCounters
from stompede.wire.websocket.deflate import agree as agree
from stompede.wire.websocket.deflate import deflate as deflate
from stompede.wire.websocket.deflate import stored as stored

__all__ = [
    "Complete",
    "InflateCounters",
    "MessageAssembler",
    "WebSocketViolation",
    "agree",
    "check_close",
    "check_control",
    "deflate",
    "encode_close",
    "encode_header",
    "stored",
]
