"""How a session stands in the registry: a fixed form that other programs read and write, too."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import Final

import msgspec

from stompede.registry.sessions import SessionEntry, SessionRecord

_LARGEST: Final = 2**63 - 1  # a long of Java


class _Value(msgspec.Struct, gc=False):
    connectDatetime: str  # noqa: N815 - names of the form
    serverUuid: str  # noqa: N815
    principalUserName: str  # noqa: N815
    memberUid: int | None = None  # noqa: N815


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Value)


def session_key(node_id: str, session_id: str) -> str:
    """The key of a session: ``{serverUuid}_{sessionId}``."""
    return f"{node_id}_{session_id}"


def encode_session(node_id: str, entry: SessionEntry) -> bytes:
    """The value of a session: JSON of ``connectDatetime``, ``serverUuid``, ``principalUserName``, ``memberUid``."""
    when = connect_datetime(entry.connected_at)
    return _ENCODER.encode(_Value(when, node_id, entry.id, member_uid(entry.user)))


def decode_session(key: str, value: bytes) -> SessionRecord | None:
    """A session by its key and value; ``None`` where they are none."""
    try:
        read = _DECODER.decode(value)
    except msgspec.MsgspecError:
        return None
    if not key.startswith(f"{read.serverUuid}_"):
        return None
    session_id = key[len(read.serverUuid) + 1 :]
    connected_at = _connected_at(read.connectDatetime)
    return SessionRecord(read.serverUuid, session_id, connected_at, read.principalUserName, read.memberUid)


def connect_datetime(unix_s: float) -> str:
    """A time as Java's ``DateTimeFormatter`` writes it in UTC by ``yyyy_MM_dd_'T'_HH_mm_ss_SSS_z``."""
    seconds, ms = divmod(round(unix_s * 1000), 1000)
    return f"{_second(seconds)}_{ms:03d}_UTC"


@functools.lru_cache(maxsize=256)  # sessions come many in a second
def _second(unix_s: int) -> str:
    return time.strftime("%Y_%m_%d_T_%H_%M_%S", time.gmtime(unix_s))


def _connected_at(text: str) -> float | None:
    try:
        year, month, day, _, hour, minute, second, ms, zone = text.split("_")
        if zone not in {"UTC", "GMT", "Z"}:
            return None
        date = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return (int(date.timestamp()) * 1000 + int(ms)) / 1000
    except (ValueError, OverflowError):
        return None


def member_uid(user: str | None) -> int | None:
    """The id of a member whose name is a number, as it is written; of all others ``None``."""
    if user is None or not (user.isascii() and user.isdecimal()) or (user[0] == "0" and user != "0"):
        return None
    number = int(user) if len(user) < 20 else _LARGEST + 1
    return number if number <= _LARGEST else None
