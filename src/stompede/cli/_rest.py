"""Asking a running node by its REST API, and saying in a sentence what it refused."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from stompede._app.rest import ADMIN_SCOPE
from stompede.errors import ConfigurationError, StompedeError

TIMEOUT_S: Final = 10.0
_MAX_BYTES: Final = 16 * 1024 * 1024


class NodeRefusedError(StompedeError):
    """A node did not do what a command asked it to do; the sentence says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the node that was named, and for nobody that it points to."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def ask(
    method: str,
    url: str,
    path: str,
    token: str | None,
    body: bytes | None = None,
    *,
    scope: str = ADMIN_SCOPE,
) -> bytes:
    """The body of a node's answer.

    Args:
        method: HTTP method.
        url: of the node.
        path: with its query.
        token: of who may ask for that.
        body: JSON to send along.
        scope: what a token needs for it.

    Raises:
        ConfigurationError: the URL is none.
        NodeRefusedError: there is no answer, or it refuses.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"--url {url} is no URL of a node; write http://localhost:8080")
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url.rstrip("/") + path, body, headers, method=method
    )
    try:
        with urllib.request.build_opener(_NoRedirects()).open(request, timeout=TIMEOUT_S) as answer:
            said: bytes = answer.read(_MAX_BYTES)
            return said
    except urllib.error.HTTPError as error:
        with error:
            raise NodeRefusedError(_refusal(url, error.code, error.read(_MAX_BYTES), scope)) from error
    except urllib.error.URLError as error:
        raise NodeRefusedError(_unreachable(url, error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NodeRefusedError(_unreachable(url, error)) from error


def _unreachable(url: str, reason: Any) -> str:
    if isinstance(reason, ConnectionRefusedError):
        return f"{url}: connection refused; does a node run there? Name another by --url"
    if isinstance(reason, TimeoutError):
        return f"{url}: no answer within {TIMEOUT_S:.0f} s"
    return f"{url}: {getattr(reason, 'strerror', None) or reason or type(reason).__name__}"


def _refusal(url: str, status: int, body: bytes, scope: str) -> str:
    """What a problem document says; what is none comes from something that is no node, or hides one."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
        code, detail = str(problem["code"]), str(problem["detail"])
    except (msgspec.MsgspecError, KeyError):
        return f"{url}: HTTP {status}, and not in the words of a node; is it one of this version?"
    make = f"make one by `stompede token NAME --scope {scope}` and give it as --token or STOMPEDE_TOKEN"
    if status == http.client.UNAUTHORIZED:
        return f"{url}: {detail} ({code}); {make}"
    if status == http.client.FORBIDDEN:
        return f"{url}: {detail}; {make}"
    return f"{url}: {detail} ({code})"
