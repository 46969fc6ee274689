"""Who speaks: the token of a frame held against the session.

Checked per message, not only at connect. A token is verified once and remembered by the verifier until it
expires, so this is one look-up. A valid token on any frame renews the session; an expired one is a soft
error, and the session lives on. An anonymous session becomes a member's once; afterwards every token must
name the same member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stompede._types import Principal
from stompede.auth import bearer_token
from stompede.errors import AuthenticationError
from stompede.server import subscribing

if TYPE_CHECKING:
    from stompede.server.session import Session


def check_nowait(session: Session, authorization: str | None) -> Principal | None:
    """The principal of a frame; renews the session.

    Args:
        session: whose frame it is.
        authorization: value of the frame's ``Authorization`` header.

    Raises:
        KeyUnknown: the key may have been rotated: `check` finds out.
        AuthenticationError: the token does not count, or the one that made the session a member's has
            expired.
    """
    if authorization is None:
        principal = session.principal
        if (
            principal is None
            or principal.expires_at is None
            or session.node.unix_now() < principal.expires_at
        ):
            return principal
        raise AuthenticationError(
            "token-expired", "the session's token has expired; send a frame with a new one"
        )
    node = session.node
    return accept(session, node.verifier.verify_nowait(bearer_token(authorization), node.unix_now()))


async def check(session: Session, authorization: str | None) -> Principal | None:
    """Like `check_nowait`, but fetches keys that are not known yet."""
    if authorization is None:
        return check_nowait(session, authorization)
    node = session.node
    return accept(session, await node.verifier.verify(bearer_token(authorization), node.unix_now()))


def accept(session: Session, principal: Principal) -> Principal:
    """Makes a proven principal the session's.

    Raises:
        AuthenticationError: ``principal-mismatch``: the session belongs to another member.
    """
    current = session.principal
    if principal is current:
        return principal
    if current is None:
        session.set_principal(principal)
        session.node.users.setdefault(principal.name, {})[session] = None
    elif current.name != principal.name:
        raise AuthenticationError(
            "principal-mismatch", f"this session belongs to {current.name}; connect anew as {principal.name}"
        )
    elif (principal.expires_at or 0) >= (current.expires_at or 0):
        session.set_principal(principal)
    else:
        return principal  # an older token that still counts proves this frame, and shortens nothing
    subscribing.renewed(session)
    return principal
