"""An application for suites that others wrote: ``stompede serve stompede.testing.conformance:app``.

guest/guest may log in, a wrong password is refused, and who gives none is let in as nobody: anonymous sessions are
allowed. Topics and queues are open to everybody. WebSocket is at ``/stomp`` and, as with RabbitMQ, at ``/ws``; the
ports that such suites expect are ``--port 15674 --tcp-port 61613``. A silent client is given up although it answers
pings, as other servers do.
"""

from __future__ import annotations

import hmac

from stompede import AuthenticationError, Principal, Settings, Stompede
from stompede.testing.echoes import ALL_TRANSPORTS, mount_echoes

app = Stompede(
    title="Stompede conformance",
    settings=Settings(
        endpoints=("/stomp", "/ws"),
        heart_beat_grace_s=0,
        allowed_origins=("*",),
        sockjs_transports=ALL_TRANSPORTS,
    ),
)
mount_echoes(app)


@app.authenticate
def login(login: str, passcode: str) -> Principal:
    """Knows one member: guest, with the passcode guest."""
    if login == "guest" and hmac.compare_digest(passcode.encode(), b"guest"):
        return Principal("guest")
    raise AuthenticationError("login-failed", "login or passcode is wrong")
