"""An application for suites that others wrote: ``stompede serve stompede.testing.conformance:app``.

guest/guest may log in, a wrong password is refused, and who gives none is let in as nobody: anonymous sessions are
allowed. Topics and queues are open to everybody. WebSocket is at ``/stomp`` and, as with RabbitMQ, at ``/ws``; the
ports that such suites expect are ``--port 15674 --tcp-port 61613``. A silent client is given up although it answers
pings, as other servers do. Bodies of a megabyte are taken, and come back; heart-beats may be fast, so that nobody waits
for them for long. What the command line, the file or the environment say wins over all of that.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from stompede import AuthenticationError, Principal, Settings, Stompede
from stompede.testing.echoes import ALL_TRANSPORTS, mount_echoes

_MIB: Final = 1024 * 1024
_WANTED: Final[Mapping[str, object]] = {
    "endpoints": ("/stomp", "/ws"),
    "allowed_origins": ("*",),
    "sockjs_transports": ALL_TRANSPORTS,
    "heart_beat_grace_s": 0,
    "heart_beat_send_ms": 250,
    "heart_beat_receive_ms": 250,
    "max_body_bytes": 2 * _MIB,
    "max_message_bytes": 4 * _MIB,
    "sockjs_max_post_bytes": 4 * _MIB,
    "outbound_bytes": 16 * _MIB,
}


def settings_for_suites() -> Settings:
    """What suites need, where nobody has said something else."""
    said = Settings().model_fields_set
    return Settings(**{name: value for name, value in _WANTED.items() if name not in said})  # type: ignore[arg-type]


app = Stompede(title="Stompede conformance", settings=settings_for_suites())
mount_echoes(app)


@app.authenticate
def login(login: str, passcode: str) -> Principal:
    """Knows one member: guest, with the passcode guest."""
    if login == "guest" and hmac.compare_digest(passcode.encode(), b"guest"):
        return Principal("guest")
    raise AuthenticationError("login-failed", "login or passcode is wrong")
