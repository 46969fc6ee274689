"""What the presence topics carry: decode a message of ``/topic/presence/...`` as a `PresenceEvent`."""

from __future__ import annotations

from stompede.server.presence.events import Counted as Counted
from stompede.server.presence.events import Joined as Joined
from stompede.server.presence.events import Left as Left
from stompede.server.presence.events import Present as Present
from stompede.server.presence.events import PresentUser as PresentUser

__all__ = ["Counted", "Joined", "Left", "PresenceEvent", "Present", "PresentUser"]

PresenceEvent = Present | Joined | Left | Counted
"""Every message of a presence topic; its JSON says by ``type`` which one it is."""
