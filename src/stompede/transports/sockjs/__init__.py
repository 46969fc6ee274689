"""SockJS: clients without WebSocket, behind the same boundary as those with it."""

from stompede.transports.sockjs.endpoints import Endpoints as Endpoints
from stompede.transports.sockjs.framing import SOCKJS as SOCKJS
from stompede.transports.sockjs.options import SockJsOptions as SockJsOptions
from stompede.transports.sockjs.service import SockJsService as SockJsService
from stompede.transports.sockjs.service import SockJsStatistics as SockJsStatistics

__all__ = ["SOCKJS", "Endpoints", "SockJsOptions", "SockJsService", "SockJsStatistics"]
