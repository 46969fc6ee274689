"""The commands, their arguments and options, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from stompede.cli._main import app
from stompede.cli._markdown import table


def command_line() -> str:
    """A section for each command."""
    return "\n\n".join(
        _section(path, command) for path, command in _commands("stompede", typer.main.get_command(app))
    )


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    else:
        for name, child in inner.items():
            yield from _commands(f"{path} {name}", child)


def _section(path: str, command: Any) -> str:
    words = [path]
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            words.append(_argument(parameter))
        else:
            shown = parameter.default not in (None, False) and not callable(parameter.default)
            default = str(parameter.default) if shown else ""
            value = f" {parameter.metavar}" if parameter.metavar else ""
            names = ", ".join(f"`{name}{value}`" for name in parameter.opts)
            rows.append((names, f"`{default}`" if default else "", parameter.help or ""))
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    options = table(("Option", "Default", "Meaning"), rows) if rows else ""
    return f"## `{path}`\n\n```text\n{' '.join([*words, '[options]'])}\n```\n\n{text}\n\n{options}"


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"
