"""The reference services, written with nothing but Stompede's public names: accounts, location, and the console."""

from __future__ import annotations

from fastapi import FastAPI, Request

from stompede import AuthenticationError, Principal, Settings, Stompede, __version__
from stompede.apps import console, location
from stompede.apps.accounts import accounts_router, demo_accounts


def create_app(settings: Settings | None = None, *, demo: bool = False) -> Stompede:
    """The application that ``stompede serve`` serves when it is given none.

    It also takes the older form of the rider client: endpoint ``/ws``, SEND to ``/rider/commute``.

    Args:
        settings: by default from the environment and the configuration file.
        demo: demo members may log in, and everybody may report and look.
    """
    settings = settings or Settings()
    settings = settings.model_copy(
        update={
            "endpoints": tuple(dict.fromkeys((*settings.endpoints, "/ws"))),
            "app_prefixes": tuple(dict.fromkeys((*settings.app_prefixes, "/rider"))),
        }
    )
    app = Stompede(
        # Its own pages for people load their scripts from a CDN; the console's /docs brings them along.
        FastAPI(title="Stompede", version=__version__, docs_url=None, redoc_url=None),
        settings=settings,
        title="Stompede reference services",
        version=__version__,
    )

    async def principal_of(request: Request) -> Principal | None:
        return await app.prove(request.headers.get("authorization"))

    location.install(
        app,
        routes=app.routing,
        node_url=lambda: app.public_url,
        node_url_at=lambda request: app.public_url_at(str(request.base_url)),
        demo=demo,
        principal_of=principal_of,
    )

    async def prove(authorization: str | None) -> Principal:
        principal = await app.prove(authorization)
        if principal is None:
            raise AuthenticationError("token-missing", "send `Authorization: Bearer <token>`")
        return principal

    if demo:
        accounts = demo_accounts()
        app.authenticate(accounts.login)
        app.fastapi.include_router(
            accounts_router(accounts, app.issuer, prove, token_ttl_s=settings.token_ttl_s, choose_ttl=True)
        )
    console.install(app, demo=demo)
    return app
