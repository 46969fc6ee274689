"""Where the value of each setting comes from: defaults, TOML file, environment, command line.

Later ones win in that order. What an application's code gives to ``Settings(...)`` itself wins over them all.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stompede.apps.console.settings import ConsoleSettings
from stompede.apps.location.settings import LocationSettings
from stompede.cli._listen import ListenSettings
from stompede.errors import ConfigurationError
from stompede.server.settings import Settings

# Table of the TOML file ("" is its top level), and the settings in it.
SECTIONS: Final[Sequence[tuple[str, type[BaseModel]]]] = (
    ("", ListenSettings),
    ("", Settings),
    ("location", LocationSettings),
    ("console", ConsoleSettings),
)

M = TypeVar("M", bound=BaseModel)

_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
CONFIG_VARIABLE: Final = "STOMPEDE_CONFIG"
# Variables that are no settings: where the file is, an operator's token, what tests are told, and what Kubernetes
# gives to every pod beside a service that is called "stompede".
_OTHER_VARIABLES: Final = re.compile(
    r"STOMPEDE_(CONFIG|TOKEN|NO_SKIPS|CHROMIUM|TEST_\w+|SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*)"
)


class Value(msgspec.Struct, frozen=True):
    """One setting as it was found.

    Attributes:
        raw: as it was written.
        source: where, for people: ``default``, ``stompede.toml``, ``STOMPEDE_BUS``, ``--set bus``.
    """

    raw: Any
    source: str


class Effective(msgspec.Struct, frozen=True):
    """All settings, checked, and where each came from.

    Attributes:
        listen: where to listen.
        node: the settings of the node.
        values: dotted name -> the checked value.
        sources: dotted name -> where its value came from; what is not in it has its default.
        environment: the given values as environment variables, for the settings that an application makes.
    """

    listen: ListenSettings
    node: Settings
    values: Mapping[str, Any]
    sources: Mapping[str, str]
    environment: Mapping[str, str]


def load_settings(
    config: Path | None = None, overrides: Sequence[str] = (), options: Mapping[str, str] = _NO_OPTIONS
) -> Effective:
    """Joins what the TOML file, the environment, ``name=value`` texts and options of their own say, and checks it.

    Raises:
        ConfigurationError: a name is unknown, a value does not fit, or the file cannot be read; says where.
    """
    given: dict[str, Value] = {}
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE])
    if config is not None:
        given |= _from_file(config)
    given |= _from_environment(os.environ)
    given |= _from_options(overrides)
    given |= {name: Value(text, _option(name)) for name, text in options.items()}
    listen, node = _check("", ListenSettings, given), _check("", Settings, given)
    checked: dict[type[BaseModel], BaseModel] = {ListenSettings: listen, Settings: node}
    for table, model in SECTIONS:
        if model not in checked:
            checked[model] = _check(table, model, given)
    return Effective(
        listen=listen,
        node=node,
        values={name: getattr(checked[model], field) for name, (model, field) in fields().items()},
        sources={name: value.source for name, value in given.items()},
        environment={variable(name): _as_text(value.raw) for name, value in given.items()},
    )


def fields() -> dict[str, tuple[type[BaseModel], str]]:
    """Dotted name of each setting -> its class and field, in the order of the table."""
    return {
        f"{table}.{field}" if table else field: (model, field)
        for table, model in SECTIONS
        for field in model.model_fields
    }


def variable(name: str) -> str:
    """The environment variable of a dotted name."""
    return "STOMPEDE_" + name.replace(".", "_").upper()


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _from_file(path: Path) -> dict[str, Value]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"settings file {path} is not TOML: {error}") from error
    found: dict[str, Value] = {}
    tables = {table for table, _ in SECTIONS if table}
    for key, value in document.items():
        if isinstance(value, dict) and key in tables:
            found |= {f"{key}.{name}": Value(inner, str(path)) for name, inner in value.items()}
        elif isinstance(value, dict):
            raise ConfigurationError(_unknown(f"[{key}]", str(path), key, tables))
        else:
            found[key] = Value(value, str(path))
    known = fields()
    for name in found:
        if name not in known:
            raise ConfigurationError(_unknown(name, str(path), name, known))
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    known = {variable(name): name for name in fields()}
    found = {}
    for key, text in environment.items():
        if not key.startswith("STOMPEDE_"):
            continue
        if key == "STOMPEDE_PORT" and "://" in text:
            continue  # Kubernetes' tcp://10.0.0.1:80 beside a service called "stompede"
        if key in known:
            found[known[key]] = Value(text, key)
        elif not _OTHER_VARIABLES.fullmatch(key):
            raise ConfigurationError(_unknown(key, "the environment", key, known))
    return found


def _from_options(overrides: Sequence[str]) -> dict[str, Value]:
    known = fields()
    found = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ConfigurationError(f"--set {text} has no value; write --set {name}=VALUE")
        if name not in known:
            raise ConfigurationError(_unknown(name, "--set", name, known))
        found[name] = Value(value.strip(), f"--set {name}")
    return found


def _unknown(shown: str, where: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else "; `stompede settings` lists the names"
    return f"{where}: {shown} is no setting{hint}"


def _check(table: str, model: type[M], given: Mapping[str, Value]) -> M:
    mine = ((name, field) for name, (owner, field) in fields().items() if owner is model)
    own = {field: given[name] for name, field in mine if name in given}
    try:
        return model(**{field: value.raw for field, value in own.items()})
    except ValidationError as error:
        sentences = [_misfit(table, model, detail, own) for detail in error.errors()]
        raise ConfigurationError("\n".join(sentences)) from error


def _misfit(table: str, model: type[BaseModel], detail: ErrorDetails, own: Mapping[str, Value]) -> str:
    sentence = detail["msg"].removeprefix("Value error, ")
    field = str(detail["loc"][0]) if detail["loc"] else ""
    value = own.get(field)
    if value is None:
        return f"{field}: {sentence}" if field else sentence
    name = f"{table}.{field}" if table else field
    naming = {variable(name), f"--set {name}", _option(name)}
    where = value.source if value.source in naming else f"{value.source}: {name}"
    shown = "" if is_secret(model.model_fields[field]) else f"={_as_text(value.raw)}"
    return f"{where}{shown}: {sentence}"


def is_secret(field: Any) -> bool:
    """Whether a field of settings is never shown."""
    extra = getattr(field, "json_schema_extra", None)
    return isinstance(extra, dict) and bool(extra.get("secret"))


def _as_text(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (list, tuple)):
        return ",".join(str(part) for part in raw)
    return str(raw)
