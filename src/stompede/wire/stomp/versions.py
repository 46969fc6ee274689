"""The versions of STOMP, and how two sides agree on one."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Final


class Version(enum.Enum):
    """A version of the specification; the value is what ``accept-version`` and ``version`` carry."""

    V1_0 = "1.0"
    V1_1 = "1.1"
    V1_2 = "1.2"

    # Members are keys of dicts on the hot path, and the hash that `enum.Enum` defines is written in Python.
    __hash__ = object.__hash__

    def __lt__(self, other: Version) -> bool:
        return self.value < other.value


ALL_VERSIONS: Final[tuple[Version, ...]] = (Version.V1_0, Version.V1_1, Version.V1_2)

_BY_NAME: Final = {version.value: version for version in ALL_VERSIONS}


@lru_cache(maxsize=64)  # most clients are alike
def parse_offer(accept_version: str | None) -> tuple[str, ...]:
    """The versions that a CONNECT frame offers.

    Args:
        accept_version: value of its ``accept-version`` header; without one the client speaks 1.0
            (STOMP 1.1 "Protocol Negotiation").
    """
    if accept_version is None:
        return (Version.V1_0.value,)
    return tuple(name for part in accept_version.split(",") if (name := part.strip()))


@lru_cache(maxsize=64)
def choose_version(offer: tuple[str, ...], supported: tuple[Version, ...]) -> Version | None:
    """The highest version that both sides speak, or ``None``."""
    common = [
        version for name in offer if (version := _BY_NAME.get(name)) in supported and version is not None
    ]
    return max(common, default=None)


def version_named(name: str | None) -> Version | None:
    """The version that CONNECTED names; one that names none is 1.0; ``None`` where the name is unknown."""
    return Version.V1_0 if name is None else _BY_NAME.get(name)


def names(versions: tuple[Version, ...]) -> str:
    """Versions as ``accept-version`` and the ``version`` header of a refusal list them."""
    return ",".join(version.value for version in versions)
