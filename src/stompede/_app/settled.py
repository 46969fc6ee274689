"""The settings of an application that is given none, and what else it is made of."""

from __future__ import annotations

import os
from typing import Final

import structlog
from fastapi import FastAPI
from pydantic import ValidationError

from stompede.errors import ConfigurationError
from stompede.server import misfits
from stompede.server.settings import Settings
from stompede.transports import Rules

log = structlog.get_logger("stompede.app")
_told: Final[set[str]] = set()  # of this process: its variables are the same for each application


def settings_of(given: object) -> Settings:
    """The settings that an application was given, or those of the environment.

    A variable that is nearly a setting's is warned of, once. It cannot be refused, as `stompede serve` does: other
    programs' variables may begin so.

    Raises:
        ConfigurationError: a variable has a value that its setting cannot have, or they are no settings.
    """
    if isinstance(given, Settings):
        return given
    if given is not None:
        raise ConfigurationError(
            f"Stompede(settings={type(given).__name__}): settings is a Settings: write "
            "Stompede(settings=Settings(max_sessions=500))"
        )
    for name, meant in misfits.misspelt(Settings, os.environ):
        if name not in _told:
            _told.add(name)
            log.warning(f"{name} is no setting; did you mean {meant}?")
    try:
        return Settings()
    except ValidationError as error:
        own = misfits.from_environment(Settings, os.environ)
        raise ConfigurationError(misfits.sentences("", Settings, error, own)) from error


def rules_of(settings: Settings) -> Rules:
    """Whose pages and proxies are believed.

    Raises:
        ConfigurationError: a proxy is no address.
    """
    try:
        return Rules.of(settings.allowed_origins, settings.trusted_proxies)
    except ValueError as error:
        raise ConfigurationError(
            f"trusted_proxies: {error}; give addresses or networks like 10.0.0.0/8"
        ) from None


def fastapi_of(given: object, title: str, version: str) -> FastAPI:
    """The FastAPI application that was given, or an empty one.

    Raises:
        ConfigurationError: it is something else.
    """
    if given is None:
        return FastAPI(title=title, version=version)
    if isinstance(given, FastAPI):
        return given
    raise ConfigurationError(
        f"Stompede({type(given).__name__}): it takes a FastAPI application, or none; mount other ASGI applications "
        'in one: fastapi.mount("/", yours)'
    )
