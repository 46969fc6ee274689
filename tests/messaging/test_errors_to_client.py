import inspect
import json

import pytest
from fastapi import HTTPException

from stompede.errors import AccessError, AuthenticationError, ConfigurationError
from stompede.messaging.errors_to_client import ErrorHandlers, problem_body
from stompede.messaging.problem import ERROR_CODES, Problem


class RoomClosed(Exception):  # noqa: N818 - as in the documentation
    pass


class RoomBurnt(RoomClosed):
    pass


def test_the_body_of_the_documentation():
    problem = Problem("invalid-body", "Expected `str`, got `int` - at `$.text`")
    assert json.loads(problem_body(problem, "/app/rooms/1/say", "17", "e-1")) == {
        "code": "invalid-body",
        "detail": "Expected `str`, got `int` - at `$.text`",
        "destination": "/app/rooms/1/say",
        "clientRequestCode": "17",
        "errorId": "e-1",
    }


def test_facts_that_are_not_known_are_left_out():
    assert problem_body(Problem("unavailable"), None) == b'{"code":"unavailable","detail":""}'


def test_an_unexpected_error_has_no_problem():
    assert ErrorHandlers().to_problem(ValueError("secret")) is None


def test_a_problem_is_its_own():
    problem = Problem("room-closed")
    assert ErrorHandlers().to_problem(problem) is problem


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (AuthenticationError("token-expired", "too late"), "token-expired", "too late"),
        (AccessError("not yours"), "forbidden", "not yours"),
        (HTTPException(404, "no such order"), "not-found", "no such order"),
        (HTTPException(401), "login-required", "Unauthorized"),
        (HTTPException(403, {"a": 1}), "forbidden", ""),
        (HTTPException(503, "soon"), "unavailable", "soon"),
    ],
)
def test_errors_that_everybody_knows_have_their_codes(error, code, detail):
    problem = ErrorHandlers().to_problem(error)
    assert (problem.code, problem.detail) == (code, detail)
    assert code in ERROR_CODES


def test_an_http_error_that_is_no_answer_stays_unexpected():
    assert ErrorHandlers().to_problem(HTTPException(500, "secret")) is None


def test_the_application_s_handler_is_found_by_the_class_or_its_nearest_base():
    handlers = ErrorHandlers()
    handlers.add(RoomClosed, lambda error: Problem("room-closed", str(error)))
    handlers.add(Exception, lambda error: Problem("other"))
    assert handlers.to_problem(RoomBurnt("a")).code == "room-closed"
    assert handlers.to_problem(ValueError()).code == "other"
    handlers.add(RoomBurnt, lambda error: Problem("room-burnt"))
    assert handlers.to_problem(RoomBurnt("a")).code == "room-burnt"


def test_the_application_may_handle_problems_itself():
    handlers = ErrorHandlers()
    handlers.add(Problem, lambda error: Problem(f"my-{error.code}"))
    assert handlers.to_problem(Problem("a")).code == "my-a"


def test_a_handler_that_returns_none_leaves_the_error_unexpected():
    handlers = ErrorHandlers()
    handlers.add(RoomClosed, lambda error: None)
    assert handlers.to_problem(RoomClosed()) is None


async def test_an_async_handler_is_awaited():
    async def closed(error: RoomClosed) -> Problem:
        return Problem("room-closed")

    handlers = ErrorHandlers()
    handlers.add(RoomClosed, closed)
    waits = handlers.to_problem(RoomClosed())
    assert inspect.isawaitable(waits)
    assert (await waits).code == "room-closed"


def test_a_handler_that_returns_something_else_is_an_error_that_names_it():
    handlers = ErrorHandlers()
    handlers.add(RoomClosed, lambda error: "closed")
    with pytest.raises(TypeError, match=r"^error handler .* returned str; it must return a Problem"):
        handlers.to_problem(RoomClosed())


def test_an_error_handler_that_cannot_work_is_refused():
    handlers = ErrorHandlers()
    with pytest.raises(ConfigurationError, match="takes an exception class, not 'x'"):
        handlers.add("x", lambda error: None)
    with pytest.raises(ConfigurationError, match="it takes one argument, the error"):
        handlers.add(RoomClosed, lambda: None)
    handlers.add(RoomClosed, lambda error: None)
    with pytest.raises(ConfigurationError, match=r"RoomClosed is handled by error handler .* already"):
        handlers.add(RoomClosed, lambda error: None)
