"""What the node's own REST routes have in common: who asks, and refusals as ``application/problem+json`` (RFC 9457)."""

# No `from __future__ import annotations` here: the signatures of the dependencies hold what depends on the application.

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from stompede._types import Principal
from stompede.errors import AuthenticationError
from stompede.messaging.problem import Problem

if TYPE_CHECKING:
    from stompede._app.application import Stompede

ADMIN_SCOPE: Final = "admin"
"""What the token of an operator allows: ``stompede token ops --scope admin`` makes one."""

_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="A token as for STOMP.")
_STATUS: Final[Mapping[str, HTTPStatus]] = {
    "token-expired": HTTPStatus.UNAUTHORIZED,
    "token-missing": HTTPStatus.UNAUTHORIZED,
    "token-invalid": HTTPStatus.UNAUTHORIZED,
    "login-required": HTTPStatus.UNAUTHORIZED,
    "login-failed": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not-found": HTTPStatus.NOT_FOUND,
    "invalid-parameters": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid-body": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "rate-limited": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


class Camel(BaseModel):
    """What goes out as JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class ProblemRoute(APIRoute):
    """A route whose refusals are problem documents, with the codes of soft errors: a `Problem`, an
    `AuthenticationError`, or parameters that do not validate, each of them named.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with its refusals caught."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except (Problem, AuthenticationError) as refusal:
                return _document(refusal.code, refusal.detail)
            except RequestValidationError as error:
                wrong = [{"name": str(one["loc"][-1]), "detail": str(one["msg"])} for one in error.errors()]
                detail = "; ".join(f"{one['name']}: {one['detail']}" for one in wrong)
                return _document("invalid-parameters", detail, errors=wrong)
            response.headers["Cache-Control"] = "no-store"  # it is true for this moment and for this caller
            return response

        return answer


def refusals(*codes: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """How a route may refuse, for OpenAPI."""
    return {
        code.value: {"description": code.phrase, "content": {"application/problem+json": {}}}
        for code in codes
    }


DESTINATIONS: Final = "/api/v1/destinations"
"""Where the routes are that read a destination."""
READING: Final = refusals(
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)  # fmt: skip
"""How they may refuse."""
Destination = Annotated[str, Query(description="For example `/topic/rooms/kitchen`.")]
"""Their parameter."""


def _document(code: str, detail: str, **more: Any) -> JSONResponse:
    status = _STATUS.get(code, HTTPStatus.BAD_REQUEST)
    document = {"title": status.phrase, "status": status.value, "code": code, "detail": detail, **more}
    # RFC 9110 section 15.5.2: a 401 says how to do better.
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(document, status.value, headers, media_type="application/problem+json")


def answer_refusals(fastapi: FastAPI) -> None:
    """Routes of the application refuse as the node's own do, where they raise a `Problem` or an `AuthenticationError`
    and the application has no handler of its own for that.
    """

    async def refuse(_: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Problem | AuthenticationError)
        return _document(refusal.code, refusal.detail)

    for kind in (Problem, AuthenticationError):
        fastapi.exception_handlers.setdefault(kind, refuse)


def asking(app: "Stompede") -> Callable[..., Awaitable[Principal | None]]:
    """A dependency: who makes a request; ``None`` for a guest."""

    async def who(
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],  # for OpenAPI
    ) -> Principal | None:
        return await app.prove(request.headers.get("authorization"))

    return who


def operator(app: "Stompede") -> Callable[..., Awaitable[Principal]]:
    """A dependency: who makes a request that only operators may make."""

    async def who(principal: Annotated[Principal | None, Depends(asking(app))]) -> Principal:
        if principal is None:
            raise AuthenticationError(
                "token-missing", f"send `Authorization: Bearer <token>`, with the scope {ADMIN_SCOPE}"
            )
        if ADMIN_SCOPE not in principal.scopes:
            raise Problem("forbidden", f"only operators may do this: the token needs the scope {ADMIN_SCOPE}")
        return principal

    return who
