"""Make tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, final

import jwt

from stompede.auth.claims import MAX_NAME_CHARS
from stompede.auth.keys import private_key, secret_bytes

_OWN_CLAIMS: Final = frozenset({"sub", "iat", "exp", "iss", "aud", "scope", "nbf"})


@final
class TokenIssuer:
    """Signs tokens with one key.

    Args:
        secret: shared secret for HS256, at least 32 bytes; or
        private_key_pem: PEM private key without a passphrase, for RS256, ES256 or EdDSA by its kind.
        kid: name of the key, put into the header where verifiers choose by it.
        issuer: ``iss`` of the tokens.
        audience: ``aud`` of the tokens.

    Raises:
        ConfigurationError: the key cannot be used.
    """

    def __init__(
        self,
        secret: str | bytes | None = None,
        *,
        private_key_pem: str | bytes | None = None,
        kid: str | None = None,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        if (secret is None) == (private_key_pem is None):
            raise TypeError("TokenIssuer takes either a secret or a private key")
        self._key: Any
        if secret is not None:
            self.algorithm, self._key = "HS256", secret_bytes(secret)
        else:
            assert private_key_pem is not None  # for the type checker: one of the two is given
            self.algorithm, self._key = private_key(private_key_pem)
        self._headers = None if kid is None else {"kid": kid}
        self._fixed: dict[str, Any] = {}
        if issuer is not None:
            self._fixed["iss"] = issuer
        if audience is not None:
            self._fixed["aud"] = audience

    def issue(self, name: str, /, scopes: Iterable[str], ttl_s: float, now: float, **claims: Any) -> str:
        """A token for a member.

        Args:
            name: its ``sub``: 1 to 255 printable characters.
            scopes: what it allows; words without spaces, put into ``scope``.
            ttl_s: its life in seconds. ``exp`` is a whole second, rounded up; a negative life makes an
                expired token.
            now: seconds of the Unix epoch.
            claims: further claims, as JSON values.

        Raises:
            ValueError: the name or a scope is malformed, or a further claim is one that this method sets.
        """
        words = list(scopes)
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise ValueError(f"a name has 1 to {MAX_NAME_CHARS} printable characters")
        if wrong := [word for word in words if not word or word.split() != [word]]:
            raise ValueError(f"scope {wrong[0]!r} is not one word")
        if taken := sorted(_OWN_CLAIMS & claims.keys()):
            raise ValueError(f"claim `{taken[0]}` is set by the issuer itself")
        payload = {
            **self._fixed,
            "sub": name,
            "iat": math.floor(now),
            "exp": math.ceil(now + ttl_s),
            **claims,
        }
        if words:
            payload["scope"] = " ".join(words)
        return jwt.encode(payload, self._key, algorithm=self.algorithm, headers=self._headers)

    def __repr__(self) -> str:
        return f"TokenIssuer({self.algorithm})"
