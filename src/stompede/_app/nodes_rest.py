"""Which nodes there are, for operators; and where a client should connect, for everybody."""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from stompede._app.rest import Camel, ProblemRoute, operator, refusals
from stompede.errors import BusError
from stompede.messaging.problem import Problem
from stompede.registry import NodeInfo
from stompede.server.draining import DrainOrder

if TYPE_CHECKING:
    from stompede._app.application import Stompede

_RETRY_MS = 2000
_MOST_KEY = 256


class NodeReport(Camel):
    """One node, as operators see it."""

    id: str = Field(description="`{start in ms}/{uuid4}`, new at every start.")
    url: str = Field(description="WebSocket URL at which its clients connect.")
    version: str = Field(description="Version of its program.")
    region: str = Field(description="Where it stands, by a name of the operator's.")
    sessions: int = Field(description="How many it serves.")
    cpu: float = Field(description="What it uses of a core, 0 to 1.")
    draining: bool = Field(description="Whether it takes no new sessions.")
    ready: bool = Field(description="Whether it can serve.")
    place: tuple[float, float] | None = Field(description="Latitude and longitude in degrees.")


class Nodes(Camel):
    """All nodes that are alive."""

    nodes: list[NodeReport]


class Direction(Camel):
    """Where a client should connect."""

    url: str | None = Field(description="WebSocket URL of the node; null where there is none now.")
    heartbeat_ms: int = Field(description="Milliseconds between heart-beats that the node sends.")
    retry_after_ms: int = Field(description="How long to wait before asking again, where there is none.")
    resume_url: str = Field(description="Where to ask again when the connection is lost.")


def nodes_router(app: "Stompede") -> APIRouter:
    """``/api/v1/gateway`` and ``/api/v1/nodes``."""
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute)

    @router.get(
        "/gateway",
        tags=["gateway"],
        summary="Where to connect",
        responses={503: {"model": Direction, "description": "No node takes clients now."}},
    )
    async def gateway(
        request: Request,
        key: Annotated[
            str | None, Query(max_length=_MOST_KEY, description="Clients of one key come to one node.")
        ] = None,
        near: Annotated[
            str | None, Query(description="Latitude and longitude in degrees: `60.17,24.94`.")
        ] = None,
    ) -> JSONResponse:
        """A node that is ready, and has less to do than another one that was drawn beside it."""
        node = await app.node.gateway.choose(key=key, near=None if near is None else _place(near))
        direction = Direction(
            url=None if node is None else node.url,
            heartbeat_ms=app.settings.heart_beat_send_ms,
            retry_after_ms=_RETRY_MS if node is None else 0,
            resume_url=str(request.url),
        )
        content = direction.model_dump(by_alias=True)
        if node is None:
            return JSONResponse(content, 503, {"Retry-After": str(_RETRY_MS // 1000)})
        return JSONResponse(content)

    @router.get(
        "/nodes",
        tags=["operators"],
        summary="The nodes that are alive",
        dependencies=[Depends(operator(app))],
        responses=refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
    )
    async def nodes() -> Nodes:
        """What each node told of itself lately; nobody is asked for it."""
        return Nodes(nodes=[_report(node) for node in await app.node.gateway.nodes()])

    @router.post(
        "/nodes/{id:path}/drain",
        tags=["operators"],
        summary="Move the clients of a node to others",
        status_code=HTTPStatus.ACCEPTED,
        dependencies=[Depends(operator(app))],
        responses=refusals(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    async def drain(
        node_id: Annotated[str, Path(alias="id", description="Id of the node.")],
        rate: Annotated[float, Query(gt=0, le=100_000, description="Sessions in a second.")] = 500,
        within: Annotated[
            float, Query(gt=0, le=86_400, description="Seconds; who is left then is moved at once.")
        ] = 300,
    ) -> Response:
        """The node takes no new clients from now on, is not ready, and moves those that it has. It goes on to run."""
        try:
            await app.node.drain_node(node_id, DrainOrder(rate, within))
        except BusError as error:
            raise Problem("unavailable", f"node {node_id} could not be told: {error}") from error
        return Response(status_code=HTTPStatus.ACCEPTED)

    return router


def _place(text: str) -> tuple[float, float]:
    try:
        lat, lon = map(float, text.split(","))
    except ValueError:
        raise Problem(
            "invalid-parameters", f"near={text}: write latitude and longitude: 60.17,24.94"
        ) from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise Problem("invalid-parameters", f"near={text}: latitudes are -90 to 90, longitudes -180 to 180")
    return lat, lon


def _report(node: NodeInfo) -> NodeReport:
    return NodeReport(
        id=node.id, url=node.url, version=node.version, region=node.region, sessions=node.sessions,
        cpu=round(node.cpu, 3), draining=node.draining, ready=node.ready, place=node.place,
    )  # fmt: skip
