"""An asyncio client for STOMP over WebSocket and TCP.

    async with stompede.connect("wss://example.org/stomp", token=fetch_token) as client:
        answer = await client.request("/app/ping", Ping(1), Pong)
        async with client.subscribe("/topic/rooms/kitchen", Said) as messages:
            async for message in messages:
                print(message.body.text)

Its parts, from below: `link` (what carries bytes; `websocket` and `tcp` are two), `connection` (one connection's
frames and deadlines), `courier` (what goes out when, and whom an arriving frame concerns), `supervisor` (the one
task), `calls` and `acks` (what a call waits for, and what may be acknowledged), `client`, `subscription`, `received`
and `transaction` (the face).
"""

from stompede.client.backoff import Backoff as Backoff
from stompede.client.client import Client as Client
from stompede.client.connecting import connect as connect
from stompede.client.link import Dialer as Dialer
from stompede.client.link import DialError as DialError
from stompede.client.link import Link as Link
from stompede.client.link import LinkEvents as LinkEvents
from stompede.client.options import ClientOptions as ClientOptions
from stompede.client.received import Received as Received
from stompede.client.statistics import ClientStatistics as ClientStatistics
from stompede.client.subscription import Overflow as Overflow
from stompede.client.subscription import Subscription as Subscription
from stompede.client.subscription import SubscriptionStatistics as SubscriptionStatistics
from stompede.client.transaction import Transaction as Transaction

__all__ = [
    "Backoff",
    "Client",
    "ClientOptions",
    "ClientStatistics",
    "DialError",
    "Dialer",
    "Link",
    "LinkEvents",
    "Overflow",
    "Received",
    "Subscription",
    "SubscriptionStatistics",
    "Transaction",
    "connect",
]
