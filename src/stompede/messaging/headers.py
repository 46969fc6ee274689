"""Headers of a message as typed arguments: FastAPI's ``Header``."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import params
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from stompede.errors import ConfigurationError
from stompede.messaging.arguments import NO_DEFAULT, Argument
from stompede.messaging.codecs import type_name
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem

_NEVER_SEEN: Final = frozenset({"authorization", "login", "passcode", "receipt", "transaction"})
_REQUIRED: Final = object()


class HeaderReader(msgspec.Struct, frozen=True):
    """How one header is read.

    Attributes:
        name: its name on the wire.
        annotation: its type.
        required: a message without it is refused.
        read: takes it from a message; raises `Problem` ``invalid-header``.
    """

    name: str
    annotation: Any
    required: bool
    read: Callable[[Message], Any]


def find_header(headers: Mapping[str, str], name: str) -> str | None:
    """Returns a header's value: of the exact name, else of the first that differs only in its case."""
    # STOMP's header names are case-sensitive, HTTP's are not, and browsers' libraries pass on either.
    value = headers.get(name)
    if value is None and headers:
        lower = name.lower()
        for key in headers:
            if key.lower() == lower:
                return headers[key]
    return value


def header_reader(argument: Argument, where: str) -> HeaderReader:
    """Compiles an argument with a ``Header`` marker.

    The header's name is the marker's ``alias``; or, inside ``Annotated``, where FastAPI allows no default in
    the marker, its first argument: ``Annotated[str, Header("accept-language")]``; or the argument's name with
    hyphens.

    Raises:
        ConfigurationError: handlers never see that header, or no header has that type.
    """
    marker: params.Header = argument.marker
    name, default = _name_and_default(argument, where)
    if name.lower() in _NEVER_SEEN:
        raise ConfigurationError(
            f"{where}: argument {argument.name}: the header {name} never reaches a handler; ask for "
            "Principal instead"
        )
    if name.lower() == "destination":
        raise ConfigurationError(
            f"{where}: argument {argument.name}: ask for Message and read its destination"
        )
    annotation = str if argument.annotation is NO_DEFAULT else argument.annotation
    convert = _converter(annotation, marker.metadata, argument.name, name, where)
    fetch = _content_type if name.lower() == "content-type" else _fetcher(name)

    def read(message: Message) -> Any:
        value = fetch(message)
        if value is not None:
            return value if convert is None else convert(value)
        if default is _REQUIRED:
            raise Problem("invalid-header", f"The header `{name}` is missing.")
        return marker.default_factory() if default is PydanticUndefined else default  # type: ignore[call-arg, misc]

    return HeaderReader(name=name, annotation=annotation, required=default is _REQUIRED, read=read)


def _name_and_default(argument: Argument, where: str) -> tuple[str, Any]:
    marker: params.Header = argument.marker
    named, default = marker.alias, marker.default
    if default is PydanticUndefined:
        # left at Undefined it says: call the factory
        default = PydanticUndefined if marker.default_factory is not None else _REQUIRED
    if argument.in_annotation:
        if marker.default is not PydanticUndefined:
            if named or not isinstance(marker.default, str):
                raise ConfigurationError(
                    f"{where}: argument {argument.name}: inside Annotated, Header() takes the header's name; "
                    f"write the default behind the argument: {argument.name}: ... = {marker.default!r}"
                )
            named, default = marker.default, _REQUIRED
        if argument.default is not NO_DEFAULT:
            default = argument.default
    by_name = argument.name.replace("_", "-") if marker.convert_underscores else argument.name
    return named or by_name, default


def _fetcher(name: str) -> Callable[[Message], str | None]:
    return lambda message: find_header(message.headers, name)


def _content_type(message: Message) -> str | None:
    return message.content_type


def _converter(
    annotation: Any, constraints: list[Any], argument: str, name: str, where: str
) -> Callable[[str], Any] | None:
    if not constraints and (
        annotation in (str, Any) or set(typing.get_args(annotation)) == {str, type(None)}
    ):
        return None
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset | dict):
        raise ConfigurationError(
            f"{where}: argument {argument}: a STOMP header has one value, not a {type_name(annotation)}; "
            "annotate it str and split it"
        )
    try:
        constrained: Any = Annotated[(annotation, *constraints)] if constraints else annotation
        validate = TypeAdapter(constrained).validate_python
    except PydanticUserError as error:
        raise ConfigurationError(
            f"{where}: argument {argument}: no header can be a {type_name(annotation)}: "
            f"{str(error).partition(chr(10))[0]}"
        ) from error

    def convert(value: str) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            reason = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
            raise Problem("invalid-header", f"{reason} - at header `{name}`") from error

    return convert
