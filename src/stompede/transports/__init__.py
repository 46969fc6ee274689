"""Sockets below, sessions above."""

from stompede.transports.asgi import serve_asgi as serve_asgi
from stompede.transports.base import Acceptor as Acceptor
from stompede.transports.base import Framing as Framing
from stompede.transports.base import Receiver as Receiver
from stompede.transports.base import Refusal as Refusal
from stompede.transports.base import Transport as Transport
from stompede.transports.deflate import Compressing as Compressing
from stompede.transports.deflate import CompressionStatistics as CompressionStatistics
from stompede.transports.handshake import Rules as Rules
from stompede.transports.tcp import TCP as TCP
from stompede.transports.tcp import listen_tcp as listen_tcp
from stompede.transports.tls import TlsHandshakes as TlsHandshakes
from stompede.transports.tls import TlsListener as TlsListener
from stompede.transports.upgrade import websocket_protocol as websocket_protocol
from stompede.transports.uvicorn import http_protocol as http_protocol
from stompede.transports.websocket import WEBSOCKET as WEBSOCKET

__all__ = [
    "TCP", "WEBSOCKET", "Acceptor", "Compressing", "CompressionStatistics", "Framing", "Receiver", "Refusal",
    "Rules", "TlsHandshakes", "TlsListener", "Transport", "http_protocol", "listen_tcp", "serve_asgi",
    "websocket_protocol",
]  # fmt: skip
