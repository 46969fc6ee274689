"""The Content-Security-Policy of the page: what a browser lets it load, and from where."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

# A placeholder, a space or a semicolon in the host would open the policy to more than one host.
_NOT_IN_A_HOST: Final = frozenset("{} ;,'\"*@")


def content_security_policy(tiles: str | None = None) -> str:
    """The policy: everything from the page's own host, and pictures from that of the tiles.

    MapLibre needs ``blob:`` and ``data:`` for pictures that it makes itself; its worker is a file of ours.

    Args:
        tiles: URL template of online tiles.

    Raises:
        ValueError: ``tiles`` is not an HTTP URL template.
    """
    host = "" if tiles is None else f" {tile_host(tiles)}"
    return "; ".join(
        (
            "default-src 'self'",
            f"img-src 'self' data: blob:{host}",
            f"connect-src 'self'{host}",
            "worker-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def tile_host(tiles: str) -> str:
    """Scheme, host and port of a URL template of tiles.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(tiles)
    plain_host = parts.netloc and not _NOT_IN_A_HOST & set(parts.netloc)
    if parts.scheme not in {"http", "https"} or not plain_host or "{z}" not in parts.path + parts.query:
        raise ValueError("expected a URL template like https://tile.example.org/{z}/{x}/{y}.png")
    return f"{parts.scheme}://{parts.netloc}"
