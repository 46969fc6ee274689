"""What a WebSocket handshake must satisfy, and what is learned from it. Pure functions, shared by all
transports.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

SUBPROTOCOLS: Final = ("v12.stomp", "v11.stomp", "v10.stomp")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class HandshakeRefused(Exception):  # noqa: N818 - an expected outcome of a handshake
    """The handshake is answered with an HTTP error.

    Attributes:
        status: HTTP status.
        detail: the sentence in the body.
        retry_after_s: the ``Retry-After`` header; 0 for none.
    """

    def __init__(self, status: int, detail: str, retry_after_s: int = 0) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's head says besides."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}


class Rules(msgspec.Struct, frozen=True):
    """The settings that a handshake is held against.

    Attributes:
        allowed_origins: origins of other sites, or ``*``.
        trusted: networks whose forwarded headers are believed.
    """

    allowed_origins: frozenset[str]
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def of(cls, allowed_origins: Iterable[str], trusted_proxies: Iterable[str]) -> Rules:
        """Makes rules from settings.

        Raises:
            ValueError: a trusted proxy is neither an address nor a network.
        """
        return cls(
            frozenset(origin if origin == "*" else origin.lower().rstrip("/") for origin in allowed_origins),
            tuple(ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies),
        )


class Admitted(msgspec.Struct, frozen=True):
    """What a handshake that passed tells.

    Attributes:
        address: IP address of the client, after trusted proxies.
        secure: whether the client's side is TLS.
        subprotocol: the STOMP subprotocol chosen, or ``None`` where the client offered none.
    """

    address: str
    secure: bool
    subprotocol: str | None


def admit(headers: Mapping[str, str], peer: str, secure: bool, rules: Rules) -> Admitted:
    """Holds a handshake against the rules.

    Args:
        headers: HTTP headers, names in lower case.
        peer: address of the socket's other end.
        secure: whether the socket itself is TLS.
        rules: what is allowed.

    Raises:
        HandshakeRefused: the origin is not allowed, or no offered subprotocol is STOMP.
    """
    address = peer
    if rules.trusted and _is_trusted(peer, rules):
        forwarded = headers.get("x-forwarded-proto")
        if forwarded is not None:
            secure = forwarded.split(",")[0].strip().lower() in ("https", "wss")
        address = _forwarded_address(headers.get("x-forwarded-for", ""), peer, rules)
    origin = headers.get("origin")
    if origin is not None and not _origin_allowed(origin, headers.get("host", ""), secure, rules):
        raise HandshakeRefused(
            403, f"origin {origin} is not allowed here; add it to allowed_origins (STOMPEDE_ALLOWED_ORIGINS)"
        )
    return Admitted(address, secure, _subprotocol(headers.get("sec-websocket-protocol")))


def _is_trusted(address: str, rules: Rules) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket that listens for both IPv4 and IPv6 names an IPv4 peer in this form.
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return any((mapped or parsed) in network for network in rules.trusted)


def _forwarded_address(forwarded_for: str, peer: str, rules: Rules) -> str:
    """The last address that no trusted proxy wrote about itself: what stands further left, the client may
    have made up.
    """
    address = peer
    for entry in reversed(forwarded_for.split(",")):
        candidate = entry.strip()
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            break
        address = candidate
        if not _is_trusted(candidate, rules):
            break
    return address


def _origin_allowed(origin: str, host: str, secure: bool, rules: Rules) -> bool:
    if "*" in rules.allowed_origins or origin.lower() in rules.allowed_origins:
        return True
    try:
        here = urlsplit(f"{'https' if secure else 'http'}://{host}")
        there = urlsplit(origin)
        return (
            there.scheme == here.scheme
            and there.hostname is not None
            and there.hostname == here.hostname
            and (there.port or _DEFAULT_PORTS[there.scheme]) == (here.port or _DEFAULT_PORTS[here.scheme])
        )
    except ValueError:  # a port or an address that is none
        return False


def _subprotocol(offered: str | None) -> str | None:
    if not offered:
        return None
    names: Sequence[str] = [name.strip() for name in offered.split(",")]
    for name in SUBPROTOCOLS:
        if name in names:
            return name
    raise HandshakeRefused(
        400, f"none of the subprotocols {offered!r} is served; offer {', '.join(SUBPROTOCOLS)}, or none"
    )
