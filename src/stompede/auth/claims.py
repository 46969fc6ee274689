"""From the claims of a verified token to a principal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from stompede._types import Principal
from stompede.errors import AuthenticationError

MAX_NAME_CHARS: Final = 255  # OpenID Connect Core 1.0 section 2: `sub` has at most 255 characters


def principal_of(claims: Mapping[str, Any], now: float, leeway_s: float) -> Principal:
    """The principal that a token with these claims proves at this moment.

    The claims are read-only in depth: one principal is shared by all messages and sessions that use the
    token.

    Args:
        claims: of a token whose signature, issuer and audience were checked.
        now: seconds of the Unix epoch.
        leeway_s: difference of clocks that is forgiven. ``expires_at`` is ``exp`` and this together.

    Raises:
        AuthenticationError: ``token-expired``, or ``token-invalid`` for claims that are missing, malformed or
            not valid yet.
    """
    name = claims.get("sub")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise invalid(f"its claim `sub` is not a name of 1 to {MAX_NAME_CHARS} printable characters")
    expires_at = _moment(claims, "exp") + leeway_s
    if expires_at <= now:
        raise AuthenticationError("token-expired", "the token has expired")
    if claims.get("nbf") is not None and _moment(claims, "nbf") - leeway_s > now:
        raise invalid("it is not valid yet")
    try:
        frozen = _frozen_mapping(claims)
    except RecursionError:
        raise invalid("its claims are nested too deeply") from None
    return Principal(name, scopes_of(claims), frozen, expires_at)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes in ``scope``, or else ``scp``: words in one string (RFC 8693 section 4.2) or a list of
    strings.

    Raises:
        AuthenticationError: ``token-invalid`` when it is something else.
    """
    value = claims.get("scope")
    if value is None:
        value = claims.get("scp")
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list) and all(isinstance(scope, str) for scope in value):
        return frozenset(value)
    raise invalid("its claim `scope` is neither a string nor a list of strings")


def invalid(why: str) -> AuthenticationError:
    """The error for a token that is refused; ``why`` ends the sentence and holds nothing of the token."""
    return AuthenticationError("token-invalid", f"the token is not accepted: {why}")


def _moment(claims: Mapping[str, Any], claim: str) -> float:
    """A NumericDate (RFC 7519 section 2). JSON as Python reads it also knows Infinity and NaN: no dates."""
    value = claims.get(claim)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            moment = float(value)
        except OverflowError:
            moment = math.inf
        if math.isfinite(moment):
            return moment
    raise invalid(f"its claim `{claim}` is not a time in seconds")


def _frozen_mapping(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: _frozen(value) for name, value in claims.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return _frozen_mapping(value)
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
