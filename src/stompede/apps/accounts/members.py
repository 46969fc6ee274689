"""Who the members are. Here: the ones of the demo, whose passwords everybody may know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, final

import msgspec

from .passwords import Passwords

NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})


@final
class Member(msgspec.Struct, frozen=True):
    """A member as the login needs it.

    Attributes:
        name: unique name; the ``sub`` of the member's tokens.
        display_name: what people read.
        password_hash: Argon2's text form; never shown.
        scopes: what the member may do beyond being one.
        claims: further claims of the member's tokens.
    """

    name: str
    display_name: str
    password_hash: str
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = NO_CLAIMS

    def __repr__(self) -> str:
        return f"Member({self.name!r})"


class Members(Protocol):
    """Finds members by what they call themselves at the login."""

    async def find(self, login: str) -> Member | None:
        """The member of this login, or ``None``."""
        ...


@final
class DemoMembers:
    """The members of the demo; the table is in the documentation, passwords and all.

    ==============  ==========  =======================================================
    login           password    who
    ==============  ==========  =======================================================
    ``cook``        ``cook``    a member
    ``guest``       ``guest``   a member
    ``admin``       ``admin``   a member with the scope ``admin``
    ``rider-<n>``   ``rider``   the rider of that number, 0 to 999999999, claim ``riderId``
    ==============  ==========  =======================================================

    Making it hashes four passwords, which takes a tenth of a second.

    Args:
        passwords: makes the hashes.
    """

    _RIDER: Final = re.compile(r"rider-(0|[1-9][0-9]{0,8})", re.ASCII)

    def __init__(self, passwords: Passwords) -> None:
        self._rider_hash = passwords.hash("rider")
        self._members = {
            name: Member(name, shown, passwords.hash(name), scopes)
            for name, shown, scopes in (
                ("cook", "The cook", ()),
                ("guest", "A guest", ()),
                ("admin", "The administrator", ("admin",)),
            )
        }

    async def find(self, login: str) -> Member | None:
        """The member of this login, or ``None``."""
        if (member := self._members.get(login)) is not None:
            return member
        if (rider := self._RIDER.fullmatch(login)) is None:
            return None
        claims = MappingProxyType({"riderId": int(rider[1])})
        return Member(login, f"Rider {rider[1]}", self._rider_hash, claims=claims)
