"""What becomes of a destination: found out once per destination and remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from stompede._types import NO_HEADERS
from stompede.messaging.binding import BoundHandler
from stompede.messaging.destinations import Kind, Prefixes, check_destination
from stompede.messaging.guards import Gate, Guards
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem
from stompede.messaging.routing import Router
from stompede.messaging.wildcards import Wildcard
from stompede.server.options import PLAIN, DestinationOptions, OptionsTable

_REMEMBERED: Final = 4096


class Served(msgspec.Struct, frozen=True):
    """A handler and where its result goes.

    Attributes:
        handler: the handler with its compiled binding.
        reply: whether the result goes back to the asking session.
    """

    handler: BoundHandler
    reply: bool


class Route(msgspec.Struct, frozen=True, gc=False):
    """What a SEND or SUBSCRIBE to one destination meets.

    Attributes:
        destination: the destination.
        kind: what its prefix says.
        served: the handler, for ``/app/...``.
        path: values of the handler's path variables.
        publish: destination of the handler's result, filled in.
        gate: the guards of the destination, if any name it.
        options: what the application says of the destination.
        about: of a topic that tells who is on another one: that other one.
        straight: whether what is sent to it goes straight to the bus: a topic that keeps nothing.
        problem: why it cannot be served at all.
    """

    destination: str
    kind: Kind
    served: Served | None = None
    path: Mapping[str, str] = NO_HEADERS
    publish: str | None = None
    gate: Gate | None = None
    options: DestinationOptions = PLAIN
    straight: bool = False
    problem: Problem | None = None
    about: str | None = None

    @property
    def asked_of(self) -> str:
        """The destination that guards are asked of."""
        return self.about or self.destination

    @staticmethod
    def refusal(problem: Problem) -> Problem:
        """What to raise for `problem`: a new one, since a route is kept, and its traceback would keep the session."""
        return Problem(problem.code, problem.detail)


class RoutesStatistics(msgspec.Struct, frozen=True):
    """What `Routes.statistics` tells.

    Attributes:
        remembered: destinations remembered now, once for SEND and once for SUBSCRIBE.
        resolved: destinations looked up in full, because they were not remembered.
        refused: of those, the ones that cannot be served; they are never remembered.
        forgotten: times that all were forgotten, because too many were remembered.
    """

    remembered: int
    resolved: int
    refused: int
    forgotten: int


class Routes:
    """All that an application serves, as a lookup. Bounded: at most some thousand destinations are
    remembered.
    """

    def __init__(
        self,
        prefixes: Prefixes,
        messages: Router[Served],
        subscribes: Router[Served],
        guards: Guards,
        options: OptionsTable,
        max_destination: int,
    ) -> None:
        self._prefixes = prefixes
        self._routers = {"send": messages, "subscribe": subscribes}
        self._guards = guards
        self._options = options
        self._max_destination = max_destination
        self._known: dict[tuple[str, str], Route] = {}
        self._resolved = 0
        self._refused = 0
        self._forgotten = 0

    def statistics(self) -> RoutesStatistics:
        """Figures of now and since the start."""
        return RoutesStatistics(len(self._known), self._resolved, self._refused, self._forgotten)

    def find(self, operation: str, destination: str) -> Route:
        """The route for ``send`` or ``subscribe``."""
        key = (operation, destination)
        route = self._known.get(key)
        if route is None:
            route = self._resolve(operation, destination)
            self._resolved += 1
            if route.problem is not None:
                self._refused += 1
                return route
            if len(self._known) >= _REMEMBERED:
                self._forgotten += 1
                self._known.clear()
            self._known[key] = route
        return route

    def has_presence(self, destination: str) -> bool:
        """Whether it is known who is on a destination."""
        return self._options.of(destination).presence and self.spoken_of(destination) is None

    def spoken_of(self, destination: str) -> str | None:
        """The destination that a presence topic speaks of; ``None`` for every other destination."""
        about = self._prefixes.spoken_of(destination)
        return about if about is not None and self.has_presence(about) else None

    def _resolve(self, operation: str, destination: str) -> Route:
        kind = self._prefixes.classify(destination)
        try:
            check_destination(destination, max_length=self._max_destination)
            self._check_use(operation, kind, destination)
            gate = self._gate(kind, destination)
        except Problem as problem:
            return Route(destination, kind, problem=problem.with_traceback(None))
        if kind is not Kind.APP:
            options = self._options.of(destination)
            straight = kind is Kind.TOPIC and options.history is None
            about = self.spoken_of(destination)
            return Route(destination, kind, gate=gate, options=options, straight=straight, about=about)
        found = self._routers[operation].match(self._prefixes.relative(destination))
        if found is None:
            other = "subscribe" if operation == "send" else "send"
            hint = ""
            if self._routers[other].match(self._prefixes.relative(destination)) is not None:
                hint = f"; {'SUBSCRIBE to' if operation == 'send' else 'SEND to'} it instead"
            return Route(
                destination, kind, problem=Problem("not-found", f"no handler serves {destination}{hint}")
            )
        served, path = found
        publish = served.handler.publish
        return Route(destination, kind, served, path, None if publish is None else publish.fill(path), gate)

    def _gate(self, kind: Kind, destination: str) -> Gate | None:
        if kind is Kind.TOPIC and holds_wildcard(destination):
            return self._guards.gate_of_wildcard(Wildcard.parse(destination, self._prefixes.topic))
        return self._guards.gate(self._prefixes.canonical(destination))

    def _check_use(self, operation: str, kind: Kind, destination: str) -> None:
        prefixes = self._prefixes
        if destination in prefixes.all:
            raise Problem("invalid-destination", f"{destination} names nothing: a name follows the prefix")
        if kind is Kind.UNKNOWN:
            known = ", ".join(prefixes.all)
            raise Problem("invalid-destination", f"{destination} begins with none of {known}")
        if kind is not Kind.APP and prefixes.is_nameless(destination):
            raise Problem("invalid-destination", f"{destination} names nothing: a name follows the prefix")
        if operation == "send" and kind in (Kind.SESSION, Kind.USER):
            raise Problem(
                "invalid-destination", "clients do not SEND to user destinations; the application does"
            )
        if operation == "send" and self.spoken_of(destination) is not None:
            raise Problem(
                "invalid-destination", "clients do not SEND to presence topics; the node says who is there"
            )
        if kind in (Kind.SESSION, Kind.USER) and holds_wildcard(destination):
            raise Problem(
                "invalid-destination",
                "wildcards (* > #) are for topics; user destinations are the session's own",
            )
        if kind in (Kind.QUEUE, Kind.TEMP) and holds_wildcard(destination):
            raise Problem("invalid-destination", "wildcards (* > #) are for topics; a queue has one name")
        if operation == "send" and kind is Kind.TOPIC and holds_wildcard(destination):
            raise Problem(
                "invalid-destination",
                "a message goes to one destination; wildcards (* > #) are for subscriptions",
            )
