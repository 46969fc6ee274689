"""Where Kafka is."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from stompede.errors import ConfigurationError

TOPIC: Final = "stomp_send-message"
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaAddress(msgspec.Struct, frozen=True):
    """Where Kafka is, as a URL says it: ``kafka://[user:password@]host[:port],...[?topic=name][&mechanism=PLAIN]``, and
    ``kafka+tls://`` to connect by TLS.

    Attributes:
        servers: brokers to begin with, ``host:port`` each.
        topic: the one topic of the bus.
        tls: whether to connect by TLS.
        username: for SASL; ``None``: no log-in.
        password: for SASL.
        mechanism: of SASL.
    """

    servers: tuple[str, ...]
    topic: str = TOPIC
    tls: bool = False
    username: str | None = None
    password: str | None = None
    mechanism: str = "SCRAM-SHA-512"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads a URL.

        Raises:
            ConfigurationError: it is none; says what would be right, and never the password.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("kafka", "kafka+tls"):
            raise ConfigurationError(
                f"bus: {parts.scheme}:// is no scheme of Kafka; use kafka:// or kafka+tls://"
            )
        login, _, hosts = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        options = dict(parse_qsl(parts.query))
        topic = options.pop("topic", TOPIC)
        mechanism = options.pop("mechanism", "SCRAM-SHA-512").upper()
        if options or parts.path.strip("/"):
            said = ", ".join(options) or parts.path
            raise ConfigurationError(
                f"bus: {said}: no such option of a Kafka URL; there are ?topic= and ?mechanism="
            )
        if mechanism not in _MECHANISMS:
            raise ConfigurationError(f"bus: mechanism {mechanism}: use {', '.join(_MECHANISMS)}")
        servers = tuple(_server(each) for each in hosts.split(","))
        return cls(
            servers,
            topic,
            parts.scheme == "kafka+tls",
            unquote(username) or None,
            unquote(password) or None,
            mechanism,
        )

    def __str__(self) -> str:
        """The address without what is secret."""
        return f"kafka{'+tls' if self.tls else ''}://{','.join(self.servers)}"

    def options(self) -> dict[str, str]:
        """What librdkafka wants to know to connect."""
        options = {"bootstrap.servers": ",".join(self.servers)}
        login = self.username is not None
        options["security.protocol"] = f"{'SASL_' if login else ''}{'SSL' if self.tls else 'PLAINTEXT'}"
        if self.username is not None:
            options |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password or "",
            }
        return options


def _server(text: str) -> str:
    parts = urlsplit(f"//{text}")
    try:
        return f"{parts.hostname or '127.0.0.1'}:{parts.port or 9092}"
    except ValueError:
        raise ConfigurationError(f"bus: {text!r} is no host and port; for example 10.0.0.5:9092") from None
