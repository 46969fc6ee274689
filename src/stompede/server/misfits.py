"""What is said of settings that do not fit, wherever they were read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

PREFIX: Final = "STOMPEDE_"
# Variables that are no settings: where the file is, an operator's token, what tests are told, and what Kubernetes
# gives to every pod beside a service that is called "stompede".
_OTHER_VARIABLES: Final = re.compile(
    r"STOMPEDE_(CONFIG|TOKEN|NO_SKIPS|CHROMIUM|TEST_\w+|SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*)"
)
_ALIKE: Final = 0.8  # a slip or two; other programs' variables are further away


class Value(msgspec.Struct, frozen=True):
    """One setting as it was found.

    Attributes:
        raw: as it was written.
        source: where, for people: ``default``, ``stompede.toml``, ``STOMPEDE_BUS``, ``--set bus``.
    """

    raw: Any
    source: str


def variable(name: str) -> str:
    """The environment variable of a dotted name."""
    return PREFIX + name.replace(".", "_").upper()


def is_other_variable(name: str, text: str) -> bool:
    """Whether an environment variable that begins as settings do is known to be none."""
    if name == "STOMPEDE_PORT" and "://" in text:
        return True  # Kubernetes' tcp://10.0.0.1:80 beside a service called "stompede"
    return bool(_OTHER_VARIABLES.fullmatch(name))


def unknown(shown: str, where: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is no setting."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else "; `stompede settings` lists the names"
    return f"{where}: {shown} is no setting{hint}"


def misspelt(model: type[BaseModel], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Environment variables that are nearly a setting of ``model``, each with that one's."""
    known = [variable(name) for name in model.model_fields]
    names = [name.removeprefix(PREFIX) for name in known]
    for given, text in environment.items():
        if given in known or not given.startswith(PREFIX) or is_other_variable(given, text):
            continue
        close = difflib.get_close_matches(given.removeprefix(PREFIX), names, n=1, cutoff=_ALIKE)
        if close:
            yield given, PREFIX + close[0]


def from_environment(model: type[BaseModel], environment: Mapping[str, str]) -> dict[str, Value]:
    """What the environment says of the fields of ``model``, by their names."""
    return {
        field: Value(environment[variable(field)], variable(field))
        for field in model.model_fields
        if variable(field) in environment
    }


def sentences(table: str, model: type[BaseModel], error: ValidationError, own: Mapping[str, Value]) -> str:
    """What is wrong with values: a line for each, which says where it was given.

    Args:
        table: table of the file that ``model`` is, ``""`` for its top level.
        model: whose fields they are.
        error: what pydantic says of them.
        own: the given values, by field.
    """
    return "\n".join(_misfit(table, model, detail, own) for detail in error.errors())


def _misfit(table: str, model: type[BaseModel], detail: ErrorDetails, own: Mapping[str, Value]) -> str:
    sentence = detail["msg"].removeprefix("Value error, ")
    field = str(detail["loc"][0]) if detail["loc"] else ""
    value = own.get(field)
    if value is None:
        return f"{field}: {sentence}" if field else sentence
    name = f"{table}.{field}" if table else field
    naming = {variable(name), f"--set {name}", option(name)}
    where = value.source if value.source in naming else f"{value.source}: {name}"
    shown = "" if is_secret(model.model_fields[field]) else f"={as_text(value.raw)}"
    return f"{where}{shown}: {sentence}"


def option(name: str) -> str:
    """The option of ``stompede serve`` that has a name of its own."""
    return "--" + name.replace("_", "-")


def is_secret(field: Any) -> bool:
    """Whether a field of settings is never shown."""
    extra = getattr(field, "json_schema_extra", None)
    return isinstance(extra, dict) and bool(extra.get("secret"))


def as_text(raw: Any) -> str:
    """A value as it is written in the environment."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (list, tuple)):
        return ",".join(str(part) for part in raw)
    return str(raw)
