"""Finding the application that ``module:app`` names, with sentences that say what would be right."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from stompede._app import Stompede
from stompede.errors import ConfigurationError


def load_application(name: str) -> Stompede:
    """The application that ``module:app`` names; the module is looked for in the working directory first.

    Raises:
        ConfigurationError: there is no such module or application in it, or it is something else.
        Exception: what the module itself raises when it is imported.
    """
    module_name, colon, path = name.partition(":")
    if not module_name or (colon and not path):
        raise ConfigurationError(f"{name!r} names no application; write module:app, for example chat:app")
    if not all(part.isidentifier() for part in module_name.removesuffix(".py").replace("/", ".").split(".")):
        raise ConfigurationError(f"{name!r} names no application; write module:app, for example chat:app")
    if module_name.endswith(".py"):
        right = module_name.removesuffix(".py").replace("/", ".")
        raise ConfigurationError(f"{name!r} is a file; name the module: {right}:{path or 'app'}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _import(module_name, path or "app")
    if not colon:
        found = _applications(module)
        choice = f"{module_name}:{found[0] if found else 'app'}"
        raise ConfigurationError(f"{name!r} names a module; add the application in it: {choice}")
    return _application(module, module_name, path)


def _import(name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise  # the module is there; what it imports is not
        raise ConfigurationError(_no_module(name, path)) from error


def _no_module(name: str, path: str) -> str:
    here = sorted(file.stem for file in Path.cwd().glob("*.py") if file.stem.isidentifier())
    close = difflib.get_close_matches(name, here, n=1)
    if close:
        return f"no module named {name}; did you mean {close[0]}:{path}?"
    seen = f"it has {', '.join(f'{stem}.py' for stem in here[:5])}" if here else "it has no Python file"
    return f"no module named {name}; the working directory is {Path.cwd()}, and {seen}"


def _application(module: ModuleType, module_name: str, path: str) -> Stompede:
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            raise ConfigurationError(_no_attribute(module, module_name, path))
        value = getattr(value, part)
    if isinstance(value, Stompede):
        return value
    if inspect.isfunction(value):
        hint = f"; call it in the module, app = {path}(), and name app"
    elif type(value).__module__.partition(".")[0] in {"fastapi", "starlette"}:
        hint = f"; wrap it: app = Stompede({path})"
    else:
        hint = ""
    kind = type(value).__name__
    raise ConfigurationError(f"{module_name}:{path} is a {kind}, not a Stompede application{hint}")


def _no_attribute(module: ModuleType, module_name: str, path: str) -> str:
    found = _applications(module)
    close = difflib.get_close_matches(path, found, n=1) or found[:1]
    hint = f"did you mean {module_name}:{close[0]}?" if close else "and no other Stompede application either"
    return f"{module_name} has no {path}; {hint}"


def _applications(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Stompede)]
