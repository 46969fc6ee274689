"""Where the keys come from: fixed ones, a JWKS file, or a JWKS URL whose keys rotate.

A source always has a current key set, and changes it as a whole. What cannot be read or fetched leaves the
last good keys in place: an identity provider that is down, or a file half written, must not lock everybody
out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol, final
from urllib.parse import urlsplit

import msgspec
import structlog

from stompede.auth.fetch import FetchError, fetch_url
from stompede.auth.keys import NO_KEYS, KeySet, jwk_keys
from stompede.errors import ConfigurationError

MAX_DOCUMENT_BYTES: Final = 256 * 1024
"""A JWK set of 64 RSA keys with certificates has about 200 KiB; ordinary ones have 2."""

Fetch = Callable[[str, float, int], Awaitable[bytes]]
"""``fetch(url, timeout_s, max_bytes)`` gives the body of a 200 answer, or raises `FetchError`."""

_log = structlog.get_logger("stompede.auth")


class SourceStatistics(msgspec.Struct, frozen=True):
    """What a key source did so far.

    Attributes:
        keys: keys that it has now.
        changes: how often the set became another one.
        failures: how often reading or fetching failed, the last good keys being kept.
        refreshes: how often it was read or fetched.
    """

    keys: int
    changes: int = 0
    failures: int = 0
    refreshes: int = 0


class KeySource(Protocol):
    """The keys that count now, and how to get newer ones.

    `look` is cheap and called often; `refresh` may take seconds. Both keep the last good keys when they fail.
    """

    @property
    def keys(self) -> KeySet:
        """The keys that count now."""
        ...

    def look(self, now: float) -> None:
        """Take up what changed nearby, without waiting; called at most about once a second."""
        ...

    def can_refresh(self, now: float) -> bool:
        """Whether `refresh` may bring a key that is not known now."""
        ...

    def refresh_due(self, now: float) -> bool:
        """Whether the keys are old enough to be fetched again although nobody missed one."""
        ...

    async def refresh(self, now: float) -> None:
        """Fetch the keys again, unless that was done a moment ago; callers at the same time share one
        fetch.
        """
        ...

    async def aclose(self) -> None:
        """Give up a fetch that is on its way."""
        ...

    def statistics(self) -> SourceStatistics:
        """Counters for metrics."""
        ...


class _NearbySource:
    """What sources share that never have to ask over a network."""

    def can_refresh(self, now: float) -> bool:  # noqa: ARG002 - as the protocol wants it
        """No: `look` already sees every change."""
        return False

    def refresh_due(self, now: float) -> bool:  # noqa: ARG002 - as the protocol wants it
        """Never: `look` already sees every change."""
        return False

    async def aclose(self) -> None:
        """Nothing is held."""


@final
class FixedKeys(_NearbySource):
    """Keys that never change: a shared secret, a public key."""

    def __init__(self, keys: KeySet) -> None:
        self.keys: KeySet = keys

    def look(self, now: float) -> None:
        """Nothing changes."""

    async def refresh(self, now: float) -> None:
        """Nothing newer exists."""

    def statistics(self) -> SourceStatistics:
        """The number of keys."""
        return SourceStatistics(len(self.keys))


@final
class JwksFile(_NearbySource):
    """A JWKS file, read again when it changes.

    Args:
        path: the file. Replace it by renaming a complete one over it; a half-written one is passed over until
            it is whole.

    Raises:
        ConfigurationError: it cannot be read at start, or holds no usable key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._where = f"JWKS file {path}"
        self._changes = self._failures = 0
        self._refreshes = 1
        self._trouble: str | None = None
        try:
            self._seen = _stamp(path)
            self.keys = self._read()
        except OSError as error:
            raise ConfigurationError(f"{self._where} cannot be read: {error.strerror}") from error

    def _read(self) -> KeySet:
        with self._path.open("rb") as file:
            document = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ConfigurationError(f"{self._where} is larger than {MAX_DOCUMENT_BYTES} bytes")
        return jwk_keys(document, secrets_allowed=True, where=self._where)

    def look(self, now: float) -> None:  # noqa: ARG002 - as the protocol wants it
        """Read the file again when its time, size or identity changed."""
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return
            keys = self._read()
        except (OSError, ConfigurationError) as error:
            self._failures += 1
            if (reason := _reason(error)) != self._trouble:  # said once, not at every look
                self._trouble = reason
                _log.warning(
                    "jwks-file-not-read", file=str(self._path), reason=reason, keys_kept=len(self.keys)
                )
            return
        self._seen, self._trouble = stamp, None
        self._refreshes += 1
        if keys != self.keys:
            self.keys = keys
            self._changes += 1
            _log.info("token-keys-changed", source=self._where, keys=len(keys))

    async def refresh(self, now: float) -> None:
        """The same as `look`; the file is small and near."""
        self.look(now)

    def statistics(self) -> SourceStatistics:
        """Counters for metrics."""
        return SourceStatistics(len(self.keys), self._changes, self._failures, self._refreshes)


