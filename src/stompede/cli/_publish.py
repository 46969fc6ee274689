"""``stompede publish``: one message to a topic, queue, member or session of a running system, by its REST API."""

from __future__ import annotations

import base64
import sys
from typing import Annotated, Any

import msgspec
import typer

from stompede._app.publish_rest import PUBLISH_SCOPE, Published
from stompede.cli._rest import ask
from stompede.errors import ConfigurationError

Destination = Annotated[
    str,
    typer.Argument(
        help="A topic or queue; with --user or --session what follows the prefix: /queue/offers.",
        show_default=False,
    ),
]
Body = Annotated[
    str, typer.Argument(help="JSON, or else text; - reads bytes from standard input.", show_default=False)
]
User = Annotated[str | None, typer.Option(help="Send to all sessions of this member.", show_default=False)]
Session = Annotated[str | None, typer.Option(help="Send to this session.", show_default=False)]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="NAME=VALUE", help="A further header; may be repeated.", show_default=False
    ),
]
ContentType = Annotated[
    str | None, typer.Option(help="Instead of the one that the body suggests.", show_default=False)
]
Url = Annotated[str, typer.Option(help="HTTP URL of a node, or of the balancer before all of them.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="STOMPEDE_TOKEN",
        help="Token with the scope publish; or STOMPEDE_TOKEN, which the list of processes does not show.",
        show_default=False,
        show_envvar=False,
    ),
]


def publish(
    destination: Destination,
    body: Body,
    user: User = None,
    session: Session = None,
    header: Headers = None,
    content_type: ContentType = None,
    url: Url = "http://localhost:8080",
    token: Token = None,
) -> None:
    """Publish a message: stompede publish /topic/news '{"text": "soup is ready"}'"""
    message: dict[str, Any] = {"destination": destination, **_body(body)}
    given = {"user": user, "session": session, "contentType": content_type}
    message |= {name: value for name, value in given.items() if value is not None}
    if header:
        message["headers"] = dict(map(_header, header))
    answer = ask("POST", url, "/api/v1/publish", token, msgspec.json.encode(message), scope=PUBLISH_SCOPE)
    typer.echo(f"published {Published.model_validate_json(answer).published} message to {destination}")


def _body(text: str) -> dict[str, Any]:
    if text == "-":
        return {"bodyBase64": base64.b64encode(sys.stdin.buffer.read()).decode()}
    try:
        return {"body": msgspec.json.decode(text)}
    except msgspec.DecodeError:
        return {"body": text}


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"--header {text}: write NAME=VALUE")
    return name, value
