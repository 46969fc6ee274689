"""The keys that tokens are signed and checked with, each bound to the one algorithm it may be used for.

A token names its own algorithm, and its author may be an attacker. So the token never chooses: every key
carries exactly one algorithm, found from what kind of key it is, and a token that names another one does not
meet that key (RFC 8725 section 3.1). A shared secret therefore never checks an ``RS256`` token, a public key
never serves as a secret, and ``none`` has no key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from stompede.errors import ConfigurationError

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
"""What tokens may be signed with; the settings choose among them."""

MIN_SECRET_BYTES: Final = 32  # RFC 7518 section 3.2: a key of at least the size of the hash
MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
MAX_KEYS: Final = 64  # a token without `kid` is tried against every key of its algorithm

# RFC 7518 section 6: the members that make the public part of a key. Others are left out, so a private key
# given by mistake checks signatures, and nothing more.
_PUBLIC_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_ALGORITHM_OF_TYPE: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@final
class Key(msgspec.Struct, frozen=True, eq=False):
    """One key to check signatures with.

    Attributes:
        algorithm: the one algorithm it is used for.
        kid: its name; ``None`` when it has none, then it stands for every ``kid``.
        fingerprint: SHA-256 that tells keys apart; of a secret key it is itself a secret and is never shown.
    """

    algorithm: str
    kid: str | None
    fingerprint: bytes
    material: Any

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, kid={self.kid!r})"


@final
class KeySet:
    """A fixed set of keys. Two sets are equal when they hold the same keys under the same names."""

    __slots__ = ("_by_algorithm", "identities")

    def __init__(self, keys: Iterable[Key]) -> None:
        by_algorithm: dict[str, list[Key]] = {}
        identities: set[tuple[str, str | None, bytes]] = set()
        for key in keys:
            identity = (key.algorithm, key.kid, key.fingerprint)
            if identity not in identities:
                identities.add(identity)
                by_algorithm.setdefault(key.algorithm, []).append(key)
        if len(identities) > MAX_KEYS:
            raise ConfigurationError(
                f"{len(identities)} keys are more than the {MAX_KEYS} that a key set may hold"
            )
        self._by_algorithm = {algorithm: tuple(found) for algorithm, found in by_algorithm.items()}
        self.identities = frozenset(identities)

    def find(self, algorithm: str, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have signed a token with this header; without a ``kid`` all of the algorithm."""
        keys = self._by_algorithm.get(algorithm, ())
        if kid is None:
            return keys
        return tuple(key for key in keys if key.kid is None or key.kid == kid)

    def __len__(self) -> int:
        return len(self.identities)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self.identities == other.identities

    def __hash__(self) -> int:
        return hash(self.identities)

    def __repr__(self) -> str:
        return f"KeySet({[key for keys in self._by_algorithm.values() for key in keys]})"


NO_KEYS: Final = KeySet(())


def check_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """The pinned algorithms, each one of ours.

    Raises:
        ConfigurationError: one is unknown, or none is given.
    """
    pinned = frozenset(algorithms)
    if not pinned:
        raise ConfigurationError(f"no token algorithm is given; choose among {', '.join(ALGORITHMS)}")
    if unknown := sorted(pinned - set(ALGORITHMS)):
        raise ConfigurationError(
            f"token algorithm {unknown[0]} is not known; choose among {', '.join(ALGORITHMS)}"
        )
    return pinned


def secret_bytes(secret: str | bytes) -> bytes:
    """The bytes of a shared secret for HS256.

    Raises:
        ConfigurationError: it is shorter than 32 bytes, or it is another kind of key by mistake.
    """
    material = secret.encode() if isinstance(secret, str) else bytes(secret)
    if b"-----BEGIN " in material:
        raise ConfigurationError("the token secret is a PEM key; give it as the public key instead")
    if len(material) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"the token secret has {len(material)} bytes and HS256 needs at least {MIN_SECRET_BYTES}; "
            "make one with: openssl rand -base64 48"
        )
    return material


def secret_key(secret: str | bytes, *, kid: str | None = None) -> Key:
    """The key that a shared secret is, for HS256.

    Raises:
        ConfigurationError: see `secret_bytes`.
    """
    material = secret_bytes(secret)
    return Key("HS256", kid, hashlib.sha256(material).digest(), material)


