"""Key pairs of every kind, made once."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Pair:
    """A private key, its PEM forms and the public JWK."""

    algorithm: str
    private: Any
    private_pem: bytes
    public_pem: bytes
    jwk: dict[str, str]


def make_pair(algorithm: str) -> Pair:
    makers = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    private: Any = makers[algorithm]()
    public = private.public_key()
    if algorithm == "RS256":
        numbers = public.public_numbers()
        jwk = {"kty": "RSA", "n": number(numbers.n, 256), "e": number(numbers.e, 3)}
    elif algorithm == "ES256":
        numbers = public.public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
    else:
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": text(public.public_bytes_raw())}
    return Pair(
        algorithm,
        private,
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        jwk,
    )


def number(value: int, size: int) -> str:
    return text(value.to_bytes(size, "big"))


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
