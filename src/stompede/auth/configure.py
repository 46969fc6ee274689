"""From a node's settings to its verifier and issuer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from stompede.auth.fetch import fetch_url
from stompede.auth.issuer import TokenIssuer
from stompede.auth.key_file import load_or_create_key
from stompede.auth.keys import KeySet, check_algorithms, public_key, secret_key
from stompede.auth.sources import MAX_DOCUMENT_BYTES, Fetch, FixedKeys, JwksFile, JwksUrl, KeySource
from stompede.auth.verifier import TokenVerifier
from stompede.errors import ConfigurationError


class TokenSettings(Protocol):
    """The settings that say how tokens are checked and made; a node's settings have them."""

    @property
    def data_dir(self) -> Path:
        """Where the node's own key file is, when no key is configured."""
        ...

    @property
    def jwt_algorithms(self) -> Sequence[str]:
        """What tokens may be signed with."""
        ...

    @property
    def jwt_secret(self) -> str | None:
        """Shared secret for HS256."""
        ...

    @property
    def jwt_public_key(self) -> Path | None:
        """PEM file."""
        ...

    @property
    def jwt_jwks_file(self) -> Path | None:
        """JWKS file."""
        ...

    @property
    def jwt_jwks_url(self) -> str | None:
        """JWKS URL."""
        ...

    @property
    def jwt_issuer(self) -> str | None:
        """Required ``iss``, and the one put into own tokens."""
        ...

    @property
    def jwt_audience(self) -> str | None:
        """Required ``aud``, and the one put into own tokens."""
        ...

    @property
    def jwt_leeway_s(self) -> float:
        """Difference of clocks that is forgiven."""
        ...

    @property
    def token_cache(self) -> int:
        """Verified tokens remembered."""
        ...


_KEY_SETTINGS: Final = ("jwt_secret", "jwt_public_key", "jwt_jwks_file", "jwt_jwks_url")


def verifier_from(settings: TokenSettings, *, fetch: Fetch = fetch_url) -> TokenVerifier:
    """The verifier that a node's settings ask for. Without any key configured, with the node's own key file.

    With a JWKS URL it has no keys yet: await its ``refresh`` at start.

    Raises:
        ConfigurationError: settings contradict each other, or a key cannot be read; says what to do.
    """
    return TokenVerifier(
        _source(settings, fetch),
        algorithms=settings.jwt_algorithms,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway_s=settings.jwt_leeway_s,
        max_remembered=settings.token_cache,
    )


def issuer_from(settings: TokenSettings) -> TokenIssuer:
    """The issuer whose tokens the node of these settings accepts: by the shared secret, or by the node's own
    key file.

    Raises:
        ConfigurationError: the settings only have public keys, so tokens are made elsewhere; or as
            `verifier_from`.
    """
    configured = _configured(settings)
    if configured is None:
        secret: str | bytes = load_or_create_key(settings.data_dir)
    elif settings.jwt_secret is not None:
        secret = settings.jwt_secret
    else:
        raise ConfigurationError(
            f"{_variable(configured)} only checks tokens; ask the issuer that has the private key for one, "
            "or give the private key: stompede token --private-key FILE"
        )
    return TokenIssuer(secret, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def _configured(settings: TokenSettings) -> str | None:
    """The one key setting that is given, after the check that it goes with the algorithms."""
    given = [name for name in _KEY_SETTINGS if getattr(settings, name) is not None]
    if len(given) > 1:
        raise ConfigurationError(
            f"{_variable(given[0])} and {_variable(given[1])} both give keys; keep one of them"
        )
    configured = given[0] if given else None
    algorithms = check_algorithms(settings.jwt_algorithms)
    if configured in {None, "jwt_secret"} and "HS256" not in algorithms:
        what = "the node's own key" if configured is None else "STOMPEDE_JWT_SECRET"
        raise ConfigurationError(
            f"{what} is a shared secret, for HS256, but STOMPEDE_JWT_ALGORITHMS is "
            f"{','.join(sorted(algorithms))}; add HS256, or give a public key"
        )
    if configured in {"jwt_public_key", "jwt_jwks_url"} and algorithms == {"HS256"}:
        raise ConfigurationError(
            f"{_variable(configured)} gives public keys, which HS256 does not use; "
            "set STOMPEDE_JWT_ALGORITHMS to RS256, ES256 or EdDSA"
        )
    return configured


def _source(settings: TokenSettings, fetch: Fetch) -> KeySource:
    _configured(settings)
    if settings.jwt_secret is not None:
        return FixedKeys(KeySet([secret_key(settings.jwt_secret)]))
    if settings.jwt_public_key is not None:
        return _public_key_file(settings.jwt_public_key, settings.jwt_algorithms)
    if settings.jwt_jwks_file is not None:
        return JwksFile(settings.jwt_jwks_file)
    if settings.jwt_jwks_url is not None:
        return JwksUrl(settings.jwt_jwks_url, fetch=fetch)
    return FixedKeys(KeySet([secret_key(load_or_create_key(settings.data_dir))]))


def _public_key_file(path: Path, algorithms: Sequence[str]) -> KeySource:
    where = f"public key file {path}"
    try:
        with path.open("rb") as file:
            key = public_key(file.read(MAX_DOCUMENT_BYTES), where=where)
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read: {error.strerror}") from error
    if key.algorithm not in algorithms:
        raise ConfigurationError(
            f"{where} is for {key.algorithm}; set STOMPEDE_JWT_ALGORITHMS={key.algorithm}"
        )
    return FixedKeys(KeySet([key]))


def _variable(name: str) -> str:
    return f"STOMPEDE_{name.upper()}"