def public_key(pem: str | bytes, *, kid: str | None = None, where: str = "the public key") -> Key:
    """The key that a PEM public key is, for RS256, ES256 or EdDSA by its kind.

    Args:
        pem: the text of the file.
        kid: its name, where tokens name their key.
        where: what error messages call it.

    Raises:
        ConfigurationError: it is no PEM public key, or of a kind or size that is not used here.
    """
    data = pem.encode() if isinstance(pem, str) else pem
    if b"PRIVATE KEY-----" in data:
        raise ConfigurationError(
            f"{where} is a private key; give the public one: openssl pkey -in KEY -pubout"
        )
    try:
        loaded = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{where} is not a PEM public key") from None
    return _key_of(loaded, kid, where)


def private_key(pem: str | bytes, *, where: str = "the private key") -> tuple[str, PrivateKey]:
    """The algorithm and the key of a PEM private key without a passphrase.

    Raises:
        ConfigurationError: it cannot be read, or is of a kind or size that is not used here.
    """
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        loaded = load_pem_private_key(data, password=None)
    except TypeError:
        raise ConfigurationError(
            f"{where} has a passphrase; remove it: openssl pkey -in KEY -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{where} is not a PEM private key") from None
    if not isinstance(loaded, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise ConfigurationError(f"{where} is of a kind that is not used here; take RSA, EC P-256 or Ed25519")
    return _key_of(loaded.public_key(), None, where).algorithm, loaded


def jwk_keys(document: bytes, *, secrets_allowed: bool, where: str) -> KeySet:
    """The usable keys of a JWK set (RFC 7517).

    Keys for encryption, of other kinds or algorithms, or broken ones are passed over, as section 5 asks.

    Args:
        document: the JSON text.
        secrets_allowed: whether shared secrets (``oct``) are taken; never from a URL.
        where: what error messages call it.

    Raises:
        ConfigurationError: it is no JWK set, or holds no usable key. The message never shows its content.
    """
    try:
        decoded = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConfigurationError(f"{where} is not JSON") from None
    members = decoded.get("keys") if isinstance(decoded, dict) else None
    if not isinstance(members, list):
        raise ConfigurationError(f'{where} is not a JWK set; it must look like {{"keys": [...]}}')
    if len(members) > MAX_KEYS:
        raise ConfigurationError(f"{where} holds {len(members)} keys, more than {MAX_KEYS}")
    found = [key for member in members if (key := _jwk_key(member, secrets_allowed, where)) is not None]
    if not found:
        raise ConfigurationError(f"{where} holds no key that can check {', '.join(ALGORITHMS)}")
    return KeySet(found)


def _jwk_key(member: object, secrets_allowed: bool, where: str) -> Key | None:
    """The key of one JWK, or ``None`` when it is not for us."""
    if not isinstance(member, dict) or not _for_signatures(member):
        return None
    kind, kid = member.get("kty"), member.get("kid")
    algorithm = _ALGORITHM_OF_TYPE.get(kind) if isinstance(kind, str) else None
    if algorithm is None or member.get("alg", algorithm) != algorithm or not isinstance(kid, str | None):
        return None
    try:
        if kind == "oct":
            secret = jwt.PyJWK({"kty": "oct", "k": member["k"]}, "HS256").key
            return secret_key(secret, kid=kid) if secrets_allowed else None
        parts = {name: member[name] for name in _PUBLIC_MEMBERS[str(kind)]}
        return _key_of(jwt.PyJWK({"kty": kind, **parts}, algorithm).key, kid, where)
    except (jwt.PyJWTError, ConfigurationError, KeyError, ValueError, TypeError, AttributeError):
        return None


def _for_signatures(member: Mapping[str, Any]) -> bool:
    operations = member.get("key_ops")
    return member.get("use", "sig") == "sig" and (
        operations is None
        or (isinstance(operations, list) and bool({"verify", "sign"} & set(map(str, operations))))
    )


def _key_of(loaded: object, kid: str | None, where: str) -> Key:
    """The key with the one algorithm that fits what it is."""
    if isinstance(loaded, RSAPublicKey):
        if loaded.key_size < MIN_RSA_BITS:
            raise ConfigurationError(f"{where} has {loaded.key_size} bits; RSA needs at least {MIN_RSA_BITS}")
        algorithm = "RS256"
    elif isinstance(loaded, EllipticCurvePublicKey) and isinstance(loaded.curve, SECP256R1):
        algorithm = "ES256"
    elif isinstance(loaded, Ed25519PublicKey):
        algorithm = "EdDSA"
    else:
        raise ConfigurationError(f"{where} is of a kind that is not used here; take RSA, EC P-256 or Ed25519")
    material: PublicKey = loaded
    der = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(algorithm, kid, hashlib.sha256(der).digest(), material)
