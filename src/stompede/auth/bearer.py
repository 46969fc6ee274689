"""The value of an ``Authorization`` header."""

from __future__ import annotations

from typing import Final

from stompede.errors import AuthenticationError

_HOW: Final = "send `Authorization: Bearer <token>`"


def bearer_token(value: str | None) -> str:
    """The token of ``Bearer <token>``; the scheme may be written in any case (RFC 9110 section 11.1).

    The message of an error never repeats the value: somebody who forgot the scheme sent a naked token.

    Raises:
        AuthenticationError: ``token-missing`` without a value, ``token-invalid`` for another scheme or shape.
    """
    if not value:
        raise AuthenticationError("token-missing", f"there is no token; {_HOW}")
    scheme, _, rest = value.strip(" \t").partition(" ")
    if scheme != "Bearer" and scheme.lower() != "bearer":
        raise AuthenticationError(
            "token-invalid", f"the Authorization header has not the scheme Bearer; {_HOW}"
        )
    token = rest.lstrip(" ")
    if not token:
        raise AuthenticationError("token-missing", f"the Authorization header has no token; {_HOW}")
    if " " in token or "\t" in token:
        raise AuthenticationError(
            "token-invalid", f"the Authorization header has more than one token; {_HOW}"
        )
    return token
