"""Whether a client still takes what is written to it.

A socket that is full says so, and then nothing until it is empty: who reads a large message over a bad line is silent
for as long as one who has gone. So the sockets that are full are asked how much is left: soon after they have filled
up, and when ``outbound_age_s`` is over. What has become less was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stompede.server.session.session import Session


def due(session: Session, now: float) -> bool:
    """Whether a session whose socket is full is to be asked now: it never was, or ``outbound_age_s`` is over."""
    outbox = session.outbox
    return outbox.unsent_bytes is None or now - outbox.since > session.node.settings.outbound_age_s


def stuck(session: Session, now: float) -> bool:
    """Whether a session that is `due` has taken nothing for ``outbound_age_s``."""
    outbox = session.outbox
    before = outbox.unsent_bytes
    left = outbox.unsent_bytes = session.transport.unsent_bytes()
    if before == left:
        return True
    if before is not None:
        outbox.since = now
    return False
