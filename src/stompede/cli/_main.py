"""The commands, and how their failures are told."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from stompede.cli._bench import bench
from stompede.cli._catalogue import catalogue
from stompede.cli._demo import demo
from stompede.cli._nodes import drain, nodes
from stompede.cli._publish import publish
from stompede.cli._serve import serve
from stompede.cli._sessions import sessions
from stompede.cli._settings import settings
from stompede.cli._simulate import simulate
from stompede.cli._token import token
from stompede.errors import ConfigurationError, StompedeError

app = typer.Typer(
    name="stompede",
    help="STOMP over WebSocket for Python: serve, simulate, measure, operate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(demo)
app.add_typer(simulate)
app.command()(bench)
app.command()(token)
app.command()(catalogue)
app.command()(settings)
app.add_typer(sessions)
app.command()(nodes)
app.command()(drain)
app.command()(publish)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stompede {metadata.version('stompede')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """STOMP over WebSocket for Python: serve, simulate, measure, operate."""


def main() -> None:
    """Runs the command that the arguments name.

    A failure that somebody can mend is one sentence on standard error: exit code 2 when settings or arguments
    are wrong, 1 when the work failed. Everything else is a bug and keeps its traceback.
    """
    try:
        app()
    except StompedeError as error:
        for line in str(error).splitlines():
            print(f"stompede: {line}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
