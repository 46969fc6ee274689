"""Stompede: STOMP over WebSocket for Python, from one process on a laptop to a fleet behind a load balancer."""

from importlib.metadata import version as _version

from stompede._app import Stompede as Stompede
from stompede._types import Principal as Principal
from stompede.auth import TokenIssuer as TokenIssuer
from stompede.client import connect as connect
from stompede.errors import AccessError as AccessError
from stompede.errors import AuthenticationError as AuthenticationError
from stompede.errors import BusError as BusError
from stompede.errors import ConfigurationError as ConfigurationError
from stompede.errors import LimitError as LimitError
from stompede.errors import LocalProtocolError as LocalProtocolError
from stompede.errors import ProtocolError as ProtocolError
from stompede.errors import RemoteProtocolError as RemoteProtocolError
from stompede.errors import RequestError as RequestError
from stompede.errors import SessionClosedError as SessionClosedError
from stompede.errors import SlowConsumerError as SlowConsumerError
from stompede.errors import StompedeError as StompedeError
from stompede.messaging.commands import Answer as Answer
from stompede.messaging.commands import Command as Command
from stompede.messaging.commands import ConnectCommand as ConnectCommand
from stompede.messaging.commands import DisconnectCommand as DisconnectCommand
from stompede.messaging.commands import SendCommand as SendCommand
from stompede.messaging.commands import SubscribeCommand as SubscribeCommand
from stompede.messaging.commands import UnsubscribeCommand as UnsubscribeCommand
from stompede.messaging.message import Message as Message
from stompede.messaging.problem import Problem as Problem
from stompede.messaging.session import StompSession as StompSession
from stompede.server.fanout.policies import Conflate as Conflate
from stompede.server.fanout.policies import Cut as Cut
from stompede.server.fanout.policies import DropOldest as DropOldest
from stompede.server.session.connected import SessionReport as SessionReport
from stompede.server.session.disconnects import Disconnect as Disconnect
from stompede.server.settings import Settings as Settings
from stompede.store import History as History
from stompede.store import Queue as Queue

__version__ = _version("stompede")

__all__ = [
    "AccessError",
    "Answer",
    "AuthenticationError",
    "BusError",
    "Command",
    "ConfigurationError",
    "Conflate",
    "ConnectCommand",
    "Cut",
    "Disconnect",
    "DisconnectCommand",
    "DropOldest",
    "History",
    "LimitError",
    "LocalProtocolError",
    "Message",
    "Principal",
    "Problem",
    "ProtocolError",
    "Queue",
    "RemoteProtocolError",
    "RequestError",
    "SendCommand",
    "SessionClosedError",
    "SessionReport",
    "Settings",
    "SlowConsumerError",
    "StompSession",
    "Stompede",
    "StompedeError",
    "SubscribeCommand",
    "TokenIssuer",
    "UnsubscribeCommand",
    "connect",
]
