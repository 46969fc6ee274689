"""Check tokens: once in full, then by memory until they expire.

A token comes with every message, so the common way through here is one look into a dictionary. Everything
else, parsing, the signature, the claims, happens once for each distinct token (or again after it was driven
out of the bounded memory).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, final

import jwt
import msgspec
from jwt.exceptions import InvalidSubjectError

from stompede._types import Principal
from stompede.auth.claims import invalid, principal_of
from stompede.auth.keys import Key, check_algorithms
from stompede.auth.remembered import RememberedStatistics, RememberedTokens
from stompede.auth.sources import KeySource, SourceStatistics
from stompede.errors import AuthenticationError, ConfigurationError

LOOK_INTERVAL_S: Final = 1.0
"""How often the key source is asked whether a file nearby changed: a change counts after a second at most."""

_MIB: Final = 1024 * 1024


@final
class KeyUnknown(AuthenticationError):  # noqa: N818 - not yet a failure: `TokenVerifier.verify` may find the key
    """The key that signed the token is not known, but fetching the keys again may bring it.

    Await `TokenVerifier.verify`, which does that.
    """

    def __init__(self) -> None:
        super().__init__("token-invalid", "the token is not accepted: the key that signed it is not known")


class VerifierStatistics(msgspec.Struct, frozen=True):
    """What a verifier did so far. Hits are not counted: counting would cost as much as the hit.

    Attributes:
        verified: tokens that were checked in full and accepted.
        expired: tokens refused because their time was over.
        refused: tokens refused for any other reason.
        generation: see `TokenVerifier.generation`.
        remembered: the memory of accepted tokens.
        keys: the key source.
    """

    verified: int
    expired: int
    refused: int
    generation: int
    remembered: RememberedStatistics
    keys: SourceStatistics


@final
class TokenVerifier:
    """Tells whom a token proves.

    Belongs to one event loop; not for use from several threads.

    Args:
        source: where the keys come from.
        algorithms: what tokens may be signed with, whatever keys the source has.
        issuer: required ``iss``, or several of which one is required; ``None`` takes any.
        audience: required ``aud``, or several; ``None`` refuses tokens that name an audience (RFC 7519
            section 4.1.3).
        leeway_s: difference of clocks that is forgiven at ``exp`` and ``nbf``.
        required_claims: claims that a token must have, beside ``sub`` and ``exp``.
        max_token_chars: longest token; longer ones are refused unread.
        max_remembered: most tokens remembered.
        max_remembered_bytes: most bytes of remembered tokens together.

    Attributes:
        generation: grows whenever a key that counted no longer does. Whoever remembers a principal that this
            verifier gave for a token keeps the generation with it, and asks again once it differs.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        algorithms: Sequence[str],
        issuer: str | Sequence[str] | None = None,
        audience: str | Sequence[str] | None = None,
        leeway_s: float = 0.0,
        required_claims: Sequence[str] = (),
        max_token_chars: int = 8192,
        max_remembered: int = 100_000,
        max_remembered_bytes: int = 64 * _MIB,
    ) -> None:
        self._algorithms = check_algorithms(algorithms)
        if leeway_s < 0:
            raise ConfigurationError(f"a leeway of {leeway_s} s is negative")
        self._source = source
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._max_token_chars = max_token_chars
        self._remembered = RememberedTokens(max_remembered, max_remembered_bytes)
        self._recall = self._remembered.get
        self._jws = jwt.PyJWS()
        # Times are checked against `now` as it is passed in, in claims.py, and not against PyJWT's own clock.
        self._jwt = jwt.PyJWT(
            {
                "require": ["sub", "exp", *required_claims],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            }
        )
        self._keys = source.keys
        self._look_at = float("-inf")
        self._looked_at = float("inf")
        self._verified = self._expired = self._refused = 0
        self.generation = 0

    def verify_nowait(self, token: str, now: float) -> Principal:
        """The principal of a token, without waiting for anything.

        Args:
            token: the token alone, without the scheme.
            now: seconds of the Unix epoch.

        Raises:
            KeyUnknown: the keys may have been rotated; `verify` may know more.
            AuthenticationError: ``token-expired``, ``token-missing`` or ``token-invalid``; ``unavailable``
                when no keys could be fetched yet.
        """
        if self._looked_at <= now < self._look_at:
            principal = self._recall(token)
            if principal is not None and now < principal.expires_at:  # type: ignore[operator]  # principal_of sets it
                return principal
        return self._verify_nowait(token, now)

    async def verify(self, token: str, now: float) -> Principal:
        """The same, but fetches the keys again when the token names one that is not known.

        Concurrent calls share one fetch, and fetches keep a distance, so most calls return without waiting.
        Cancellation leaves a fetch to the other callers.

        Raises:
            AuthenticationError: as `verify_nowait`, but never `KeyUnknown`.
        """
        try:
            return self.verify_nowait(token, now)
        except KeyUnknown:
            started = asyncio.get_running_loop().time()
            await self.refresh(now)
            waited_s = asyncio.get_running_loop().time() - started
        try:
            return self.verify_nowait(token, now + waited_s)
        except KeyUnknown as error:
            raise AuthenticationError(error.code, error.detail) from None

    def tick(self, now: float) -> None:
        """Forget expired tokens and look for changed keys. Call it about once a second, or whenever: it keeps
        its own pace.
        """
        if not self._looked_at <= now < self._look_at:
            self._look(now)
        self._remembered.sweep(now)

    def refresh_due(self, now: float) -> bool:
        """Whether the keys are old enough that `refresh` should be awaited, though nobody waits for it."""
        return self._source.refresh_due(now)

    async def refresh(self, now: float) -> None:
        """Fetch the keys again, where they come from a URL; once at start, and whenever `refresh_due`.

        Never raises for a provider that is down: the last good keys stay, and `statistics` and the log say
        so.
        """
        await self._source.refresh(now)
        self._look(now)

    async def aclose(self) -> None:
        """Give up a fetch that is on its way, and forget all tokens."""
        self._remembered.clear()
        await self._source.aclose()

    def statistics(self) -> VerifierStatistics:
        """Counters for metrics."""
        return VerifierStatistics(
            self._verified,
            self._expired,
            self._refused,
            self.generation,
            self._remembered.statistics(),
            self._source.statistics(),
        )

    def _look(self, now: float) -> None:
        """Take up changed keys. Tokens that a vanished key may have signed are forgotten."""
        self._looked_at, self._look_at = now, now + LOOK_INTERVAL_S
        self._source.look(now)
        keys = self._source.keys
        if keys is not self._keys:
            if self._keys.identities - keys.identities:
                self._remembered.clear()
                self.generation += 1
            self._keys = keys

    def _verify_nowait(self, token: str, now: float) -> Principal:
        if not self._looked_at <= now < self._look_at:
            self._look(now)
        principal = self._recall(token)
        try:
            if principal is None:
                principal = principal_of(self._claims(token, now), now, self._leeway_s)
                self._verified += 1
                self._remembered.add(token, principal, now)
            elif principal.expires_at is not None and principal.expires_at <= now:
                self._remembered.discard(token)
                raise AuthenticationError("token-expired", "the token has expired")
        except AuthenticationError as error:
            if error.code == "token-expired":
                self._expired += 1
            elif type(error) is not KeyUnknown:
                self._refused += 1
            raise
        return principal

    def _claims(self, token: str, now: float) -> dict[str, Any]:
        """The claims of a token whose signature, issuer and audience are right."""
        if not token:
            raise AuthenticationError("token-missing", "the token is empty")
        if len(token) > self._max_token_chars:
            raise invalid(f"it is longer than {self._max_token_chars} characters")
        if not token.isascii():
            raise invalid("it is malformed")
        algorithm, kid = self._header(token)
        for key in self._candidates(algorithm, kid, now):
            try:
                claims: dict[str, Any] = self._jwt.decode(
                    token, key.material, [key.algorithm], issuer=self._issuer, audience=self._audience
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, RecursionError) as error:
                raise invalid(_why(error)) from error
            return claims
        if kid is None and self._source.can_refresh(now):  # signed by a new key that has no name
            raise KeyUnknown
        raise invalid("its signature is wrong")

    def _header(self, token: str) -> tuple[str, str | None]:
        """The algorithm, one of the pinned ones, and the name of the key."""
        try:
            header = self._jws.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise invalid(_why(error)) from error
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise invalid(f"it must be signed with {' or '.join(sorted(self._algorithms))}")
        return algorithm, header.get("kid")

    def _candidates(self, algorithm: str, kid: str | None, now: float) -> tuple[Key, ...]:
        """The keys that may have signed it; at least one."""
        found = self._keys.find(algorithm, kid)
        if found:
            return found
        if self._source.can_refresh(now):
            raise KeyUnknown
        if not len(self._keys):
            raise AuthenticationError(
                "unavailable", "the keys that tokens are checked with could not be fetched; try again"
            )
        raise invalid("the key that signed it is not known")


def _why(error: Exception) -> str:
    """The end of the sentence for the client: ours, since a library's text may repeat parts of the token."""
    match error:
        case jwt.MissingRequiredClaimError():
            return f"its claim `{error.claim}` is missing"
        case jwt.InvalidIssuerError():
            return "it has another issuer (`iss`)"
        case jwt.InvalidAudienceError():
            return "it is for another audience (`aud`)"
        case jwt.InvalidAlgorithmError():
            return "its algorithm is not the one of its key"
        case InvalidSubjectError():
            return "its claim `sub` is not a string"
        case _:
            return "it is malformed"
