"""Every setting of a node, with its unit and the reason for its default.

The fields here are the one source: the environment (``STOMPEDE_*``), the TOML file, the command line and the
table in the documentation are all made from them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from stompede.server.places import check_places
from stompede.server.settings_places import KIB, MIB, Names, PlaceSettings, Positive, Seconds

_LISTS: Final = (
    "compression", "endpoints", "app_prefixes", "allowed_origins", "trusted_proxies", "jwt_algorithms",
    "sockjs_transports", "place",
)  # fmt: skip


class Settings(PlaceSettings):
    """What a node can be told. Values given here win over the environment, that over the file, that over the
    defaults.
    """

    model_config = SettingsConfigDict(
        env_prefix="STOMPEDE_", extra="forbid", frozen=True, allow_inf_nan=False
    )

    data_dir: Path = Field(Path("var"), description="Directory for what the node keeps on disk: its own key.")

    route_ttl_s: Seconds = Field(
        600, description="Life of an entry of the routing table that nobody renews, in seconds."
    )

    presence_grace_s: float = Field(
        5,
        ge=0,
        description="How long a member stays on a destination after its last subscription there ended, in seconds: who "
        "reconnects meanwhile neither leaves nor joins. 0 for leaving at once.",
    )
    presence_events_per_s: int = Field(
        20,
        ge=0,
        description="Joins and leaves of one destination that this node tells one by one in a second; beyond it "
        "subscribers get one count at the end of the second. 0 for counts alone.",
    )
    presence_listed: Positive = Field(
        100,
        description="Members that the first message of a presence topic lists; more of them are only counted.",
    )
    presence_info_bytes: Positive = Field(
        1 * KIB, description="Size of what is told of one member, as JSON; larger ones are left out."
    )
    presence_entries: Positive = Field(
        1_000_000,
        description="Members times destinations whose presence is noted; who comes beyond it is not, until there is "
        "room.",
    )
    presence_ttl_s: float = Field(
        30,
        ge=5,
        description="How long the members of a node that crashed are still thought to be there, in seconds.",
    )

    # Who may come in.
    anonymous: bool = Field(True, description="Whether a session without a login may exist.")
    jwt_algorithms: Names = Field(
        ("HS256",),
        description="Algorithms that tokens may be signed with; any of HS256, RS256, ES256, EdDSA.",
    )
    jwt_secret: str | None = Field(
        None,
        repr=False,
        description="Shared secret for HS256, at least 32 bytes.",
        json_schema_extra={"secret": True},
    )
    jwt_public_key: Path | None = Field(
        None, description="PEM file with the public key for RS256, ES256 or EdDSA."
    )
    jwt_jwks_file: Path | None = Field(None, description="JWKS file; read again when it changes.")
    jwt_jwks_url: str | None = Field(
        None, description="JWKS URL; fetched again when a token names an unknown key."
    )
    jwt_issuer: str | None = Field(None, description="Required `iss` of tokens.")
    jwt_audience: str | None = Field(None, description="Required `aud` of tokens.")
    jwt_leeway_s: float = Field(
        0.0, ge=0, le=300, description="Clock difference that is forgiven, in seconds."
    )
    token_ttl_s: Seconds = Field(3600, description="Life of the tokens that this node issues, in seconds.")
    token_cache: Positive = Field(100_000, description="Verified tokens remembered until they expire.")
    token_grace_s: float = Field(
        30,
        ge=0,
        description="How long a subscriber whose token ran out still gets guarded destinations, in seconds.",
    )

    # Heart-beats and waits. All are checked against one clock of the node.
    heart_beat_send_ms: int = Field(
        1000,
        ge=0,
        description="Shortest interval at which this node sends heart-beats; 0 never. The client may ask for longer.",
    )
    heart_beat_receive_ms: int = Field(
        1000, ge=0, description="Shortest interval at which this node wants a client's heart-beats; 0 never."
    )
    heart_beat_tolerance: float = Field(
        2.0,
        ge=1,
        le=1000,
        description="How long a client that promised heart-beats may be silent, as a multiple of their interval; then "
        "it is given up.",
    )
    heart_beat_grace_s: float = Field(
        90,
        ge=0,
        description="How long answers to WebSocket pings count as a client's heart-beats, from its last other byte on. "
        "Browsers run the timers of a background tab once a minute, but answer pings. The ping is sent at half of the "
        "time that a client may be silent. 0 for never; STOMP over TCP has no pings.",
    )
    handshake_timeout_s: Seconds = Field(
        10, description="Time from the TCP connection to the end of the WebSocket handshake."
    )
    connect_timeout_s: Seconds = Field(
        10, description="Time from the WebSocket handshake to the CONNECT frame."
    )
    idle_timeout_s: Seconds = Field(
        120,
        description="Time without any byte from a client that negotiated no heart-beats. A WebSocket ping is sent at "
        "half of it, so that only dead connections are closed.",
    )
    sockjs_heart_beat_s: Seconds = Field(
        25,
        le=3600,
        description="Time after which SockJS sends a heart-beat where nothing else was sent; less than proxies let a "
        "response be silent.",
    )
    sockjs_disconnect_delay_s: Seconds = Field(
        5,
        le=3600,
        description="How long a SockJS session lives while no request of its client waits for messages.",
    )
    close_timeout_s: Seconds = Field(
        5, description="Time a peer has to take the last bytes and close its side."
    )
    drain_s: float = Field(
        0,
        ge=0,
        description="Seconds over which SIGTERM moves clients to other nodes before the node stops; 0: all at once. "
        "Behind it comes `shutdown_timeout_s`: give the supervisor of the process time for both.",
    )
    max_connection_age_s: float = Field(
        0,
        ge=0,
        description="Seconds after which a session is moved, as by a drain, so that clients spread over nodes that "
        "came later; each at a time drawn between 90 % and 110 % of it. 0 for never.",
    )
    shutdown_timeout_s: Seconds = Field(
        20, description="Time for handlers to end and queues to empty when the node stops."
    )

    # Bounds of one session. Each is applied before the memory is taken.
    max_headers: Positive = Field(64, description="Headers of one frame.")
    max_header_line_bytes: Positive = Field(8 * KIB, description="One header line; tokens are the longest.")
    max_header_block_bytes: Positive = Field(16 * KIB, description="Command and headers of one frame.")
    max_body_bytes: Positive = Field(256 * KIB, description="Body of one frame.")
    max_message_bytes: Positive = Field(
        512 * KIB, description="One WebSocket message; it may carry a part of a frame, or several."
    )
    sockjs_max_post_bytes: Positive = Field(
        1 * MIB, description="Body of one request by which SockJS brings messages; JSON makes them longer."
    )
    sockjs_max_posts: Positive = Field(
        32,
        description="Requests of one SockJS session that may bring messages at once: they are served one after the "
        "other, and browsers send the next when the last is answered. A further one is refused with 429.",
    )
    sockjs_stream_bytes: Positive = Field(
        128 * KIB,
        description="Bytes after which SockJS ends a streaming response and the client asks for the next; browsers "
        "keep all of a response in memory.",
    )
    max_destination_bytes: Positive = Field(
        512, description="Length of a destination, and of a subscription id."
    )
    max_subscriptions: Positive = Field(1000, description="Subscriptions of one session.")
    prefetch: Positive = Field(
        32,
        description="Messages that a subscription with `ack:client` or `ack:client-individual` gets before it has "
        "acknowledged the first of them, where its `prefetch-count` says nothing else.",
    )
    max_prefetch: Positive = Field(1000, description="Largest `prefetch-count` of a subscription.")
    max_transactions: Positive = Field(100, description="Open transactions of one session.")
    max_transaction_frames: Positive = Field(1000, description="Frames of one transaction.")
    max_transaction_bytes: Positive = Field(1 * MIB, description="Bytes of one, as `history_bytes` counts.")
    max_temporary_queues: Positive = Field(
        32,
        description="Temporary queues that one session names; it needs one for its answers. They end with the session.",
    )
    max_wildcard_subscriptions: Positive = Field(
        100,
        description="Of a session's subscriptions, those to topics with wildcards: each of them may bring a great many "
        "messages.",
    )
    max_sends_per_s: int = Field(
        0,
        ge=0,
        description="SEND and SUBSCRIBE frames of one session in a second, on average; beyond it the client gets "
        "`rate-limited`. 0 for no bound.",
    )
    max_sends_burst: int = Field(
        0,
        ge=0,
        description="SEND and SUBSCRIBE frames that a session may send at once before `max_sends_per_s` counts; 0 for "
        "as many as in a second.",
    )
    max_inbound_bytes_per_s: int = Field(
        0,
        ge=0,
        description="Payload bytes of one session in a second, on average; what a second allows may come at once, and "
        "a ping counts as 131. Beyond it the node stops reading the socket until the session is within it again: a "
        "burst is slowed down, not punished. 0 for no bound.",
    )
    inbound_bytes: Positive = Field(
        64 * KIB, description="Unhandled bytes of one session at which the node stops reading its socket."
    )
    outbound_bytes: Positive = Field(
        1 * MIB,
        description="Bytes that wait for one client that reads too slowly; beyond it the destination's policy acts. "
        "As many may wait for its ACKs of messages of topics, as `history_bytes` counts.",
    )
    outbound_age_s: Seconds = Field(
        30, description="Longest time that a client may take nothing while bytes wait for it."
    )

    # Bounds of the node.
    max_sessions: Positive = Field(100_000, description="Sessions of this node; further handshakes get 503.")
    max_handshakes: Positive = Field(
        10_000,
        description="Connections that have not sent CONNECT yet; further handshakes get 503. As many again may be in "
        "the middle of an HTTP request's head, and as many in the middle of a TLS handshake; further ones are closed. "
        "At most a quarter may be SockJS sessions without a request of their own; for a further one the oldest of "
        "those ends.",
    )
    max_connects_per_address_per_s: int = Field(
        0,
        ge=0,
        description="Handshakes of one client address in a second (of one /64 network for IPv6), on average and at "
        "once; further ones get 429. 0 for no bound, since many users may share an address.",
    )
    max_topics: Positive = Field(
        1_000_000, description="Destinations with at least one subscriber on this node."
    )
    history_destinations: Positive = Field(
        100_000,
        description="Destinations whose history is kept in memory; beyond it the one that was silent for the longest "
        "time is forgotten.",
    )
    history_bytes: Positive = Field(
        256 * MIB,
        description="Bytes of all histories in memory; beyond it whole histories are forgotten, those that were "
        "silent for the longest time first. A message counts with body, destination and headers, 128 for each header, "
        "and 384 for itself: about the memory that it takes.",
    )
    max_recoveries: Positive = Field(
        100,
        description="Subscriptions that read missed messages from a history at once; further ones wait their turn.",
    )
    max_queues: Positive = Field(
        10_000,
        description="Queues with messages, and queues with consumers on this node. Queues that `app.destination` does "
        "not declare and that have no consumers begin only while fewer than half of them hold messages. What one queue "
        "may hold is said by `app.destination`.",
    )
    queue_bytes: Positive = Field(
        256 * MIB,
        description="What all queues together hold, as `history_bytes` counts; beyond it senders get `unavailable`.",
    )
    transaction_bytes: Positive = Field(
        64 * MIB,
        description="What all open transactions hold, as `history_bytes` counts; beyond it a SEND in one gets "
        "`unavailable`, which spoils it.",
    )
    max_handlers: Positive = Field(
        1000, description="Handlers that wait for something at once; further sessions wait their turn."
    )
    handler_timeout_s: Seconds = Field(
        60, description="Longest life of one handler; then it is cancelled and the client gets `unavailable`."
    )
    pool_threads: Positive = Field(
        2 * (os.cpu_count() or 1),
        description="Threads for handlers and dependencies that are plain `def`.",
        json_schema_extra={"shown_default": "2 x CPUs"},
    )
    pool_queue: Positive = Field(
        1000, description="Calls that wait for a thread; beyond it the client gets `unavailable`."
    )
    head_cache: Positive = Field(4096, description="Distinct header blocks whose parsed form is remembered.")
    threadsafe_queue: Positive = Field(10_000, description="Publications from other threads that wait.")

    # The log.
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Lines for people, or JSON.")

    @model_validator(mode="after")
    def _know_the_places(self) -> Self:
        check_places(self.endpoints, self.allowed_origins, self.compression, self.public_url)
        return self

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        """A list may be written with commas, as environment variables need it."""
        for name in _LISTS:
            value = values.get(name)
            if isinstance(value, str):
                values[name] = tuple(part.strip() for part in value.split(",") if part.strip())
        return values
