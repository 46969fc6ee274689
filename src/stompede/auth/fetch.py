"""Get a small document by HTTP, bounded in size and time, with nothing but the standard library."""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from typing import Any, Final

from stompede.errors import StompedeError

_CHUNK_BYTES: Final = 16 * 1024


class FetchError(StompedeError):
    """A document could not be fetched; the sentence says why and never shows its content."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from the URL that was configured, or not at all: a redirect could lead to anybody's."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


async def fetch_url(url: str, timeout_s: float, max_bytes: int) -> bytes:
    """The body of the 200 answer at an ``http`` or ``https`` URL, fetched in a thread.

    Args:
        url: where it is; redirects are not followed.
        timeout_s: time for all of it. The thread ends soon after, even when the caller is cancelled.
        max_bytes: largest body.

    Raises:
        FetchError: it did not work, or the body is larger.
    """
    return await asyncio.to_thread(_fetch, url, timeout_s, max_bytes)


def _fetch(url: str, timeout_s: float, max_bytes: int) -> bytes:
    deadline = time.monotonic() + timeout_s
    opener = urllib.request.build_opener(_NoRedirects())
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the source checked it
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            if answer.status != http.client.OK:
                raise FetchError(f"the answer is {answer.status}")
            return _read(answer, deadline, max_bytes)
    except urllib.error.HTTPError as error:
        with error:
            raise FetchError(f"the answer is {error.code}") from error
    except urllib.error.URLError as error:
        raise FetchError(str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{type(error).__name__}: {error}") from error


def _read(answer: http.client.HTTPResponse, deadline: float, max_bytes: int) -> bytes:
    """All of the body. The socket's own time-out is one per read, so a slow trickle needs the deadline."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(_CHUNK_BYTES):
        size += len(part)
        if size > max_bytes:
            raise FetchError(f"the answer is larger than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise FetchError("it took too long")
        parts.append(part)
    return b"".join(parts)
