"""``stompede token``: make a token that the nodes with these settings accept."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from stompede.auth import TokenIssuer, issuer_from
from stompede.cli._options import Config, Overrides
from stompede.cli._values import load_settings
from stompede.errors import ConfigurationError
from stompede.server.settings import Settings

MAX_TTL_S: Final = 10 * 365 * 86400
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


Name = Annotated[str, typer.Argument(help="Whom it proves, its `sub`: cook, rider-1.", show_default=False)]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="What it allows: admin; may be repeated.", show_default=False
    ),
]
Ttl = Annotated[
    str | None,
    typer.Option(
        "--ttl", metavar="TIME", help="Its life: 90s, 30m, 1h, 7d [default: token_ttl_s]", show_default=False
    ),
]
Claims = Annotated[
    list[str] | None,
    typer.Option(
        "--claim", metavar="NAME=VALUE", help="A further claim: JSON, or else text.", show_default=False
    ),
]
PrivateKey = Annotated[
    Path | None,
    typer.Option("--private-key", metavar="FILE", help="PEM key to sign with instead.", show_default=False),
]
Kid = Annotated[
    str | None,
    typer.Option("--kid", metavar="NAME", help="Name of the private key in the JWK set.", show_default=False),
]


def token(
    name: Name,
    scope: Scopes = None,
    ttl: Ttl = None,
    claim: Claims = None,
    private_key: PrivateKey = None,
    kid: Kid = None,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Print a token for a member, and nothing else: curl -H "Authorization: Bearer $(stompede token cook)"
    ...

    It is signed with the secret of the settings, or else with the node's own key file in its data directory,
    so run it where the node runs. Whoever reads the token is that member until it expires.
    """
    settings = load_settings(config, overrides or ()).node
    if kid is not None and private_key is None:
        raise ConfigurationError("--kid names a private key; give it with --private-key FILE")
    issuer = issuer_from(settings) if private_key is None else _issuer_of(private_key, kid, settings)
    ttl_s = settings.token_ttl_s if ttl is None else _seconds(ttl)
    claims = dict(map(_claim, claim or ()))
    try:
        made = issuer.issue(name, scope or (), ttl_s, time.time(), **claims)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    typer.echo(made)


def _issuer_of(path: Path, kid: str | None, settings: Settings) -> TokenIssuer:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"private key {path} cannot be read: {error.strerror}") from error
    return TokenIssuer(
        private_key_pem=pem, kid=kid, issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )


def _seconds(text: str) -> float:
    written = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", text.strip().lower(), re.ASCII)
    seconds = float(written[1]) * _UNITS[written[2]] if written else 0.0
    if not 0 < seconds <= MAX_TTL_S:
        raise ConfigurationError(
            f"--ttl {text} is no life of a token; write 90s, 30m, 1h or 7d, ten years at most"
        )
    return seconds


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigurationError(f"--claim {text} has no name or no value; write --claim team=red")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
