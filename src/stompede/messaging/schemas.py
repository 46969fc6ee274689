"""JSON schemas of message types, in AsyncAPI 3.0's dialect: JSON Schema draft 7 and a little more."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import PydanticUserError, TypeAdapter

from stompede.errors import ConfigurationError
from stompede.messaging.codecs import BINARY, JSON, TEXT, check_msgspec_type, type_name, uses_pydantic

Schema: TypeAlias = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_BYTES: Final[Schema] = {"type": "string", "format": "binary"}
_TEXT: Final[Schema] = {"type": "string"}


class Described(msgspec.Struct, frozen=True):
    """A type as the catalogue shows it.

    Attributes:
        name: a short name that is unique among all types of the catalogue, of letters, digits, ``_``, ``.``
            and ``-``.
        content_type: of bodies of that type.
        schema: of the body; usually a reference to a component.
    """

    name: str
    content_type: str
    schema: Schema


def members(annotation: Any) -> tuple[Any, ...]:
    """Splits what a handler returns into the types of messages: the members of a union, without ``None``."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(member for part in typing.get_args(annotation) for member in members(part))
    return () if annotation in (None, type(None)) else (annotation,)


def describe_types(annotations: Iterable[Any]) -> tuple[Callable[[Any], Described], dict[str, Schema]]:
    """Makes the schemas of all types of a catalogue at once, so that each named type is one component.

    Returns:
        a function that describes each of the types, and the components. A type of which no schema can be
        made, such as ``Any``, may be anything.
    """
    distinct: list[Any] = []
    for annotation in annotations:
        if annotation not in distinct:
            distinct.append(annotation)
    components = _Components()
    described = []
    for annotation, name in zip(distinct, _unique_names(distinct), strict=True):
        if annotation is bytes:
            described.append(Described(name, BINARY, _BYTES))
        elif annotation is str:
            described.append(Described(name, TEXT, _TEXT))
        else:
            described.append(Described(name, JSON, components.schema(annotation)))

    def describe(annotation: Any) -> Described:
        return described[distinct.index(annotation)]

    return describe, components.schemas


class _Components:
    """The named schemas of a catalogue, each type once, and each under a name of its own."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def schema(self, annotation: Any) -> Schema:
        """Returns the schema of a type, and keeps those that it refers to."""
        found, definitions = (
            _of_pydantic(annotation) if uses_pydantic(annotation) else self._of_msgspec(annotation)
        )
        return self._merged(found, definitions)

    def _of_msgspec(self, annotation: Any) -> tuple[Schema, dict[str, Schema]]:
        if not _has_schema(annotation):
            return {}, {}
        models: list[Schema] = []

        def model_inside(cls: type) -> Schema:
            models.append(self.schema(cls))
            return {"x-model": len(models) - 1}

        (found,), definitions = msgspec.json.schema_components(
            [annotation], schema_hook=model_inside, ref_template=_REF
        )
        # A Struct of the same name as a model inside of it steps aside.
        taken = [name for name in definitions if {"$ref": _REF.format(name=name)} in models]
        names = {name: f"{name}.struct" if name in taken else name for name in definitions}
        references = {_REF.format(name=old): _REF.format(name=new) for old, new in names.items()}
        return (
            _translate(_renamed(found, references), models),
            {
                names[name]: _translate(_renamed(schema, references), models)
                for name, schema in definitions.items()
            },
        )

    def _merged(self, schema: Schema, definitions: dict[str, Schema]) -> Schema:
        """Adds definitions. One whose name is taken by something else gets a number, and so do those that name it."""
        names = {name: name for name in definitions}
        settled = False
        while not settled:
            settled = True
            references = {_REF.format(name=old): _REF.format(name=new) for old, new in names.items()}
            renamed = {
                names[name]: _renamed(definition, references) for name, definition in definitions.items()
            }
            for name, new in names.items():
                if self.schemas.get(new, renamed[new]) != renamed[new]:
                    names[name] = self._free(name, names.values())
                    settled = False
        self.schemas.update(renamed)
        return typing.cast("Schema", _renamed(schema, references))

    def _free(self, name: str, also_taken: Iterable[str]) -> str:
        count = 2
        while f"{name}{count}" in self.schemas or f"{name}{count}" in also_taken:
            count += 1
        return f"{name}{count}"


def _of_pydantic(annotation: Any) -> tuple[Schema, dict[str, Schema]]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    except PydanticUserError:
        return {}, {}
    definitions = schema.pop("$defs", {})
    if isinstance(annotation, type) and schema.get("title") == annotation.__name__:
        # The model itself is a component too, as a Struct is.
        name = _sanitized(annotation.__name__)
        definitions[name] = schema
        schema = {"$ref": _REF.format(name=name)}
    return _translate(schema, []), {
        name: _translate(definition, []) for name, definition in definitions.items()
    }


def _renamed(schema: Any, references: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {
            key: references.get(value, value)
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, references)
            for key, value in schema.items()
        }
    return [_renamed(item, references) for item in schema] if isinstance(schema, list) else schema


def _translate(schema: Any, models: Sequence[Schema]) -> Any:
    """Translates what msgspec and pydantic write, draft 2020-12 and OpenAPI, into what AsyncAPI takes."""
    if isinstance(schema, list):
        return [_translate(item, models) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(model := schema.get("x-model"), int):
        return models[model]
    translated = {key: _translate(value, models) for key, value in schema.items()}
    if isinstance(discriminator := translated.get("discriminator"), dict) and "propertyName" in discriminator:
        # AsyncAPI knows the property only; each member of the union says its own tag.
        translated["discriminator"] = discriminator["propertyName"]
    if "prefixItems" in translated and isinstance(translated["prefixItems"], list):
        items = translated.pop("items", None)
        translated["items"] = translated.pop("prefixItems")
        if items is not None:
            translated["additionalItems"] = items
    return translated


def _has_schema(annotation: Any) -> bool:
    try:
        check_msgspec_type(annotation)
    except ConfigurationError:
        return False
    return True


def _unique_names(annotations: Sequence[Any]) -> list[str]:
    names: list[str] = []
    for annotation in annotations:
        name = _sanitized(type_name(annotation))
        if name in names:
            name = f"{getattr(annotation, '__module__', 'another')}.{name}"
        count = 2
        while name in names:
            name = f"{name.rstrip('0123456789')}{count}"
            count += 1
        names.append(name)
    return names


def _sanitized(name: str) -> str:
    # "list[chat.Member]" -> "list.Member"
    name = re.sub(r"[\w.]*<locals>\.", "", name)
    parts = [part.rpartition(".")[2] for part in re.split(r"[^\w.]+", name)]
    return ".".join(part for part in parts if part) or "Any"
