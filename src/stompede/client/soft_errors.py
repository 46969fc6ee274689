"""What the server says on its error destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from stompede.errors import RequestError

EXPIRED: Final = "token-expired"
NO_REPLY: Final = "no-reply"
ENDED: Final = "ended-subscription"
"""Header with the id of a subscription that the server has ended."""
LOST: Final = "messages-lost"
NOT_LOOKED_AT: Final = frozenset(
    {EXPIRED, "token-missing", "token-invalid", "login-required", "principal-mismatch"}
)
"""Codes of a frame that the server did nothing with, as it was nobody's: a COMMIT leaves its transaction open."""


class SoftError(msgspec.Struct, rename="camel"):
    """Body of a message on the error destination."""

    code: str = "handler-failed"
    detail: str = ""
    destination: str | None = None
    client_request_code: str | None = None
    error_id: str | None = None


def read_soft_error(headers: Mapping[str, str], body: bytes) -> tuple[RequestError, str | None] | None:
    """A soft error, and the destination that it is about; ``None`` where the body is none."""
    try:
        said = msgspec.json.decode(body, type=SoftError)
    except msgspec.MsgspecError:
        return None
    code = headers.get("client-request-code", said.client_request_code)
    return RequestError(said.code, said.detail, said.error_id, code), said.destination
