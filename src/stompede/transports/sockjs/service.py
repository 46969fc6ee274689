"""One SockJS endpoint: its sessions, and their time.

Any `Acceptor` can stand on it. It has no timer: whoever serves it calls `SockJsService.tick` a few times a second.
"""

from __future__ import annotations

import asyncio
from typing import Final, final

import msgspec

from stompede.transports.base import Acceptor
from stompede.transports.handshake import Rules
from stompede.transports.lapses import Lapses
from stompede.transports.sockjs.options import SockJsOptions
from stompede.transports.sockjs.session import SockJsSession
from stompede.transports.sockjs.websocket import FramedAcceptor, SockJsWebSocket
from stompede.wire.sockjs import Location, Place, locate

# Ends that are remembered, so that who asks again hears of them: a flood of short sessions must not grow this.
_MAX_ENDED: Final = 10_000


class SockJsStatistics(msgspec.Struct, frozen=True):
    """What `SockJsService.statistics` tells.

    Attributes:
        sessions: sessions over HTTP now.
        waiting: those of them with no response that could carry messages.
        websockets: WebSockets with SockJS framing now.
        ended: ends that are still remembered.
        crowded_out: sessions that ended because of ``max_openings``.
        posts_refused: requests refused because ``max_posts`` of their session were there already.
    """

    sessions: int
    waiting: int
    websockets: int
    ended: int
    crowded_out: int
    posts_refused: int


@final
class SockJsService:
    """See the module.

    Args:
        path: of the endpoint, for example ``/stomp``.
        acceptor: decides about new sessions, and what stands above them.
        rules: origins and proxies.
        options: the rest.

    Attributes:
        sessions: those over HTTP, by what the client called them.
        ended: the close frames of those that have ended.
        posts_refused: see `SockJsStatistics`.
    """

    def __init__(self, path: str, acceptor: Acceptor, rules: Rules, options: SockJsOptions) -> None:
        self.path = path
        self.acceptor = acceptor
        self.rules = rules
        self.options = options
        self.places = options.places()
        self.sessions: dict[str, SockJsSession] = {}
        self.ended: dict[str, bytes] = {}
        self._framed = FramedAcceptor(self)
        self._absent: Lapses[SockJsSession] = Lapses(options.disconnect_delay_s)
        self._quiet: Lapses[SockJsSession | SockJsWebSocket] = Lapses(options.heart_beat_s)
        self._forgetting: Lapses[str] = Lapses(options.disconnect_delay_s)
        self._openings: dict[SockJsSession, None] = {}
        self._websockets = self._crowded_out = 0
        self.posts_refused = 0

    def statistics(self) -> SockJsStatistics:
        """Figures of now."""
        return SockJsStatistics(
            sessions=len(self.sessions),
            waiting=len(self._absent),
            websockets=self._websockets,
            ended=len(self.ended),
            crowded_out=self._crowded_out,
            posts_refused=self.posts_refused,
        )

    def locate(self, path: str) -> Location | None:
        """What this endpoint has at a path; ``None`` for nothing, or nothing that its options allow."""
        if not path.startswith(self.path):
            return None
        location = locate(path[len(self.path) :])
        return location if location is not None and location.place in self.places else None

    def websocket(self, path: str) -> Acceptor | None:
        """Who accepts WebSockets at a path; ``None`` for nobody."""
        if path == self.path:
            return self.acceptor
        location = self.locate(path)
        if location is None:
            return None
        if location.place is Place.RAW_WEBSOCKET:
            return self.acceptor
        return self._framed if location.place is Place.WEBSOCKET else None

    def close(self) -> None:
        """What is still there ends. Idempotent."""
        for session in list(self.sessions.values()):
            session.end(None, "the server stops")
        self.ended.clear()

    # Sessions.

    def open(self, key: str, address: str) -> SockJsSession:
        """A new session over HTTP; whether there may be one was asked before."""
        session = self.sessions[key] = SockJsSession(self, key, address)
        session.open(self.acceptor)
        return session

    def forget(self, session: SockJsSession, last: bytes | None) -> None:
        """A session has ended; ``last`` is the close frame that further requests get, for the disconnect delay."""
        del self.sessions[session.key]
        self._absent.stop(session)
        self._quiet.stop(session)
        self._openings.pop(session, None)
        if last is not None:
            if len(self.ended) >= _MAX_ENDED:
                oldest = next(iter(self.ended))
                del self.ended[oldest]
                self._forgetting.stop(oldest)
            self.ended[session.key] = last
            self._forgetting.start(session.key, self._now())

    # Time.

    def stays(self, session: SockJsSession) -> None:
        """A response carries the session's messages, and something was sent just now."""
        self._absent.stop(session)
        self._openings.pop(session, None)
        self._quiet.start(session, self._now())

    def leaves(self, session: SockJsSession) -> None:
        """No response carries the session's messages: its disconnect delay runs."""
        self._quiet.stop(session)
        self._absent.start(session, self._now())
        if session.fresh:
            self._openings[session] = None
            if len(self._openings) > self.options.max_openings:
                # A session that holds no connection costs its client nothing; so many of them must not keep others out.
                self._crowded_out += 1
                next(iter(self._openings)).end(None, "too many sessions began and did not go on")

    def spoke(self, session: SockJsSession) -> None:
        """A session was told something for the first time: its CONNECT was answered."""
        self._openings.pop(session, None)

    def sent(self, websocket: SockJsWebSocket) -> None:
        """Something was sent on a WebSocket."""
        self._quiet.start(websocket, self._now())

    def opened(self, websocket: SockJsWebSocket) -> None:
        """A WebSocket stands."""
        self._websockets += 1
        self.sent(websocket)

    def lost(self, websocket: SockJsWebSocket) -> None:
        """A WebSocket has ended."""
        self._websockets -= 1
        self._quiet.stop(websocket)

    def tick(self) -> None:
        """Does what is due: heart-beats, and the ends of sessions whose client has not come back."""
        now = self._now()
        for session in self._absent.take_due(now):
            session.expired()
        for quiet in self._quiet.take_due(now):
            self._quiet.start(quiet, now)
            quiet.beat()
        for key in self._forgetting.take_due(now):
            self.ended.pop(key, None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
