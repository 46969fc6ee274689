"""What a function of the application asks for: its signature, read once at registration.

Each argument has one source. The order of the questions is the rule that users learn: a name that stands in
the pattern is a path variable; what has a marker (``Depends``, ``Header``) or a type of ours is what it says;
the one that is left is the body.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import msgspec
from fastapi import BackgroundTasks, Request, Response, WebSocket, params
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes

from stompede._types import Principal
from stompede.errors import ConfigurationError
from stompede.messaging._naming import did_you_mean, type_hints
from stompede.messaging.codecs import type_name
from stompede.messaging.message import Message
from stompede.messaging.session import StompSession

NO_DEFAULT: Final = inspect.Parameter.empty

Role: TypeAlias = Literal["message", "subscribe", "guard", "dependency"]
"""What kind of function it is; only a handler of messages has a body."""

_OF_HTTP: Final = (HTTPConnection, Request, WebSocket, Response, BackgroundTasks, SecurityScopes)
_NO_BODY: Final = {
    "subscribe": "a SUBSCRIBE has no body",
    "guard": "a guard sees no body",
    "dependency": "a dependency gets no body, only the handler does; ask for Message and read its body",
}


class Source(Enum):
    """Where an argument comes from."""

    PATH = "path"
    HEADER = "header"
    DEPENDENCY = "dependency"
    MESSAGE = "message"
    SESSION = "session"
    PRINCIPAL = "principal"
    MEMBER = "member"  # a principal that must be there
    BODY = "body"
    DEFAULT = "default"  # nothing fills it; it keeps its default


class Argument(msgspec.Struct, frozen=True):
    """One argument of a function.

    Attributes:
        name: its name.
        source: where it comes from.
        annotation: its type, without markers; ``str`` for a path variable without one.
        marker: the ``Depends`` or ``Header``, if any.
        in_annotation: the marker stands in ``Annotated``, not as the default.
        default: its default, or `NO_DEFAULT`.
        by_keyword: it must be given by its name.
    """

    name: str
    source: Source
    annotation: Any = None
    marker: Any = None
    in_annotation: bool = False
    default: Any = NO_DEFAULT
    by_keyword: bool = False


def read_arguments(
    func: Callable[..., Any], *, role: Role, where: str, variables: Collection[str]
) -> tuple[list[Argument], Any]:
    """Reads a signature.

    Args:
        func: the function, class or callable object.
        role: what it is used as.
        where: how errors name it.
        variables: the path variables that it may ask for.

    Returns:
        its arguments in order, and the annotation of what it returns (``Any`` where it has none).

    Raises:
        ConfigurationError: an argument has no source, or more than one; the sentence says how to mend it.
    """
    hints = type_hints(func, where)
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: its arguments cannot be read: {error}") from error
    arguments: list[Argument] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if role == "dependency":
                continue  # nothing is lost: it gets none
            star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise ConfigurationError(
                f"{where}: {star}{parameter.name} says nothing about what to give it; name each argument"
            )
        annotation = hints.get(parameter.name, parameter.annotation)
        arguments.append(_argument(parameter, annotation, role, where, variables))
    _check_body([a for a in arguments if a.source is Source.BODY], arguments, where, variables)
    return arguments, hints.get("return", Any)


def _argument(
    parameter: inspect.Parameter, annotation: Any, role: Role, where: str, variables: Collection[str]
) -> Argument:
    bare, marker, in_annotation = _split_marker(parameter, annotation, where)
    base = typing.get_args(bare)[0] if typing.get_origin(bare) is typing.Annotated else bare
    source = _own_source(base) if marker is None else _marked(marker, parameter.name, where)
    if parameter.name in variables:
        if source is not None:
            what = "a marker" if marker is not None else f"the type {type_name(base)}"
            raise ConfigurationError(
                f"{where}: argument {parameter.name} is a path variable of its pattern and has {what}; "
                "rename one of them"
            )
        if parameter.default is not NO_DEFAULT:
            raise ConfigurationError(
                f"{where}: path variable {{{parameter.name}}} always has a value; take its default away"
            )
        source = Source.PATH
        bare = str if bare is NO_DEFAULT else bare
    if source is None:
        source = _leftover(parameter, base, role, where, variables)
    return Argument(
        name=parameter.name,
        source=source,
        annotation=bare,
        marker=marker,
        in_annotation=in_annotation,
        default=NO_DEFAULT if marker is not None and not in_annotation else parameter.default,
        by_keyword=parameter.kind is parameter.KEYWORD_ONLY,
    )


def _split_marker(parameter: inspect.Parameter, annotation: Any, where: str) -> tuple[Any, Any, bool]:
    """Returns the annotation without FastAPI's marker, the marker, and whether it stood in the annotation."""
    kinds = (params.Depends, params.Param, params.Body)
    rest: list[Any] = []
    found: list[Any] = []
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *metadata = typing.get_args(annotation)
        for item in metadata:
            (found if isinstance(item, kinds) else rest).append(item)
    in_annotation = bool(found)
    if isinstance(parameter.default, kinds):
        found.append(parameter.default)
    if len(found) > 1:
        raise ConfigurationError(f"{where}: argument {parameter.name} has {len(found)} markers; keep one")
    bare = typing.Annotated[(annotation, *rest)] if rest else annotation
    return bare, found[0] if found else None, in_annotation


