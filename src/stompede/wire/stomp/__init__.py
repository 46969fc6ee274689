"""STOMP 1.0, 1.1 and 1.2 without I/O: bytes into events and back, for both sides of a connection."""

from __future__ import annotations

from stompede.wire.stomp.cache import HeadCache as HeadCache
from stompede.wire.stomp.cache import HeadCacheStatistics as HeadCacheStatistics
from stompede.wire.stomp.client import ClientSession as ClientSession
from stompede.wire.stomp.encode import Frame as Frame
from stompede.wire.stomp.encode import MessageTemplate as MessageTemplate
from stompede.wire.stomp.encode import Publishable as Publishable
from stompede.wire.stomp.encode import encode_frame as encode_frame
from stompede.wire.stomp.encode import message_parts as message_parts
from stompede.wire.stomp.encode import message_without_subscription as message_without_subscription
from stompede.wire.stomp.escaping import escape as escape
from stompede.wire.stomp.escaping import unescape as unescape
from stompede.wire.stomp.events import Abort as Abort
from stompede.wire.stomp.events import Ack as Ack
from stompede.wire.stomp.events import Begin as Begin
from stompede.wire.stomp.events import ClientEvent as ClientEvent
from stompede.wire.stomp.events import Commit as Commit
from stompede.wire.stomp.events import Connect as Connect
from stompede.wire.stomp.events import Connected as Connected
from stompede.wire.stomp.events import Deadline as Deadline
from stompede.wire.stomp.events import Disconnect as Disconnect
from stompede.wire.stomp.events import ErrorReceived as ErrorReceived
from stompede.wire.stomp.events import MessageReceived as MessageReceived
from stompede.wire.stomp.events import Nack as Nack
from stompede.wire.stomp.events import Receipt as Receipt
from stompede.wire.stomp.events import Send as Send
from stompede.wire.stomp.events import ServerEvent as ServerEvent
from stompede.wire.stomp.events import ServerViolation as ServerViolation
from stompede.wire.stomp.events import Subscribe as Subscribe
from stompede.wire.stomp.events import Unsubscribe as Unsubscribe
from stompede.wire.stomp.events import Violation as Violation
from stompede.wire.stomp.head import Head as Head
from stompede.wire.stomp.heartbeat import BEAT as BEAT
from stompede.wire.stomp.heartbeat import NO_HEART_BEAT as NO_HEART_BEAT
from stompede.wire.stomp.heartbeat import HeartBeat as HeartBeat
from stompede.wire.stomp.limits import Limits as Limits
from stompede.wire.stomp.server import ServerSession as ServerSession
from stompede.wire.stomp.states import TRANSITIONS as TRANSITIONS
from stompede.wire.stomp.states import State as State
from stompede.wire.stomp.states import mermaid as mermaid
from stompede.wire.stomp.versions import ALL_VERSIONS as ALL_VERSIONS
from stompede.wire.stomp.versions import Version as Version

__all__ = [
    "ALL_VERSIONS",
    "BEAT",
    "NO_HEART_BEAT",
    "TRANSITIONS",
    "Abort",
    "Ack",
    "Begin",
    "ClientEvent",
    "ClientSession",
    "Commit",
    "Connect",
    "Connected",
    "Deadline",
    "Disconnect",
    "ErrorReceived",
    "Frame",
    "Head",
    "HeadCache",
    "HeadCacheStatistics",
    "HeartBeat",
    "Limits",
    "MessageReceived",
    "MessageTemplate",
    "Nack",
    "Publishable",
    "Receipt",
    "Send",
    "ServerEvent",
    "ServerSession",
    "ServerViolation",
    "State",
    "Subscribe",
    "Unsubscribe",
    "Version",
    "Violation",
    "encode_frame",
    "escape",
    "mermaid",
    "message_parts",
    "message_without_subscription",
    "unescape",
]
