"""The generated code that takes a function's arguments from an `Invocation` and calls it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, TypeAlias, final

import msgspec

from stompede.errors import ConfigurationError
from stompede.messaging.arguments import NO_DEFAULT, Argument, Role, Source, read_arguments
from stompede.messaging.codecs import DECODE_ERRORS, body_problem, raw_decoder
from stompede.messaging.dependencies import (
    BlockingContext,
    Overrides,
    RunBlocking,
    Style,
    dependency_of,
    describe_dependency,
    style_of,
    swallowed,
)
from stompede.messaging.headers import header_reader
from stompede.messaging.invocation import Invocation
from stompede.messaging.paths import path_converter
from stompede.messaging.problem import Problem

Replaced: TypeAlias = Mapping[Callable[..., Any], Callable[..., Any]]

_EXPRESSIONS: Final = {
    Source.MESSAGE: "invocation.message",
    Source.SESSION: "invocation.session",
    Source.PRINCIPAL: "invocation.principal",
}

_ORDER: Final = (
    Source.MEMBER,
    Source.PATH,
    Source.HEADER,
    Source.BODY,
    Source.MESSAGE,
    Source.SESSION,
    Source.PRINCIPAL,
    Source.DEFAULT,
    Source.DEPENDENCY,
)
"""The order in which arguments are taken, whatever the order in the signature."""


class Plan(msgspec.Struct, frozen=True):
    """A function of the application and how it is to be called.

    Attributes:
        func: the function.
        role: what it is; the ``def`` of a guard runs on the loop, of a handler in the pool.
        where: how errors name it.
        variables: path variables of its pattern.
        arguments: what it asks for.
        result_type: what it is annotated to return.
        style: how it must be called.
        run_blocking: the pool; ``None`` where there is none, and then no dependencies either.
        close_blocking: the pool for the ends of dependencies.
    """

    func: Callable[..., Any]
    role: Role
    where: str
    variables: tuple[str, ...]
    arguments: Sequence[Argument]
    result_type: Any
    style: Style
    run_blocking: RunBlocking | None
    close_blocking: RunBlocking | None


def make_plan(
    func: Callable[..., Any],
    *,
    role: Role,
    where: str,
    variables: tuple[str, ...],
    run_blocking: RunBlocking | None,
    close_blocking: RunBlocking | None = None,
) -> Plan:
    """Reads a function's signature and decides how to call it.

    Raises:
        ConfigurationError: the function asks for what it cannot get.
    """
    arguments, result_type = read_arguments(func, role=role, where=where, variables=variables)
    style = style_of(func)
    if style in (Style.GENERATOR, Style.ASYNC_GENERATOR):
        raise ConfigurationError(
            f"{where}: it yields; return one value, or publish several with app.publish()"
        )
    return Plan(
        func,
        role,
        where,
        variables,
        arguments,
        result_type,
        style,
        run_blocking,
        close_blocking or run_blocking,
    )


def compile_call(plan: Plan, overrides: Overrides | None = None) -> Callable[[Invocation], Any]:
    """Generates and compiles the code that calls a plan's function.

    Args:
        plan: what to call.
        overrides: says which dependencies are replaced; asked at each call, and only of what has
            dependencies.

    Returns:
        a function of an `Invocation`. It returns the coroutine of an ``async def`` itself, a coroutine where
        the pool or a dependency is needed, and what a guard returns where it is a plain ``def``.

    Raises:
        ConfigurationError: a dependency asks for what it cannot get, or an argument's type is impossible.
    """
    call = _Generator(plan, {}).generate()
    if overrides is None or not any(a.source is Source.DEPENDENCY for a in plan.arguments):
        return call
    compiled: dict[tuple[tuple[Any, Any], ...], Callable[[Invocation], Any]] = {}

    def call_overridden(invocation: Invocation) -> Any:
        replaced = overrides()
        if not replaced:
            return call(invocation)
        key = tuple(replaced.items())
        if key not in compiled:
            compiled.clear()  # tests change them one after another; the last ones are enough
            compiled[key] = _Generator(plan, dict(replaced)).generate()
        return compiled[key](invocation)

    return call_overridden


@final
class _Generator:
    """Writes the source of one call.

    Every name in it is made here; what is the application's stands in it only as a global, never as text.
    """

    def __init__(self, plan: Plan, replaced: Replaced) -> None:
        self._plan = plan
        self._replaced = replaced
        self._lines: list[str] = []
        self._globals: dict[str, Any] = {
            "DECODE_ERRORS": DECODE_ERRORS,
            "body_problem": body_problem,
            "login_required": _login_required,
            "AsyncExitStack": AsyncExitStack,
            "partial": partial,
            "run_blocking": plan.run_blocking,
            "swallowed": partial(swallowed, plan.where),
        }
        self._solved: dict[Callable[..., Any], str] = {}  # dependency -> the variable that holds its value
        self._solving: list[Callable[..., Any]] = []
        self._awaits = False
        self._opens = False

    def generate(self) -> Callable[[Invocation], Any]:
        plan = self._plan
        given = self._arguments(plan.arguments, plan.where)
        result = self._call(self._global("handler", plan.func), given)
        head = ["async def call(invocation):" if self._awaits else "def call(invocation):"]
        body = [*self._lines, f"return {result}"]
        if self._opens:
            head.append("    async with AsyncExitStack() as stack:")
            body = [f"    {line}" for line in body] + ["raise swallowed()"]
        source = "\n".join(head + [f"    {line}" for line in body])
        code = compile(source, f"<binding of {plan.where}>", "exec")
        exec(code, self._globals)  # noqa: S102 - the source is made above, of names that are made here as well
        return self._globals["call"]  # type: ignore[no-any-return]  # what the source defines

    def _global(self, prefix: str, value: Any) -> str:
        name = f"{prefix}_{len(self._globals)}"
        self._globals[name] = value
        return name

    def _call(self, func: str, given: tuple[list[str], list[str]]) -> str:
        """The expression of the call itself."""
        plan = self._plan
        positional, by_keyword = given
        if plan.style is Style.BLOCKING and plan.role != "guard":
            self._globals["run_blocking"] = _as_coroutine_function(plan.run_blocking)
            in_pool = _in_pool(func, positional, by_keyword)
            return f"await {in_pool}" if self._awaits else in_pool
        call = f"{func}({', '.join(positional + by_keyword)})"
        return f"await {call}" if self._awaits and plan.style is Style.ASYNC else call

    def _arguments(self, arguments: Sequence[Argument], where: str) -> tuple[list[str], list[str]]:
        """Writes what comes first; returns the positional expressions and those by keyword."""
        expressions: dict[str, str] = {}
        # A guest learns nothing of what is for members, and nothing is opened for a message that is not in order.
        for argument in sorted(arguments, key=lambda argument: _ORDER.index(argument.source)):
            solve = self._dependency if argument.source is Source.DEPENDENCY else self._argument
            expressions[argument.name] = solve(argument, where)
        positional = [expressions[a.name] for a in arguments if not a.by_keyword]
        return positional, [f"{a.name}={expressions[a.name]}" for a in arguments if a.by_keyword]

    def _argument(self, argument: Argument, where: str) -> str:
        match argument.source:
            case Source.PATH:
                convert = path_converter(argument.name, argument.annotation, where)
                text = f"invocation.path[{argument.name!r}]"
                return text if convert is None else self._value(f"{self._global('convert', convert)}({text})")
            case Source.HEADER:
                read = header_reader(argument, where).read
                return self._value(f"{self._global('header', read)}(invocation.message)")
            case Source.MEMBER:
                member = self._value("invocation.principal")
                self._lines += [f"if {member} is None:", "    raise login_required()"]
                return member
            case Source.BODY:
                return self._body(argument, where)
            case Source.DEFAULT:
                return self._global("default", argument.default)
            case _:
                return _EXPRESSIONS[argument.source]

    def _value(self, expression: str) -> str:
        name = f"value_{len(self._lines)}"
        self._lines.append(f"{name} = {expression}")
        return name

    def _body(self, argument: Argument, where: str) -> str:
        try:
            decode = raw_decoder(argument.annotation)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: argument {argument.name}: {error}") from error
        expression = (
            "invocation.message.body"
            if decode is bytes
            else f"{self._global('decode', decode)}(invocation.message.body)"
        )
        if argument.default is not NO_DEFAULT:
            default = self._global("default", argument.default)
            expression = f"{expression} if invocation.message.body else {default}"
        self._lines += [
            "try:",
            f"    body = {expression}",
            "except DECODE_ERRORS as error:",
            "    raise body_problem(error, invocation.message.body) from error",
        ]
        return "body"

    def _dependency(self, argument: Argument, of: str) -> str:
        """Writes the call of a dependency, its own ones before it; returns the variable of its value."""
        if self._plan.run_blocking is None:
            raise ConfigurationError(f"{of}: argument {argument.name}: Depends() is not supported here")
        self._awaits = True
        original = dependency_of(argument, of)
        if argument.marker.use_cache and original in self._solved:
            return self._solved[original]
        target = self._replaced.get(original, original)
        where = describe_dependency(target, self._plan.where)
        if target in self._solving:
            raise ConfigurationError(f"{where}: it depends on itself; break the circle")
        self._solving.append(target)
        arguments, _ = read_arguments(target, role="dependency", where=where, variables=self._plan.variables)
        given = self._arguments(arguments, where)
        self._solving.pop()
        variable = self._value(self._solve(target, *given))
        self._solved.setdefault(original, variable)
        return variable

    def _solve(self, target: Callable[..., Any], positional: list[str], by_keyword: list[str]) -> str:
        """The expression that awaits a dependency."""
        style = style_of(target)
        given = ", ".join(positional + by_keyword)
        match style:
            case Style.ASYNC:
                return f"await {self._global('depends', target)}({given})"
            case Style.BLOCKING:
                return f"await {_in_pool(self._global('depends', target), positional, by_keyword)}"
            case Style.ASYNC_GENERATOR:
                opened = f"{self._global('opens', asynccontextmanager(target))}({given})"
            case Style.GENERATOR:
                opened = f"{self._global('opens', self._blocking_context(target))}({given})"
        self._opens = True
        return f"await stack.enter_async_context({opened})"

    def _blocking_context(self, target: Callable[..., Any]) -> Callable[..., BlockingContext]:
        run, close = self._plan.run_blocking, self._plan.close_blocking
        assert run is not None and close is not None  # noqa: PT018 - no dependency without a pool, see _dependency
        open_context = contextmanager(target)
        return lambda *args, **kwargs: BlockingContext(open_context(*args, **kwargs), run, close)


def _in_pool(func: str, positional: list[str], by_keyword: list[str]) -> str:
    called = f"partial({', '.join([func, *by_keyword])})" if by_keyword else func
    return f"run_blocking({', '.join([called, *positional])})"


def _as_coroutine_function(run_blocking: RunBlocking | None) -> Callable[..., Coroutine[Any, Any, Any]]:
    assert run_blocking is not None  # handlers always have a pool
    if iscoroutinefunction(run_blocking):
        return run_blocking
    pool = run_blocking

    async def run(func: Callable[..., Any], /, *args: Any) -> Any:
        return await pool(func, *args)

    return run


def _login_required() -> Problem:
    return Problem("login-required", "Only a member may do that; the session is anonymous.")
