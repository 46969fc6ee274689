"""Settings of where a node is: under which names clients find it, and what it shares with other nodes.

They stand first in `stompede.server.settings.Settings`, which all that is made from settings is made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode

from stompede.server.places import SockJsTransport

KIB: Final = 1024
MIB: Final = 1024 * 1024

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], NoDecode]


class PlaceSettings(BaseSettings):
    """Where a node is, for clients and for other nodes."""

    endpoints: Names = Field(("/stomp",), description="HTTP paths that speak STOMP over WebSocket.")
    app_prefixes: Names = Field(
        ("/app",), description="Destination prefixes that go to the application's handlers."
    )
    topic_prefix: str = Field("/topic", description="Prefix of group messages.")
    queue_prefix: str = Field(
        "/queue", description="Prefix of queues, whose messages wait until one consumer has taken them."
    )
    temp_queue_prefix: str = Field(
        "/temp-queue", description="Prefix of temporary queues, which end with the session that named them."
    )
    session_prefix: str = Field("/session", description="Prefix of user destinations that mean one session.")
    user_prefix: str = Field(
        "/user", description="Prefix of user destinations that mean all sessions of one principal."
    )
    compression: Names = Field(
        (),
        description="Endpoints that offer permessage-deflate to their clients (RFC 7692), of `endpoints`; `*` for all. "
        "It saves bytes and costs time: about 30 µs for a message of 1 KiB, once for all its subscribers. Other ASGI "
        "servers than the node's own compress by their own settings.",
    )
    compression_min_bytes: Positive = Field(
        1 * KIB, description="Shorter frames are sent as they are, also where compression was agreed on."
    )
    compression_level: int = Field(
        1, ge=1, le=9, description="How hard messages are compressed: 1 is fast, 9 small."
    )
    allowed_origins: Names = Field(
        (),
        description="Origins of other sites whose pages may open a WebSocket, for example `https://example.org`; `*` "
        "for every site. The node's own origin is always allowed, and so are programs that are not "
        "browsers.",
    )
    trusted_proxies: Names = Field(
        (), description="Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."
    )
    public_url: str | None = Field(
        None,
        description="WebSocket URL under which clients reach this node; by default made from host and port. Set it "
        "behind a proxy, for `--host 0.0.0.0` and under other ASGI servers.",
    )
    sockjs_transports: Annotated[tuple[SockJsTransport, ...], NoDecode] = Field(
        ("websocket", "xhr-streaming", "xhr-polling", "eventsource"),
        description="Transports that SockJS may use at each endpoint, by the names that sockjs-client gives them. "
        "There are also `htmlfile`, `jsonp-polling` and `iframe`, for browsers of long ago. Without any, the endpoints "
        "speak WebSocket only.",
    )
    sockjs_cookie: bool = Field(
        False,
        description="Whether SockJS sets the cookie `JSESSIONID`, by which some load balancers keep a client on its "
        "node.",
    )
    sockjs_client_url: str = Field(
        "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js",
        description="Where SockJS's iframe page loads sockjs-client from.",
    )
    tcp_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for STOMP over TCP, beside WebSocket; 61613 by convention, 0 for a free one. Without "
        "it nobody listens there.",
    )
    tcp_host: str | None = Field(
        None,
        description="Address to listen at for STOMP over TCP; by default the one of `--host`, and under other ASGI "
        "servers 127.0.0.1.",
    )
    tcp_certificate: Path | None = Field(
        None,
        description="PEM file with the certificate chain for STOMP over TLS; by default the one of `--certfile`. With "
        "it `tcp_port` speaks TLS only.",
    )
    tcp_key: Path | None = Field(
        None,
        description="PEM file with the private key of `tcp_certificate`, if that does not hold it.",
    )
    bus: str = Field(
        "memory://",
        description="How messages travel between nodes: `redis://`, `redis+sentinel://` or `kafka://` with a host; "
        "`rediss` and `kafka+tls` connect by TLS. One process needs `memory://`.",
    )
    history: str | None = Field(
        None, description="Redis that keeps histories and queues; by default that of the bus, if it is one."
    )
    registry: str | None = Field(
        None,
        description="Redis that knows the nodes, their sessions and who is present; by default that of the bus.",
    )
    routes: str | None = Field(None, description="Redis of the routing table; by default that of `registry`.")
    registry_ttl_s: Seconds = Field(
        20, description="A node that has said nothing for so many seconds is gone, and its sessions with it."
    )
    region: str = Field(
        "", max_length=64, description="Where the node stands, by a name of yours; for the gateway."
    )
    place: Annotated[tuple[float, float] | None, NoDecode] = Field(
        None,
        description="Latitude and longitude of the node, in degrees, for `near` of the gateway: `60.17,24.94`.",
    )
    namespace: str = Field(
        "stompede",
        min_length=1,
        max_length=64,
        description="Stands before every name in Redis, so that systems that share one do not meet.",
    )
    bus_message_bytes: Positive = Field(
        1 * MIB, description="Largest message on a bus that nodes share, with its headers."
    )
    bus_bytes: Positive = Field(
        64 * MIB,
        description="Bytes of messages that a shared bus has not taken yet; beyond it publishing fails at once.",
    )
    bus_wait_s: Seconds = Field(
        5, description="How long a message waits for a bus that is away before it is refused, in seconds."
    )
    max_publish_bytes: Positive = Field(
        1 * MIB, description="Largest request to `/api/v1/publish`, with all of its messages."
    )
    bus_deaf_s: Seconds = Field(
        6,
        description="A node whose bus has brought nothing for so many seconds, not even what the node sends itself, is "
        "not ready.",
    )