@final
class JwksUrl:
    """The keys of an identity provider, by the URL of its JWK set.

    It starts with no keys; the first `refresh` brings them. Afterwards a token that names an unknown key
    leads to one more fetch, but never two within ``min_interval_s``: nobody can make the node fetch by
    sending made-up key names. Without that the keys are fetched again after ``max_age_s``, so that a key
    which the provider withdrew stops counting.

    Args:
        url: ``https://...``; ``http://`` only where the network between is trusted.
        fetch: gets the document; the default uses the standard library in a thread.
        timeout_s: time for one fetch, all of it.
        min_interval_s: least time between the starts of two fetches.
        max_age_s: age at which the keys are fetched again.

    Raises:
        ConfigurationError: the URL is none of http or https, or carries a login.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Fetch = fetch_url,
        timeout_s: float = 5.0,
        min_interval_s: float = 10.0,
        max_age_s: float = 300.0,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:  # a port that is none, a bracket that does not close
            raise ConfigurationError(f"the JWKS URL is none: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                "the JWKS URL is none that is fetched: write it whole, like https://login.example.org/jwks.json"
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError("the JWKS URL carries a login; key sets are public, leave it out")
        self.keys: KeySet = NO_KEYS
        self._url = url
        # A query may hold an API key; messages and logs go without it.
        at = "" if port is None else f":{port}"
        self._where = f"JWKS URL {parts.scheme}://{parts.hostname}{at}{parts.path}"
        self._fetch = fetch
        self._timeout_s = timeout_s
        self._min_interval_s = min_interval_s
        self._max_age_s = max_age_s
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._changes = self._failures = self._refreshes = 0

    def look(self, now: float) -> None:
        """Nothing to see without waiting."""

    def can_refresh(self, now: float) -> bool:
        """Whether a fetch is on its way, or the last one began long enough ago."""
        return self._in_flight() or abs(now - self._tried_at) >= self._min_interval_s

    def refresh_due(self, now: float) -> bool:
        """Whether the keys are older than ``max_age_s`` and may be fetched."""
        return now - self._fetched_at >= self._max_age_s and not self._in_flight() and self.can_refresh(now)

    async def refresh(self, now: float) -> None:
        """Fetch the keys, or wait for the fetch that is on its way; nothing when the last one began a moment
        ago.

        A failure is counted and logged, and the last good keys stay. Cancelling one caller leaves the fetch
        to the others; it ends by its own time-out.
        """
        if not self._in_flight():
            if not self.can_refresh(now):
                return
            self._tried_at = now
            self._running = asyncio.get_running_loop().create_task(self._fetch_keys(now))
        running = self._running
        assert running is not None  # for the type checker: _in_flight() or just made
        await asyncio.shield(running)

    async def aclose(self) -> None:
        """Give up a fetch that is on its way; its callers are cancelled."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None

    def _in_flight(self) -> bool:
        return self._running is not None and not self._running.done()

    async def _fetch_keys(self, now: float) -> None:
        self._refreshes += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                document = await self._fetch(self._url, self._timeout_s, MAX_DOCUMENT_BYTES)
            keys = jwk_keys(document, secrets_allowed=False, where=self._where)
        except (FetchError, ConfigurationError, OSError) as error:  # TimeoutError is an OSError
            self._failures += 1
            _log.warning(
                "jwks-url-not-fetched", source=self._where, reason=_reason(error), keys_kept=len(self.keys)
            )
            return
        self._fetched_at = now
        if keys != self.keys:
            self.keys = keys
            self._changes += 1
            _log.info("token-keys-changed", source=self._where, keys=len(keys))

    def statistics(self) -> SourceStatistics:
        """Counters for metrics."""
        return SourceStatistics(len(self.keys), self._changes, self._failures, self._refreshes)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - the same as path.stat(), at half its cost
    return status.st_mtime_ns, status.st_size, status.st_ino


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
