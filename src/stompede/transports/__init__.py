"""Sockets below, sessions above."""

from stompede.transports.asgi import serve_asgi as serve_asgi
from stompede.transports.base import Acceptor as Acceptor
from stompede.transports.base import Framing as Framing
from stompede.transports.base import Receiver as Receiver
from stompede.transports.base import Transport as Transport
from stompede.transports.handshake import Rules as Rules
from stompede.transports.upgrade import websocket_protocol as websocket_protocol
from stompede.transports.uvicorn import http_protocol as http_protocol
from stompede.transports.websocket import WEBSOCKET as WEBSOCKET

__all__ = [
    "WEBSOCKET", "Acceptor", "Framing", "Receiver", "Rules", "Transport", "http_protocol", "serve_asgi",
    "websocket_protocol",
]  # fmt: skip
