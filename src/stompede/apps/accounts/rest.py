"""The login over HTTP: a password in, a token out."""

# No `from __future__ import annotations` here: FastAPI reads the signatures of the routes, which stand in a
# function.

import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from stompede import AuthenticationError, Principal, TokenIssuer

from .members import Member
from .service import Accounts, LoginRefused

Prove = Callable[[str | None], Awaitable[Principal]]
MAX_LOGIN_BYTES: Final = 8 * 1024

_STATUS: Final = {"rate-limited": HTTPStatus.TOO_MANY_REQUESTS, "unavailable": HTTPStatus.SERVICE_UNAVAILABLE}
_SHOW_BEARER: Final = Depends(HTTPBearer(auto_error=False, description="A token from `/api/v1/login`."))


class _Camel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True
    )


class LoginRequest(_Camel):
    """Login and password; in the demo also how long the token is to live."""

    login: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
    ttl_s: Annotated[
        float | None,
        Field(ge=1, description="Life of the token in seconds, at most the usual one; in the demo only."),
    ] = None


class MemberShown(_Camel):
    """A member as others may see it."""

    name: str
    display_name: str
    scopes: list[str]


class LoginAnswer(_Camel):
    """The token and whom it proves. Send it as ``Authorization: Bearer <token>``."""

    token: str
    expires_at: datetime
    member: MemberShown


class Me(MemberShown):
    """Whom the token of the request proves, and until when."""

    expires_at: datetime | None


def accounts_router(
    accounts: Accounts,
    issuer: TokenIssuer,
    prove: Prove,
    *,
    clock: Callable[[], float] = time.time,
    token_ttl_s: float = 3600.0,
    choose_ttl: bool = False,
) -> APIRouter:
    """The routes ``POST /api/v1/login`` and ``GET /api/v1/me``.

    Args:
        accounts: proves members.
        issuer: makes their tokens.
        prove: gives the principal of an ``Authorization`` value, ``None`` where a request has none, or raises
            `AuthenticationError`; it must accept what the issuer makes.
        clock: gives the seconds of the Unix epoch.
        token_ttl_s: life of a token.
        choose_ttl: whether a login may ask for a shorter life, so that expiry can be tried out; for the demo
            only.

    Returns:
        A router; refusals are problem documents (RFC 9457) whose member ``code`` is one of the table of error
        codes.
    """
    routes = _Routes(accounts, issuer, prove, clock, token_ttl_s, choose_ttl)
    router = APIRouter(prefix="/api/v1", tags=["accounts"])
    schema = {"content": {"application/json": {"schema": LoginRequest.model_json_schema()}}, "required": True}
    router.post(
        "/login",
        response_model=LoginAnswer,
        responses=_problems(401, 413, 422, 429, 503),
        openapi_extra={"requestBody": schema},
    )(routes.login)
    router.get("/me", response_model=Me, responses=_problems(401, 503), dependencies=[_SHOW_BEARER])(
        routes.me
    )
    return router


class _Routes:
    """The routes, with what they need."""

    def __init__(
        self,
        accounts: Accounts,
        issuer: TokenIssuer,
        prove: Prove,
        clock: Callable[[], float],
        token_ttl_s: float,
        choose_ttl: bool,
    ) -> None:
        self._accounts = accounts
        self._issuer = issuer
        self._prove = prove
        self._clock = clock
        self._token_ttl_s = token_ttl_s
        self._choose_ttl = choose_ttl

    async def login(self, request: Request) -> Response:
        """Give a token for login and password."""
        asked = _login_request(await _bounded_body(request))
        if isinstance(asked, Response):
            return asked
        life_s = self._token_ttl_s if asked.ttl_s is None else asked.ttl_s
        if asked.ttl_s is not None and not (self._choose_ttl and asked.ttl_s <= self._token_ttl_s):
            limit = f"may be at most {self._token_ttl_s:g}" if self._choose_ttl else "cannot be chosen here"
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-body", f"ttlS: {limit}")
        address = None if request.client is None else request.client.host
        password = asked.password.get_secret_value()
        try:
            member = await self._accounts.member(asked.login, password, client_address=address)
        except AuthenticationError as error:
            return _refusal(error)
        return _token_answer(self._issuer, member, life_s, self._clock())

    async def me(self, request: Request) -> Response:
        """Tell whom the token proves."""
        try:
            principal = await self._prove(request.headers.get("authorization"))
        except AuthenticationError as error:
            return _refusal(error)
        return _answer(_me(principal))


def _token_answer(issuer: TokenIssuer, member: Member, life_s: float, now: float) -> Response:
    claims = {**member.claims, "name": member.display_name}
    token = issuer.issue(member.name, member.scopes, life_s, now, **claims)
    shown = MemberShown(name=member.name, display_name=member.display_name, scopes=sorted(member.scopes))
    expires_at = datetime.fromtimestamp(math.ceil(now + life_s), UTC)
    return _answer(LoginAnswer(token=token, expires_at=expires_at, member=shown))


def _me(principal: Principal) -> Me:
    shown = principal.claims.get("name")
    return Me(
        name=principal.name,
        display_name=shown if isinstance(shown, str) else principal.name,
        scopes=sorted(principal.scopes),
        expires_at=None
        if principal.expires_at is None
        else datetime.fromtimestamp(principal.expires_at, UTC),
    )


async def _bounded_body(request: Request) -> bytes | None:
    """The body, or ``None`` once it is larger than a login can be; the rest is not read."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_LOGIN_BYTES:
            return None
    return bytes(body)


def _login_request(body: bytes | None) -> LoginRequest | Response:
    if body is None:
        detail = f"a login has at most {MAX_LOGIN_BYTES} bytes"
        return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
    try:
        return LoginRequest.model_validate_json(body)
    except ValidationError as error:
        # Field and reason only: what was typed may be a password in the wrong place.
        wrong = [(".".join(map(str, part["loc"])), part["msg"]) for part in error.errors(include_input=False)]
        detail = "; ".join(f"{where}: {why}" if where else why for where, why in wrong)
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-body", detail)


def _refusal(error: AuthenticationError) -> Response:
    status = _STATUS.get(error.code, HTTPStatus.UNAUTHORIZED)
    headers: dict[str, str] = {}
    if isinstance(error, LoginRefused):
        headers["Retry-After"] = str(error.retry_after_s)
    if status is HTTPStatus.UNAUTHORIZED:
        # RFC 6750 section 3: a request without a token is told the scheme alone, one with a bad token also
        # why.
        bad_token = error.code in {"token-invalid", "token-expired"}
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if bad_token else "Bearer"
    return _problem(status, error.code, error.detail, headers)


def _problem(status: HTTPStatus, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    document = {"title": status.phrase, "status": status.value, "code": code, "detail": detail}
    return JSONResponse(document, status.value, headers, media_type="application/problem+json")


def _answer(body: BaseModel) -> Response:
    """A successful answer; nothing on the way may keep it (RFC 6749 section 5.1)."""
    text = body.model_dump_json(by_alias=True)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {"application/problem+json": {}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
