"""Who speaks: the token of a frame held against the session.

Checked per message, not only at connect. A token is verified once and remembered by the verifier until it
expires, so this is one look-up. A valid token on any frame renews the session; an expired one is a soft
error, and the session lives on. An anonymous session becomes a member's once; afterwards every token must
name the same member.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from stompede._types import Principal
from stompede.auth import bearer_token
from stompede.errors import AuthenticationError
from stompede.server.session import suspending

if TYPE_CHECKING:
    from stompede.server.session.session import Session


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
        if session.generation != session.node.verifier.generation:
            prove_again(session)
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
    token = bearer_token(authorization)
    return _proved(session, token, accept(session, node.verifier.verify_nowait(token, node.unix_now())))


async def check(session: Session, authorization: str | None) -> Principal | None:
    """Like `check_nowait`, but fetches keys that are not known yet."""
    if authorization is None:
        return check_nowait(session, authorization)
    node = session.node
    token = bearer_token(authorization)
    return _proved(session, token, accept(session, await node.verifier.verify(token, node.unix_now())))


def _proved(session: Session, token: str, principal: Principal) -> Principal:
    if session.principal is principal:
        session.proof = token
        session.generation = session.node.verifier.generation
    return principal


def prove_again(session: Session) -> None:
    """A key that counted no longer does: a session whose token it signed has run out as of now."""
    node = session.node
    session.generation = node.verifier.generation
    principal, now = session.principal, node.unix_now()
    if (
        session.proof is None
        or principal is None
        or principal.expires_at is None
        or principal.expires_at <= now
    ):
        return
    try:
        node.verifier.verify_nowait(session.proof, now)
    except AuthenticationError:
        session.set_principal(msgspec.structs.replace(principal, expires_at=now))
        suspending.renewed(session)


def _end(principal: Principal) -> float:
    return math.inf if principal.expires_at is None else principal.expires_at


def accept(session: Session, principal: Principal) -> Principal:
    """Makes a proven principal the session's.

    Raises:
        AuthenticationError: ``principal-mismatch``: the session belongs to another member.
    """
    current = session.principal
    if session.closed or principal is current:
        return principal
    if current is None:
        session.set_principal(principal)
        if not session.closed:  # it may have ended while its login was proved
            session.node.attendance.became_member(session)
            if session.node.presence is not None:
                session.node.presence.logged_in(session)
    elif current.name != principal.name:
        raise AuthenticationError(
            "principal-mismatch", f"this session belongs to {current.name}; connect anew as {principal.name}"
        )
    elif _end(principal) >= _end(current):
        session.set_principal(principal)
    else:
        return principal  # an older token that still counts proves this frame, and shortens nothing
    if not session.closed:
        suspending.renewed(session)
    return principal
