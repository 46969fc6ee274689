"""``stompede serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stompede.cli import _options
from stompede.cli._application import application
from stompede.cli._values import load_settings
from stompede.errors import ConfigurationError


def serve(
    app: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:APP]", help=_options.APPLICATION_HELP, show_default=False),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen at; 0 for a free one. [default: 8080]", show_default=False),
    ] = None,
    tcp_port: Annotated[
        int | None,
        typer.Option(
            help="Port for STOMP over TCP, by convention 61613. [default: none]", show_default=False
        ),
    ] = None,
    certfile: Annotated[
        Path | None, typer.Option(help="PEM certificate chain, for TLS.", show_default=False)
    ] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its private key.", show_default=False)] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Reference services with demo members, for looking around.")
    ] = False,
    config: _options.Config = None,
    overrides: _options.Overrides = None,
) -> None:
    """Serve an application, or the reference services without one.

    Settings come from --config FILE, STOMPEDE_* variables and --set NAME=VALUE; later ones win. `stompede
    settings` lists them. SIGTERM and Ctrl-C stop gracefully: what is queued is sent, and clients are told to
    come back. Ctrl-C once more ends at once, with exit code 130.
    """
    flags = {"host": host, "port": port, "tcp_port": tcp_port, "certfile": certfile, "keyfile": keyfile}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    effective = load_settings(config, overrides or (), given)
    if demo and app is not None:
        raise ConfigurationError(f"--demo is for the reference services; serve {app} without it")
    listen = effective.listen
    application(app, effective, demo=demo).run(
        listen.host,
        listen.port,
        certfile=None if listen.certfile is None else str(listen.certfile),
        keyfile=None if listen.keyfile is None else str(listen.keyfile),
    )
