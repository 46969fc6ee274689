"""Where the value of each setting comes from: defaults, TOML file, environment, command line.

Later ones win in that order. What an application's code gives to ``Settings(...)`` itself wins over them all.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from stompede.apps.console.settings import ConsoleSettings
from stompede.apps.location.settings import LocationSettings
from stompede.cli._listen import ListenSettings
from stompede.errors import ConfigurationError
from stompede.server.misfits import (
    PREFIX,
    Value,
    as_text,
    is_other_variable,
    option,
    sentences,
    unknown,
    variable,
)
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
    given |= {name: Value(text, option(name)) for name, text in options.items()}
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
        environment={variable(name): as_text(value.raw) for name, value in given.items()},
    )


def fields() -> dict[str, tuple[type[BaseModel], str]]:
    """Dotted name of each setting -> its class and field, in the order of the table."""
    return {
        f"{table}.{field}" if table else field: (model, field)
        for table, model in SECTIONS
        for field in model.model_fields
    }


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
            raise ConfigurationError(unknown(f"[{key}]", str(path), key, tables))
        else:
            found[key] = Value(value, str(path))
    known = fields()
    for name, value in found.items():
        if name not in known:
            raise ConfigurationError(unknown(name, str(path), name, known))
        model, field = known[name]
        if isinstance(value.raw, bool) and model.model_fields[field].annotation is not bool:
            # pydantic takes them for 1 and 0
            raise ConfigurationError(
                f"{path}: {name}={as_text(value.raw)}: true and false are no values of this setting"
            )
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    known = {variable(name): name for name in fields()}
    found = {}
    for key, text in environment.items():
        if not key.startswith(PREFIX) or is_other_variable(key, text):
            continue
        if key in known:
            found[known[key]] = Value(text, key)
        else:
            raise ConfigurationError(unknown(key, "the environment", key, known))
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
            raise ConfigurationError(unknown(name, "--set", name, known))
        found[name] = Value(value.strip(), f"--set {name}")
    return found


def _check(table: str, model: type[M], given: Mapping[str, Value]) -> M:
    mine = ((name, field) for name, (owner, field) in fields().items() if owner is model)
    own = {field: given[name] for name, field in mine if name in given}
    try:
        return model(**{field: value.raw for field, value in own.items()})
    except ValidationError as error:
        raise ConfigurationError(sentences(table, model, error, own)) from error
