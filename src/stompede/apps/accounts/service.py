"""Prove members by their passwords, for the login API and for CONNECT frames alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import msgspec
import structlog

from stompede import AuthenticationError, LimitError, Principal

from .attempts import AttemptStatistics, LoginAttempts
from .members import Member, Members
from .passwords import Passwords, PasswordStatistics

BUSY_RETRY_S: Final = 2

_log = structlog.get_logger("stompede.accounts")


@final
class LoginRefused(AuthenticationError):  # noqa: N818 - an answer to a client, like `Problem`
    """A login was refused without being looked at: ``rate-limited`` or ``unavailable``.

    Attributes:
        retry_after_s: whole seconds after which it may be tried again.
    """

    def __init__(self, code: str, detail: str, retry_after_s: int) -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class AccountStatistics(msgspec.Struct, frozen=True):
    """What the accounts did so far.

    Attributes:
        succeeded: logins that proved a member.
        failed: logins with an unknown name or a wrong password.
        attempts: the limiter of failures.
        passwords: the threads that check passwords.
    """

    succeeded: int
    failed: int
    attempts: AttemptStatistics
    passwords: PasswordStatistics


@final
class Accounts:
    """Proves members by login and password. It is an `Authenticator`, so a node can take it for CONNECT
    frames.

    An unknown name and a wrong password give the same answer after the same work, done in threads.

    Args:
        members: who they are.
        passwords: checks the hashes.
        clock: gives the seconds of the Unix epoch.
        attempts: slows down guessing, for each client address.
    """

    def __init__(
        self,
        members: Members,
        passwords: Passwords,
        *,
        clock: Callable[[], float],
        attempts: LoginAttempts | None = None,
    ) -> None:
        self._members = members
        self._passwords = passwords
        self._clock = clock
        self._attempts = attempts or LoginAttempts()
        self._succeeded = self._failed = 0

    async def member(self, login: str, password: str, *, client_address: str | None = None) -> Member:
        """The member that this login and password prove.

        Raises:
            AuthenticationError: ``login-failed``.
            LoginRefused: ``rate-limited`` after too many failures of that address; ``unavailable`` when too
                many logins wait.
        """
        wait_s = self._attempts.begin(client_address, self._clock())
        if wait_s > 0:
            retry_s = math.ceil(wait_s)
            detail = f"too many failed logins from your address; try again in {retry_s} s"
            raise LoginRefused("rate-limited", detail, retry_s)
        member = await self._members.find(login)
        try:
            proved = await self._passwords.verify(None if member is None else member.password_hash, password)
        except LimitError:
            self._attempts.give_back(client_address)
            raise LoginRefused("unavailable", "too many logins wait; try again soon", BUSY_RETRY_S) from None
        if member is None or not proved:
            self._failed += 1
            # Without the name: people type passwords into the wrong field.
            _log.info("login-failed", client=client_address)
            raise AuthenticationError("login-failed", "the login or the password is wrong")
        self._succeeded += 1
        self._attempts.give_back(client_address)
        return member

    async def login(self, login: str, passcode: str, *, client_address: str | None = None) -> Principal:
        """The principal of a session whose CONNECT frame carried login and passcode; it does not expire.

        Raises:
            AuthenticationError: as `member`.
        """
        member = await self.member(login, passcode, client_address=client_address)
        return Principal(
            member.name, frozenset(member.scopes), {**member.claims, "name": member.display_name}
        )

    def statistics(self) -> AccountStatistics:
        """Counters for metrics."""
        return AccountStatistics(
            self._succeeded, self._failed, self._attempts.statistics(), self._passwords.statistics()
        )
