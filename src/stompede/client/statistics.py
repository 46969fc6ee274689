"""Figures of a client."""

from __future__ import annotations

import msgspec


class ClientStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What `Client.statistics` tells; counters since the client was made.

    Attributes:
        connected: whether there is a connection and all subscriptions stand.
        connects: connections that stood.
        attempts_failed: attempts to connect that failed.
        moves: times that it went to the URL that the server named.
        subscriptions: subscriptions that stand, the client's own included.
        queued_sends: SEND frames that wait to be written.
        queued_bytes: their bytes.
        in_flight: frames that wait for a receipt or an answer.
        sent: SEND frames written.
        received: MESSAGE frames received.
        undelivered: MESSAGE frames that nobody wanted any more.
        soft_errors: errors on the error destination.
        tokens_fetched: tokens that the supplier gave.
        resent: frames sent again with a new token.
        bytes_in: bytes of payload received on this connection.
        bytes_out: bytes of payload sent on this connection.
    """

    connected: bool
    connects: int
    attempts_failed: int
    moves: int
    subscriptions: int
    queued_sends: int
    queued_bytes: int
    in_flight: int
    sent: int
    received: int
    undelivered: int
    soft_errors: int
    tokens_fetched: int
    resent: int
    bytes_in: int
    bytes_out: int
