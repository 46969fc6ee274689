"""Refusals over HTTP as RFC 9457 wants them: ``application/problem+json``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute


class HttpProblem(Exception):  # noqa: N818 - an answer, not a failure of the server
    """Raise it in a route of `ProblemRoute` to answer with a problem document.

    Args:
        status: the HTTP status, which also gives the title.
        code: stable error code, the same words as on a session's error destination.
        detail: a sentence for the reader.
        more: further members of the document.
    """

    def __init__(self, status: HTTPStatus, code: str, detail: str, **more: Any) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.document = {
            "title": status.phrase,
            "status": status.value,
            "code": code,
            "detail": detail,
            **more,
        }

    def response(self) -> JSONResponse:
        """The problem as an HTTP response."""
        # RFC 9110 section 15.5.2: a 401 says how to do better.
        headers = {"WWW-Authenticate": "Bearer"} if self.status is HTTPStatus.UNAUTHORIZED else None
        return JSONResponse(self.document, self.status.value, headers, media_type="application/problem+json")


class ProblemRoute(APIRoute):
    """A route whose refusals are problem documents; parameters that do not validate are 422, each of them
    named.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with its validation error caught."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except HttpProblem as problem:
                return problem.response()
            except RequestValidationError as error:
                return _unprocessable(error).response()

        return answer


def _unprocessable(error: RequestValidationError) -> HttpProblem:
    wrong = [{"name": str(item["loc"][-1]), "detail": str(item["msg"])} for item in error.errors()]
    detail = "; ".join(f"{item['name']}: {item['detail']}" for item in wrong)
    return HttpProblem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-parameters", detail, errors=wrong)
