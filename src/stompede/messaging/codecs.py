"""Bodies of messages: from bytes to typed values and back.

======================================  =====================================  ==========================
type                                    body                                   content type when encoded
======================================  =====================================  ==========================
``bytes``                               as it is                               application/octet-stream
``str``                                 UTF-8 text                             text/plain;charset=utf-8
pydantic models, containers of them     JSON, by pydantic                      application/json
Struct, dataclass, TypedDict, builtins  JSON, by msgspec                       application/json
======================================  =====================================  ==========================

The declared type alone decides how a body is read: a client's content type is handed on but not believed,
since browsers' STOMP clients send JSON without one, or as ``text/plain``. What is no JSON is refused as such.
"""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec
from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass

from stompede.errors import ConfigurationError
from stompede.messaging.problem import Problem

JSON: Final = "application/json"
TEXT: Final = "text/plain;charset=utf-8"
BINARY: Final = "application/octet-stream"

DECODE_ERRORS: Final = (ValueError, RecursionError)
"""All that a function of `raw_decoder` raises for a wrong body."""


def encode(value: Any) -> tuple[bytes, str]:
    """Encodes what a handler returned or somebody publishes.

    Returns:
        the body and its content type.

    Raises:
        TypeError: the value, or one inside it, has no JSON form.
    """
    cls = type(value)
    if cls is bytes:
        return value, BINARY
    if cls is str:
        return value.encode(), TEXT
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), BINARY
    return _encode_json(value), JSON


def decoder(body_type: Any) -> Callable[[bytes], Any]:
    """Makes the function that reads bodies of a type.

    Args:
        body_type: a Struct, dataclass, TypedDict, pydantic model, ``bytes``, ``str``, another builtin, or a
            container.

    Returns:
        a function that raises `Problem` ``invalid-body`` where the body does not have the type.

    Raises:
        ConfigurationError: no body can have that type.
    """
    decode = raw_decoder(body_type)

    def decode_or_refuse(body: bytes) -> Any:
        try:
            return decode(body)
        except DECODE_ERRORS as error:
            raise body_problem(error, body) from error

    return decode_or_refuse


def raw_decoder(body_type: Any) -> Callable[[bytes], Any]:
    """Like `decoder`, but the function raises `DECODE_ERRORS`: for callers that handle them in place."""
    plain = _without_none(body_type)
    base = typing.get_args(plain)[0] if typing.get_origin(plain) is typing.Annotated else plain
    if base is bytes:
        return bytes
    if base is str:
        return _text_decoder(plain)
    if uses_pydantic(body_type):
        try:
            return TypeAdapter(body_type).validate_json
        except PydanticUserError as error:
            reason = (
                str(error.message).partition(". ")[0].partition("\n")[0]
            )  # what follows is advice about pydantic
            raise ConfigurationError(f"{type_name(body_type)} cannot be read from JSON: {reason}") from error
    check_msgspec_type(body_type)
    return msgspec.json.Decoder(body_type, dec_hook=_decode_custom).decode


def body_problem(error: Exception, body: bytes) -> Problem:
    """Says what is wrong with a body: ``Expected `str`, got `int` - at `$.text` ``."""
    if not body:
        return Problem("invalid-body", "The body is empty; expected JSON.")
    if isinstance(error, ValidationError):
        return Problem("invalid-body", _first_error(error))
    if isinstance(error, UnicodeDecodeError):
        return Problem("invalid-body", "The body is not valid UTF-8.")
    if isinstance(error, RecursionError):
        return Problem("invalid-body", "The JSON is nested too deeply.")
    return Problem("invalid-body", str(error))


def uses_pydantic(body_type: Any) -> bool:
    """Whether pydantic reads and describes a type: a model, or a container or union of models."""
    if typing.get_origin(body_type) is not None:
        return any(uses_pydantic(argument) for argument in typing.get_args(body_type))
    return isinstance(body_type, type) and (
        issubclass(body_type, BaseModel) or is_pydantic_dataclass(body_type)
    )


def check_msgspec_type(body_type: Any) -> None:
    """Raises ConfigurationError where msgspec cannot read a type, or it holds one that nobody can.

    msgspec takes any class at first and asks a hook later; a schema cannot be made of such a type, so that
    tells.
    """
    try:
        msgspec.json.schema_components([body_type], schema_hook=_refuse_custom)
    except (TypeError, NotImplementedError) as error:
        # msgspec's own sentence where it has one; it adds which type is meant.
        reason = str(error).partition("\n")[0] if isinstance(error, TypeError) else ""
        unknown = "Generating JSON schema for custom types" in reason or not reason
        raise ConfigurationError(
            f"{type_name(body_type)} cannot be read from JSON"
            + (
                "; use a Struct, dataclass, TypedDict, pydantic model, bytes, str or builtins"
                if unknown
                else f": {reason}"
            )
        ) from error


def unwritable(result_type: Any) -> type | None:
    """The class of which no JSON can be made: the type itself, or one inside of it; ``None`` where there is none.

    msgspec finds them as it does for bodies, by the schema. What it says of other types is about reading them.
    """
    strangers: list[type] = []

    def note(cls: type) -> dict[str, Any]:
        stands_for_others = cls is object or inspect.isabstract(cls) or getattr(cls, "_is_protocol", False)
        if stands_for_others or uses_pydantic(cls) or issubclass(cls, dict | list | tuple | set | frozenset):
            return {"type": "object"}
        strangers.append(cls)
        raise NotImplementedError

    if uses_pydantic(result_type):
        return None
    with contextlib.suppress(TypeError, NotImplementedError):
        msgspec.json.schema_components([result_type], schema_hook=note)
    return strangers[0] if strangers else None


def type_name(annotation: Any) -> str:
    """Names a type as its author wrote it."""
    return (
        annotation.__name__
        if isinstance(annotation, type) and not typing.get_args(annotation)
        else str(annotation)
    )


def _without_none(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    if type(None) not in arguments or len(arguments) != 2:
        return annotation
    return arguments[0] if arguments[1] is type(None) else arguments[1]


def _text_decoder(annotation: Any) -> Callable[[bytes], str]:
    def decode_text(body: bytes) -> str:
        return str(body, "utf-8")

    def decode_constrained(body: bytes) -> str:
        return typing.cast("str", msgspec.convert(str(body, "utf-8"), annotation))

    return decode_text if annotation is str else decode_constrained


def _encode_custom(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return msgspec.Raw(value.model_dump_json(by_alias=True).encode())
    raise TypeError(
        f"a value of type {type(value).__name__} has no JSON form; "
        "return a Struct, dataclass, pydantic model, bytes, str or builtins"
    )


_encode_json: Final = msgspec.json.Encoder(enc_hook=_encode_custom).encode


def _decode_custom(cls: type, value: Any) -> Any:
    # Only for models inside of Structs and dataclasses; check_msgspec_type let no other class pass.
    try:
        return (
            TypeAdapter(cls).validate_python(value)
            if not issubclass(cls, BaseModel)
            else cls.model_validate(value)
        )
    except ValidationError as error:
        raise ValueError(_first_error(error, "in")) from error


def _refuse_custom(cls: type) -> dict[str, Any]:
    if uses_pydantic(cls):
        return {"type": "object"}  # an empty schema would count as none
    raise NotImplementedError  # msgspec's way to hear that a hook does not know a type


def _first_error(error: ValidationError, preposition: str = "at") -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    return f"{first['msg']} - {preposition} `${path}`" if path else first["msg"]
