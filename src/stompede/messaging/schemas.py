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
    schemas, components = _schemas([a for a in distinct if a is not bytes and a is not str])
    described = []
    for annotation, name in zip(distinct, _unique_names(distinct), strict=True):
        if annotation is bytes:
            described.append(Described(name, BINARY, _BYTES))
        elif annotation is str:
            described.append(Described(name, TEXT, _TEXT))
        else:
            described.append(Described(name, JSON, schemas[_key(annotation)]))

    def describe(annotation: Any) -> Described:
        return described[distinct.index(annotation)]

    return describe, components


def _schemas(annotations: Sequence[Any]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Returns the schema of each type by its key, and the components."""
    of_pydantic = [a for a in annotations if uses_pydantic(a)]

    def model_inside(cls: type) -> Schema:
        if cls not in of_pydantic:
            of_pydantic.append(cls)
        return {"x-model": _key(cls)}

    of_msgspec = [a for a in annotations if not uses_pydantic(a) and _has_schema(a)]
    found, components = msgspec.json.schema_components(
        of_msgspec, schema_hook=model_inside, ref_template=_REF
    )
    schemas: dict[str, Schema] = {_key(a): {} for a in annotations}
    schemas.update((_key(a), schema) for a, schema in zip(of_msgspec, found, strict=True))
    models, definitions = _of_pydantic(of_pydantic, taken=components)
    schemas.update(models)

    def translate(schema: Schema) -> Schema:
        translated = _translate(schema, models)
        assert isinstance(translated, dict)  # a schema stays one
        return translated

    return (
        {key: translate(schema) for key, schema in schemas.items()},
        {name: translate(schema) for name, schema in sorted({**components, **definitions}.items())},
    )


def _of_pydantic(
    annotations: Sequence[Any], taken: typing.Container[str]
) -> tuple[dict[str, Schema], dict[str, Schema]]:
    if not annotations:
        return {}, {}
    adapters = []
    for annotation in annotations:
        try:
            adapters.append((_key(annotation), "validation", TypeAdapter(annotation)))
        except PydanticUserError as error:
            raise ConfigurationError(f"{type_name(annotation)}: {error.message}") from error
    found, rest = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a Literal, inferred as str
    definitions: dict[str, Schema] = rest.get("$defs", {})
    # A model and a Struct of the same name: the model steps aside.
    renamed = {name: f"{name}.model" if name in taken else name for name in definitions}
    rename = {_REF.format(name=old): _REF.format(name=new) for old, new in renamed.items()}
    return (
        {key: _rename(schema, rename) for (key, _), schema in found.items()},
        {renamed[name]: _rename(schema, rename) for name, schema in definitions.items()},
    )


def _rename(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {
            key: names.get(value, value) if key == "$ref" else _rename(value, names)
            for key, value in schema.items()
        }
    return [_rename(item, names) for item in schema] if isinstance(schema, list) else schema


def _translate(schema: Any, models: dict[str, Schema]) -> Any:
    """Translates what msgspec and pydantic write, draft 2020-12 and OpenAPI, into what AsyncAPI takes."""
    if isinstance(schema, list):
        return [_translate(item, models) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-model" in schema:
        return _translate(models[schema["x-model"]], models)
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


def _key(annotation: Any) -> str:
    # Two types may have one name; their ids tell them apart, and both live as long as the handlers that name
    # them.
    return str(id(annotation))


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
    parts = [part.rpartition(".")[2] for part in re.split(r"[^\w.]+", name)]
    return ".".join(part for part in parts if part) or "Any"
