"""Who somebody is: tokens (JWT) checked and made, keys that rotate, and the seam for logins."""

from __future__ import annotations

from stompede._types import Principal as Principal
from stompede.auth.bearer import bearer_token as bearer_token
from stompede.auth.configure import TokenSettings as TokenSettings
from stompede.auth.configure import issuer_from as issuer_from
from stompede.auth.configure import verifier_from as verifier_from
from stompede.auth.fetch import FetchError as FetchError
from stompede.auth.fetch import fetch_url as fetch_url
from stompede.auth.issuer import TokenIssuer as TokenIssuer
from stompede.auth.key_file import load_or_create_key as load_or_create_key
from stompede.auth.keys import ALGORITHMS as ALGORITHMS
from stompede.auth.keys import KeySet as KeySet
from stompede.auth.keys import public_key as public_key
from stompede.auth.keys import secret_key as secret_key
from stompede.auth.login import Authenticator as Authenticator
from stompede.auth.sources import FixedKeys as FixedKeys
from stompede.auth.sources import JwksFile as JwksFile
from stompede.auth.sources import JwksUrl as JwksUrl
from stompede.auth.sources import KeySource as KeySource
from stompede.auth.verifier import KeyUnknown as KeyUnknown
from stompede.auth.verifier import TokenVerifier as TokenVerifier

__all__ = [
    "ALGORITHMS",
    "Authenticator",
    "FetchError",
    "FixedKeys",
    "JwksFile",
    "JwksUrl",
    "KeySet",
    "KeySource",
    "KeyUnknown",
    "Principal",
    "TokenIssuer",
    "TokenSettings",
    "TokenVerifier",
    "bearer_token",
    "fetch_url",
    "issuer_from",
    "load_or_create_key",
    "public_key",
    "secret_key",
    "verifier_from",
]
