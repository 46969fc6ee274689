"""How start-up errors name a function of the application, and how its annotations are read."""

from __future__ import annotations

import inspect
import linecache
import typing
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import PurePath
from typing import Any

from stompede.errors import ConfigurationError


def describe(func: Callable[..., Any]) -> str:
    """Names a function as errors do: ``say() at chat.py:15``."""
    target: Any = func
    while isinstance(target, partial):
        target = target.func
    target = inspect.unwrap(target)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    # "make_app.<locals>.say": where it was defined is said by the file and line
    short = name.rpartition("<locals>.")[2]
    if inspect.isclass(target):
        return f"{short} of {target.__module__}"
    code = getattr(target if inspect.isroutine(target) else type(target).__call__, "__code__", None)
    if code is None:
        return f"{short}()"
    line = _line_of_def(code.co_filename, code.co_firstlineno)
    return f"{short}() at {PurePath(code.co_filename).name}:{line}"


def _line_of_def(filename: str, first: int) -> int:
    # A code object begins at its first decorator; readers look for the def.
    for line_number in range(first, first + 50):
        line = linecache.getline(filename, line_number).lstrip()
        if line.startswith(("def ", "async def ")) or "lambda" in line:
            return line_number
        if not line:
            break
    return first


def type_hints(func: Callable[..., Any], name: str) -> dict[str, Any]:
    """Reads the annotations of a function, class or callable object, also where they are strings.

    Args:
        func: what is called.
        name: how errors name it, for example ``handler say() at chat.py:15``.

    Raises:
        ConfigurationError: an annotation names something that the function's module does not know.
    """
    target: Any = func
    while isinstance(target, partial):
        target = target.func
    target = inspect.unwrap(target)
    if inspect.isclass(target):
        target = target.__init__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"{name}: the annotation `{error.name}` is not known in module {target.__module__}; define or "
            "import it at the top level of that module, not inside a function nor under TYPE_CHECKING"
        ) from error
    except Exception as error:
        raise ConfigurationError(f"{name}: its annotations cannot be read: {error}") from error


def did_you_mean(wrong: str, known: typing.Iterable[str], form: str = "{}") -> str:
    """Makes ``; did you mean {room}?`` of the closest known name, or nothing where none is close."""
    close = get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {form.format(close[0])}?" if close else ""
