"""Passwords: hashed with Argon2id, off the loop, in work that tells nothing about who exists."""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final, final

import argon2
import msgspec

from stompede import LimitError

MAX_PASSWORD_CHARS: Final = 1024
"""Longest password; nobody types a longer one, and hashing reads all of it."""

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane. About 25 ms. RFC 9106's
# second choice (64 MiB, four lanes) would take 200 ms of two cores that also carry the messages.
_MEMORY_KIB: Final = 19 * 1024
_PASSES: Final = 2
_LANES: Final = 1


class PasswordStatistics(msgspec.Struct, frozen=True):
    """What the password threads did so far.

    Attributes:
        pending: checks that run or wait now.
        checked: checks done.
        rejected: checks not begun because too many waited.
    """

    pending: int
    checked: int
    rejected: int


@final
class Passwords:
    """Makes and checks password hashes.

    Args:
        threads: checks at one time; each takes 19 MiB and a core. By default half the cores.
        max_pending: checks that run or wait; more are refused with `LimitError`.
        hasher: Argon2 with other parameters.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        max_pending: int = 64,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        self._hasher = hasher or argon2.PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
        self._pool = ThreadPoolExecutor(threads or max(1, (os.cpu_count() or 2) // 2), "stompede-passwords")
        self._max_pending = max_pending
        self._pending = self._checked = self._rejected = 0
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """The salted hash of a password, in Argon2's own text form. Takes about 25 ms; not for the loop."""
        return self._hasher.hash(password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one of the hash.

        With ``None``, for somebody who does not exist, the same work is done and the answer is no: the time
        that passes does not tell whether a name is known. A cancelled check that already runs goes on in its
        thread.

        Raises:
            LimitError: too many checks wait.
        """
        if self._pending >= self._max_pending:
            self._rejected += 1
            raise LimitError("password checks", self._max_pending)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._verify, password_hash, password
            )
        finally:
            self._pending -= 1
            self._checked += 1

    def _verify(self, password_hash: str | None, password: str) -> bool:
        # Longer ones are never right, whatever their beginning, but take the same work.
        possible = bool(password_hash) and len(password) <= MAX_PASSWORD_CHARS
        if self._nobody is None:  # at the first check, whoever it is for
            self._nobody = self._hasher.hash(secrets.token_urlsafe(32))
        try:
            return (
                self._hasher.verify(password_hash or self._nobody, password[:MAX_PASSWORD_CHARS]) and possible
            )
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def close(self) -> None:
        """Let the threads end; checks that wait are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def statistics(self) -> PasswordStatistics:
        """Counters for metrics."""
        return PasswordStatistics(self._pending, self._checked, self._rejected)
