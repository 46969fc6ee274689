from typing import Any

import pytest

from stompede.messaging.binding import bind_handler
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.guards import Guards
from stompede.messaging.routing import Router
from stompede.server.handlers.routes import Routes, RoutesStatistics, Served
from stompede.server.options import OptionsTable


async def run_blocking(*_: Any) -> None:
    raise AssertionError("nothing here blocks")


def served(func: Any, pattern: str, kind: str = "message", publish: str | None = None) -> Served:
    handler = bind_handler(func, pattern=pattern, kind=kind, run_blocking=run_blocking, publish=publish)  # type: ignore[arg-type]
    return Served(handler, publish is None)


@pytest.fixture
def routes() -> Routes:
    messages: Router[Served] = Router()
    subscribes: Router[Served] = Router()
    guards = Guards()

    async def say(room: str) -> str:
        return room

    async def members(room: str) -> list[str]:
        return [room]

    def allow() -> bool:
        return True

    messages.add("/rooms/{room}/say", served(say, "/rooms/{room}/say", publish="/topic/rooms/{room}"))
    subscribes.add("/rooms/{room}/members", served(members, "/rooms/{room}/members", "subscribe"))
    guards.add("/topic/rooms/{room}", allow)
    guards.add("/app/rooms/{room}/say", allow, on="send")
    return Routes(Prefixes(("/app", "/rider")), messages, subscribes, guards, OptionsTable(Router()), 64)


def test_a_send_finds_its_handler_its_variables_and_where_the_result_goes(routes: Routes) -> None:
    route = routes.find("send", "/app/rooms/kitchen/say")
    assert route.problem is None
    assert (route.kind, route.path, route.publish) == (Kind.APP, {"room": "kitchen"}, "/topic/rooms/kitchen")
    assert route.served is not None
    assert route.gate is not None


def test_every_application_prefix_reaches_the_handler_and_its_guards(routes: Routes) -> None:
    route = routes.find("send", "/rider/rooms/kitchen/say")
    assert route.served is not None
    assert route.publish == "/topic/rooms/kitchen"
    assert route.gate is not None, "a second prefix is no way around a guard"


def test_what_was_found_is_remembered(routes: Routes) -> None:
    assert routes.find("send", "/topic/x") is routes.find("send", "/topic/x")
    assert routes.find("send", "/topic/x") is not routes.find("subscribe", "/topic/x")


def test_what_is_remembered_is_bounded(routes: Routes) -> None:
    for number in range(10_000):
        routes.find("send", f"/topic/{number}")
    assert len(routes._known) <= 4096


def test_problems_are_not_remembered(routes: Routes) -> None:
    for number in range(100):
        assert routes.find("send", f"/app/{number}").problem is not None
    assert not routes._known


def test_statistics_count_what_was_looked_up_refused_and_forgotten(routes: Routes) -> None:
    for _ in range(3):
        routes.find("send", "/topic/x")
        routes.find("send", "/app/none")
    assert routes.statistics() == RoutesStatistics(remembered=1, resolved=4, refused=3, forgotten=0)
    for number in range(4096):
        routes.find("send", f"/topic/{number}")
    assert routes.statistics() == RoutesStatistics(remembered=1, resolved=4100, refused=3, forgotten=1)


@pytest.mark.parametrize(
    ("operation", "destination", "code", "hint"),
    [
        ("send", "/app/nothing", "not-found", "no handler serves /app/nothing"),
        ("send", "/app/rooms/kitchen/members", "not-found", "SUBSCRIBE to it instead"),
        ("subscribe", "/app/rooms/kitchen/say", "not-found", "SEND to it instead"),
        ("send", "/other/x", "invalid-destination", "/rider, /topic, /queue, /temp-queue, /session, /user"),
        ("send", "/topic", "invalid-destination", "names nothing: a name follows the prefix"),
        ("subscribe", "/session", "invalid-destination", "names nothing: a name follows the prefix"),
        ("send", "/topicality", "invalid-destination", "begins with none of"),
        ("send", "", "invalid-destination", "empty"),
        ("send", "/session/queue/x", "invalid-destination", "clients do not SEND to user destinations"),
        ("send", "/user/queue/x", "invalid-destination", "clients do not SEND to user destinations"),
        ("send", "/topic/a*", "invalid-destination", "wildcards"),
        ("subscribe", "/topic/rooms/*", "forbidden", "/topic/rooms/{room}"),
        ("subscribe", "/topic/>", "forbidden", "admits no wildcards"),
        ("subscribe", "/topic/a.>.b", "invalid-destination", "can only be the last one"),
        ("subscribe", "/topic/a*", "invalid-destination", "a whole level"),
        ("subscribe", "/queue/#", "invalid-destination", "wildcards"),
        ("send", "/topic/" + "x" * 58, "invalid-destination", "64"),
        ("send", "/topic/a\nb", "invalid-destination", "control"),
        ("send", "/topic/", "invalid-destination", "names nothing"),
        ("subscribe", "/queue/", "invalid-destination", "names nothing"),
        ("send", "/queue//", "invalid-destination", "names nothing"),
        ("subscribe", "/temp-queue/", "invalid-destination", "names nothing"),
        ("subscribe", "/user/", "invalid-destination", "names nothing"),
        ("send", "/app/", "not-found", "no handler"),
        ("send", "/app/rooms/*/say", "not-found", "no handler"),
    ],
)
def test_what_cannot_be_served_says_why(
    routes: Routes, operation: str, destination: str, code: str, hint: str
) -> None:
    problem = routes.find(operation, destination).problem
    assert problem is not None
    assert problem.code == code
    assert hint in problem.detail


def test_guards_of_topics_stand_at_the_route(routes: Routes) -> None:
    assert routes.find("subscribe", "/topic/rooms/kitchen").gate is not None
    assert routes.find("subscribe", "/topic/other").gate is None


def test_user_destinations_may_be_subscribed_to(routes: Routes) -> None:
    assert routes.find("subscribe", "/session/queue/replies").kind is Kind.SESSION
    assert routes.find("subscribe", "/user/queue/offers").kind is Kind.USER


def test_a_problem_that_is_kept_holds_no_frames(routes: Routes) -> None:
    route = routes.find("send", "/nowhere")
    assert route.problem is not None
    assert route.problem.__traceback__ is None
    refusal = route.refusal(route.problem)
    assert refusal is not route.problem
    assert (refusal.code, refusal.detail) == (route.problem.code, route.problem.detail)
