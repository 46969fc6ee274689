"""Path variables as typed arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from stompede.errors import ConfigurationError
from stompede.messaging.codecs import type_name
from stompede.messaging.problem import Problem

_FROM_TEXT: Final = (
    mi.AnyType,
    mi.StrType,
    mi.IntType,
    mi.FloatType,
    mi.BoolType,
    mi.EnumType,
    mi.LiteralType,
    mi.UUIDType,
    mi.DecimalType,
    mi.DateType,
    mi.TimeType,
    mi.DateTimeType,
    mi.TimeDeltaType,
)


def path_converter(name: str, annotation: Any, where: str) -> Callable[[str], Any] | None:
    """Makes the function that gives a path variable its type.

    Args:
        name: the variable.
        annotation: ``str``, ``int``, ``float``, ``bool``, an Enum, Literal, UUID, Decimal, date or time, or a
            union of them, constrained by ``msgspec.Meta`` where wanted.
        where: who asks for it, for errors.

    Returns:
        a function that raises `Problem` ``invalid-path``, or ``None`` where the text is already what is asked
        for.

    Raises:
        ConfigurationError: a segment of a destination cannot have that type.
    """
    if annotation is str or annotation is Any:
        return None
    try:
        info = mi.type_info(annotation)
    except TypeError as error:
        raise _unsupported(name, annotation, where) from error
    members = info.types if isinstance(info, mi.UnionType) else (info,)
    if not all(isinstance(member, _FROM_TEXT) for member in members):
        raise _unsupported(name, annotation, where)

    def convert(text: str) -> Any:
        try:
            return msgspec.convert(text, annotation, strict=False)
        except msgspec.ValidationError as error:
            raise Problem("invalid-path", f"{error} - at `{{{name}}}`") from error

    return convert


def _unsupported(name: str, annotation: Any, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"{where}: path variable {{{name}}} is one segment of text and cannot have the type {type_name(annotation)}; "
        "use str, int, float, bool, UUID, an Enum or a Literal, or rename the argument if it is the body"
    )