def _marked(marker: Any, name: str, where: str) -> Source:
    if isinstance(marker, params.Security):
        raise ConfigurationError(
            f"{where}: argument {name}: Security reads HTTP requests; ask for Principal, and put what it may "
            "do into a guard"
        )
    if isinstance(marker, params.Depends):
        return Source.DEPENDENCY
    if isinstance(marker, params.Header):
        return Source.HEADER
    kind = type(marker).__name__
    advice = {
        "Path": "a name in the pattern is a path variable by itself; constrain it with Annotated[int, "
        "msgspec.Meta(ge=1)]",
        "Body": "the one argument without a marker is the body by itself",
    }.get(kind, "a message has no such part; use the body, a path variable or Header")
    raise ConfigurationError(f"{where}: argument {name}: {kind}() belongs to HTTP; {advice}")


def _own_source(base: Any) -> Source | None:
    if isinstance(base, type):
        if issubclass(base, StompSession):
            return Source.SESSION
        return Source.MESSAGE if base is Message else Source.MEMBER if base is Principal else None
    is_union = typing.get_origin(base) in (typing.Union, types.UnionType)
    return Source.PRINCIPAL if is_union and set(typing.get_args(base)) == {Principal, type(None)} else None


def _leftover(
    parameter: inspect.Parameter, base: Any, role: Role, where: str, variables: Collection[str]
) -> Source:
    name = parameter.name
    if isinstance(base, type) and issubclass(base, _OF_HTTP):
        raise ConfigurationError(
            f"{where}: argument {name}: {base.__name__} belongs to HTTP and a message has none; "
            "ask for Message, StompSession or Principal instead"
        )
    _check_union(name, base, where)
    if role == "message":
        if base is NO_DEFAULT:
            raise ConfigurationError(
                f"{where}: argument {name} is no path variable and has no annotation"
                + (
                    did_you_mean(name, variables, "{{{}}}")
                    or "; annotate it with the type of the body, e.g. bytes"
                )
            )
        return Source.BODY
    if parameter.default is not NO_DEFAULT and role == "dependency":
        return Source.DEFAULT
    mean = did_you_mean(name, variables, "{{{}}}")
    raise ConfigurationError(
        f"{where}: argument {name} is no path variable, has no marker (Depends, Header) and no type of ours "
        f"(Message, StompSession, Principal), and {_NO_BODY[role]}{mean}"
    )


def _check_union(name: str, base: Any, where: str) -> None:
    """What is ours stands alone; only a principal may be missing. In a union it would count as a type of bodies."""
    if typing.get_origin(base) not in (typing.Union, types.UnionType):
        return
    for member in typing.get_args(base):
        if not isinstance(member, type) or not issubclass(member, (StompSession, Message, Principal)):
            continue
        right = (
            "Principal, or Principal | None where guests may come"
            if member is Principal
            else f"{member.__name__} alone: there always is one"
        )
        raise ConfigurationError(
            f"{where}: argument {name}: {type_name(base)} is nothing to fill; annotate it {right}"
        )


def _check_body(
    bodies: Sequence[Argument], arguments: Sequence[Argument], where: str, variables: Collection[str]
) -> None:
    unused = set(variables) - {argument.name for argument in arguments}
    for body in bodies:
        mean = did_you_mean(body.name, unused, "{{{}}}")
        if mean and (len(bodies) > 1 or body.annotation in (str, int, float)):
            raise ConfigurationError(
                f"{where}: argument {body.name} is no path variable of its pattern{mean}"
            )
    if len(bodies) > 1:
        names = " and ".join(f"{body.name}: {type_name(body.annotation)}" for body in bodies)
        raise ConfigurationError(
            f"{where}: {names} could each be the body, and a message has one; join them in one Struct, "
            "or make one a path variable, Header or Depends"
        )
