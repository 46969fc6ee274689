"""The page as a part of an application."""

from __future__ import annotations

from stompede import Stompede

from ._routes import console_router, docs_router
from .settings import ConsoleSettings


def install(app: Stompede, *, settings: ConsoleSettings | None = None, demo: bool = False) -> None:
    """Add the page to an application: ``/`` and what it needs, and ``/docs`` where FastAPI has none of its own.

    Args:
        app: the application; it must not have started. The page connects to the first of its endpoints.
        settings: by default from the environment.
        demo: whether this is the demo; the page then names the demo members.
    """
    settings = settings or ConsoleSettings()
    app.fastapi.include_router(
        console_router(
            endpoint=app.settings.endpoints[0],
            demo=demo,
            tiles=settings.tiles,
            tiles_attribution=settings.tiles_attribution,
        )
    )
    if app.fastapi.docs_url is None and app.fastapi.openapi_url == "/openapi.json":
        app.fastapi.include_router(docs_router())
