"""The built page's files: found, compressed and cached as a browser likes it best."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

STATIC: Final = Path(str(files("stompede.apps.console"))) / "static"
FAVICON: Final = Path(str(files("stompede.apps.console"))) / "favicon.svg"

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The name of a built file holds a hash of its content, so what a name once meant it means for ever.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Stompede</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<h1>The page is not built</h1>
<p>The node runs, but this copy of Stompede was installed without its page.
<p>In a clone, <code>make console</code> builds it, and <code>make run</code> does so by itself. Then reload;
where the clone was installed with <code>pip</code>, install it again first.
</html>
"""


def page(static: Path, name: str = "index.html") -> Response:
    """A built page, or a plain one that says how to build it."""
    built = static / name
    if not built.is_file():
        return HTMLResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
    return FileResponse(built, media_type="text/html; charset=utf-8", headers={"Cache-Control": _ASK_AGAIN})


def asset(static: Path, name: str, accept_encoding: str) -> Response:
    """One built file; its packed twin when the browser takes gzip. Raises a 404 for everything else."""
    folder = (static / "assets").resolve()
    path = folder / name
    media_type = _MEDIA_TYPES.get(path.suffix)
    # Built files lie side by side: a name with a path in it is none of theirs.
    if media_type is None or path.parent != folder or not path.is_file():
        raise HTTPException(404)
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    packed = path.with_name(path.name + ".gz")
    if accepts_gzip(accept_encoding) and packed.is_file():
        return FileResponse(packed, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(path, media_type=media_type, headers=headers)


def favicon() -> Response:
    """The small picture; there without the build too: browsers report a missing one as an error."""
    return FileResponse(
        FAVICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"}
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header allows gzip (RFC 9110 section 12.5.3)."""
    for part in accept_encoding.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() in {"gzip", "*"}:
            return weight.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
