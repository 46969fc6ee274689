"""``stompede settings``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stompede.cli import _options
from stompede.cli._markdown import setting_rows, value_text
from stompede.cli._values import Effective, load_settings


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    config: _options.Config = None,
    overrides: _options.Overrides = None,
) -> None:
    """Print every setting: the value a node would have, where it comes from, and what it means.

    Secrets are not shown, only whether they are set.
    """
    effective = load_settings(config, overrides or ())
    if as_json:
        typer.echo(json.dumps(_as_rows(effective), indent=2, ensure_ascii=False))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown.add_column("setting", no_wrap=True)
    shown.add_column("value", overflow="fold")
    shown.add_column("from", overflow="fold")
    shown.add_column("meaning", overflow="fold")
    for row in _as_rows(effective):
        given = row["source"] != "default"
        shown.add_row(
            row["name"], row["value"], row["source"], row["meaning"], style="bold" if given else None
        )
    Console().print(shown)


def _as_rows(effective: Effective) -> list[dict[str, str]]:
    rows = []
    for row in setting_rows():
        value = effective.values[row.name]
        rows.append(
            {
                "name": row.name,
                "variable": row.variable,
                "value": "(hidden)" if row.secret and value is not None else value_text(value),
                "source": effective.sources.get(row.name, "default"),
                "meaning": row.description,
            }
        )
    return rows
