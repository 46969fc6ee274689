"""Members and their logins. For now those of the demo: `make run` uses them, a real node has them not.

`Accounts` proves members by their passwords, for the login API (`accounts_router`) and for CONNECT frames (it
is an `Authenticator`). `demo_accounts` puts it together with the members of the demo.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .attempts import LoginAttempts as LoginAttempts
from .members import DemoMembers as DemoMembers
from .members import Member as Member
from .members import Members as Members
from .passwords import Passwords as Passwords
from .rest import accounts_router as accounts_router
from .service import Accounts as Accounts
from .service import LoginRefused as LoginRefused

__all__ = [
    "Accounts",
    "DemoMembers",
    "LoginAttempts",
    "LoginRefused",
    "Member",
    "Members",
    "Passwords",
    "accounts_router",
    "demo_accounts",
]


def demo_accounts(*, clock: Callable[[], float] = time.time, passwords: Passwords | None = None) -> Accounts:
    """The accounts of the demo: everybody knows the passwords, see `DemoMembers`.

    Args:
        clock: gives the seconds of the Unix epoch.
        passwords: makes and checks the hashes.
    """
    passwords = passwords or Passwords()
    return Accounts(DemoMembers(passwords), passwords, clock=clock)
