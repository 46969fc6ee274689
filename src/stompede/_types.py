"""Values that every room may know."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Principal(msgspec.Struct, frozen=True, kw_only=False):
    """Who speaks on a session: a member that a token or a login has proved.

    Attributes:
        name: unique name of the member; a token's ``sub``.
        scopes: what the token allows beyond being a member, for example ``admin``.
        claims: all claims of the token, read-only.
        expires_at: when the proof ends, in seconds of the Unix epoch; ``None`` when it does not.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = MappingProxyType({})
    expires_at: float | None = None
