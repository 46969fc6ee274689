"""What a SockJS endpoint can be told."""

from __future__ import annotations

from typing import Final

import msgspec

from stompede.wire.sockjs import TRANSPORTS, Place

DEFAULT_TRANSPORTS: Final = ("websocket", "xhr-streaming", "xhr-polling", "eventsource")
_KIB: Final = 1024


class SockJsOptions(msgspec.Struct, frozen=True):
    """Options of one endpoint; the defaults are those of the settings.

    Attributes:
        transports: names of transports, as sockjs-client has them.
        heart_beat_s: an ``h`` frame is sent when nothing else was for so long.
        disconnect_delay_s: how long a session lives without a response that could carry its messages.
        stream_bytes: a streaming response ends after so many bytes, so that browsers can free them.
        max_post_bytes: largest body of a request.
        max_message_bytes: largest message in it.
        max_posts: requests of one session that may bring messages at once; all but one of them wait.
        max_openings: sessions over HTTP that have been told nothing yet and have no response now; for a further one the
            oldest of them ends.
        cookie: whether the cookie ``JSESSIONID`` is set, by which some load balancers keep a client on its node.
        client_url: where the iframe page loads sockjs-client from.
    """

    transports: tuple[str, ...] = DEFAULT_TRANSPORTS
    heart_beat_s: float = 25.0
    disconnect_delay_s: float = 5.0
    stream_bytes: int = 128 * _KIB
    max_post_bytes: int = 1024 * _KIB
    max_message_bytes: int = 512 * _KIB
    max_posts: int = 32
    max_openings: int = 2_500
    cookie: bool = False
    client_url: str = ""

    def places(self) -> frozenset[Place]:
        """What is served."""
        found = {Place.GREETING, Place.INFO} if self.transports else set()
        for name in self.transports:
            found |= TRANSPORTS[name]
        return frozenset(found)
