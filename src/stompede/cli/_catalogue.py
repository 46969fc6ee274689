"""``stompede catalogue``."""

from __future__ import annotations

import enum
import json
from typing import Annotated

import typer

from stompede.cli import _options
from stompede.cli._application import application
from stompede.cli._markdown import catalogue_markdown
from stompede.cli._values import load_settings


class CatalogueFormat(enum.StrEnum):
    """How the catalogue is printed."""

    JSON = "json"
    MARKDOWN = "md"


def catalogue(
    app: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:APP]", help=_options.APPLICATION_HELP, show_default=False),
    ] = None,
    form: Annotated[
        CatalogueFormat, typer.Option("--format", help="AsyncAPI 3 as JSON, or tables to read.")
    ] = CatalogueFormat.JSON,
    demo: Annotated[bool, typer.Option("--demo", help="Reference services in demo mode.")] = False,
    config: _options.Config = None,
    overrides: _options.Overrides = None,
) -> None:
    """Print every destination of an application, with the schema of its messages."""
    document = application(app, load_settings(config, overrides or ()), demo=demo).catalogue()
    if form is CatalogueFormat.MARKDOWN:
        typer.echo(catalogue_markdown(document))
    else:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
