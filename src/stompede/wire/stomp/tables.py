"""What each STOMP command requires, by version: one table for parser, server and client.

From STOMP 1.2 with the differences of 1.1 and 1.0. Where software that is in wide use does not keep a rule,
and nothing is lost by taking its frames, the table is milder than the specification, and a comment says so.
Which command may cross when stands in `states`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from stompede.wire.stomp.versions import ALL_VERSIONS, Version


class Side(enum.Enum):
    """Who speaks."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The one that listens."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


Requirement = tuple[str, ...]
"""Names of headers of which one must be there."""


class Rule(msgspec.Struct, frozen=True):
    """What one command requires.

    Attributes:
        command: its name.
        sender: the side that sends it.
        required: header requirements by version; a version that is missing here does not have the command.
        body: whether it may have a body.
        escaped: whether its headers are escaped (STOMP 1.2 "Value Encoding": CONNECT and CONNECTED are
            exempt).
        repeats: whether a client is likely to send the same header block again, so that its parsed form is
            worth keeping.
    """

    command: str
    sender: Side
    required: Mapping[Version, tuple[Requirement, ...]]
    body: bool = False
    escaped: bool = True
    repeats: bool = False


def _since_1_0(*required: Requirement) -> Mapping[Version, tuple[Requirement, ...]]:
    return MappingProxyType(dict.fromkeys(ALL_VERSIONS, required))


def _by_version(
    v1_0: tuple[Requirement, ...] | None, v1_1: tuple[Requirement, ...], v1_2: tuple[Requirement, ...]
) -> Mapping[Version, tuple[Requirement, ...]]:
    table = {Version.V1_1: v1_1, Version.V1_2: v1_2}
    return MappingProxyType(table if v1_0 is None else {Version.V1_0: v1_0, **table})


_CLIENT = Side.CLIENT
_SERVER = Side.SERVER
_ID = (("id",),)
_TRANSACTION = ("transaction",)
_ACK_1_1 = (("message-id",), ("subscription",))

_RULES: Final = (
    # `host` is required since 1.1, but @stomp/stompjs, the most used client, leaves it out, and one virtual
    # host needs none.
    Rule("CONNECT", _CLIENT, _since_1_0(), escaped=False, repeats=True),
    Rule("STOMP", _CLIENT, _since_1_0(), escaped=False, repeats=True),
    Rule("SEND", _CLIENT, _since_1_0(("destination",)), body=True, repeats=True),
    Rule(
        "SUBSCRIBE",
        _CLIENT,
        _by_version((("destination",),), (("id",), ("destination",)), (("id",), ("destination",))),
        repeats=True,
    ),
    Rule("UNSUBSCRIBE", _CLIENT, _by_version((("id", "destination"),), _ID, _ID), repeats=True),
    # 1.0 has no NACK, and no `subscription` on ACK.
    Rule("ACK", _CLIENT, _by_version((("message-id",),), _ACK_1_1, _ID)),
    Rule("NACK", _CLIENT, _by_version(None, _ACK_1_1, _ID)),
    Rule("BEGIN", _CLIENT, _since_1_0(_TRANSACTION)),
    Rule("COMMIT", _CLIENT, _since_1_0(_TRANSACTION)),
    Rule("ABORT", _CLIENT, _since_1_0(_TRANSACTION)),
    Rule("DISCONNECT", _CLIENT, _since_1_0()),
    Rule("CONNECTED", _SERVER, _by_version((), (("version",),), (("version",),)), escaped=False),
    Rule(
        "MESSAGE",
        _SERVER,
        _by_version(
            (("destination",), ("message-id",)),
            (("destination",), ("message-id",), ("subscription",)),
            (("destination",), ("message-id",), ("subscription",)),
        ),
        body=True,
    ),
    Rule("RECEIPT", _SERVER, _since_1_0(("receipt-id",))),
    Rule("ERROR", _SERVER, _since_1_0(), body=True),
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType({rule.command: rule for rule in _RULES})
"""All commands by name."""

ACK_MODES: Final = ("auto", "client", "client-individual")
"""Values of the ``ack`` header of SUBSCRIBE. 1.0 knows the first two; brokers take the third there as
well."""

SECRET_HEADERS: Final = frozenset({"authorization", "login", "passcode"})
"""Headers that never leave the session, whatever the case of their names."""

PROTOCOL_HEADERS: Final = frozenset(
    {
        "destination",
        "content-length",
        "content-type",
        "receipt",
        "transaction",
        "message-id",
        "subscription",
        "ack",
        "redelivered",
        "delivery-count",
        "dead-letter-origin",
        "dead-letter-reason",
        "recovered",
        "position",
    }
)
"""Headers of a SEND that mean something to the server, or that the server sets on the MESSAGE itself; they
are not forwarded."""
