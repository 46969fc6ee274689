"""Who may come in, and how much each may send: the limits that are counted over time.

Connections are refused before their handshake is answered; frames are refused by a soft error; bytes are not refused,
their socket is not read until the session is within its rate again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stompede.messaging.problem import Problem
from stompede.server.rates import AddressRates, TokenBucket
from stompede.server.session import reading
from stompede.transports.base import Refusal

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

# Seconds until it is worth while to try again: a full node stays full for longer than a crowd at its door.
_SOON_S: Final = 1
_LATER_S: Final = 5


@final
class Admission:
    """The limits of one node.

    Args:
        node: whose sessions, settings and clock they are held against.

    Attributes:
        address_limited: handshakes refused because their address came too often.
        rate_limited: frames refused because their session sent too many.
        reading_slowed: times that a socket was not read because its session sent too many bytes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        settings = node.settings
        self._max_sessions = settings.max_sessions
        self._max_handshakes = settings.max_handshakes
        self._sends_per_s = settings.max_sends_per_s
        self._sends_burst = settings.max_sends_burst or settings.max_sends_per_s
        self._bytes_per_s = settings.max_inbound_bytes_per_s
        connects = settings.max_connects_per_address_per_s
        self._addresses = AddressRates(connects) if connects else None
        self.address_limited = self.rate_limited = self.reading_slowed = 0

    def refuse(self, address: str) -> Refusal | None:
        """See `stompede.transports.base.Acceptor`."""
        refusal = self._refusal(address)
        if refusal is not None:
            self._node.attendance.refused()
        return refusal

    def _refusal(self, address: str) -> Refusal | None:
        node = self._node
        if not node.accepting or node.drain.draining:
            return Refusal(503, "this node takes no new connections now; try again, or another node", _SOON_S)
        if len(node.transports) >= self._max_sessions:
            return Refusal(503, "this node is full (max_sessions); try again, or another node", _LATER_S)
        if node.attendance.connecting >= self._max_handshakes:
            return Refusal(
                503, "too many connect at once (max_handshakes); try again, or another node", _SOON_S
            )
        if self._addresses is not None and not self._addresses.take(address, node.now()):
            self.address_limited += 1
            return Refusal(
                429, "your address connects too often (max_connects_per_address_per_s); try again", _SOON_S
            )
        return None

    def inflow(self) -> TokenBucket | None:
        """What meters the bytes of one session; ``None`` where they have no bound."""
        rate = self._bytes_per_s
        return TokenBucket(rate, rate, self._node.now()) if rate else None

    def spend(self, session: Session, count: int, now: float) -> None:
        """Counts bytes that a metered session sent; beyond its rate its socket is not read for as long as it takes."""
        assert session.inflow is not None
        wait_s = session.inflow.owe(count, now)
        if wait_s and not session.closed:
            self.reading_slowed += 1
            reading.slow_down(session, now + wait_s)

    def check_rate(self, session: Session) -> None:
        """Counts a SEND or SUBSCRIBE; raises `Problem` ``rate-limited`` beyond ``max_sends_per_s``."""
        limit = self._sends_per_s
        if not limit:
            return
        now = self._node.now()
        bucket = session.rate
        if bucket is None:
            bucket = session.rate = TokenBucket(limit, self._sends_burst, now)
        if not bucket.take(now):
            self.rate_limited += 1
            raise Problem("rate-limited", f"a session may send {limit} frames a second (max_sends_per_s)")
