"""Soft errors: what a client is told when one of its frames could not be served and the session lives on.

They go to the session's error destination, ``/session/queue/request-error``. The codes are stable: clients
may branch on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from stompede._codes import check_code

ERROR_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "token-expired": "The token's time is over. Fetch a new one and send the frame again; the session "
        "lives on.",
        "token-missing": "The frame needs an `Authorization: Bearer ...` header and has none.",
        "token-invalid": "The token is malformed, has a wrong signature, algorithm, issuer or audience, or "
        "is not valid yet.",
        "login-required": "Only a member may do that; the session is anonymous.",
        "login-failed": "The login and passcode of the CONNECT frame, or of the login API, were not "
        "accepted.",
        "principal-mismatch": "The token belongs to another member than the session.",
        "forbidden": "A guard denied the operation on this destination.",
        "not-found": "No handler serves this destination, or what it names does not exist.",
        "invalid-body": "The body does not have the shape that the handler declares; `detail` names the "
        "field.",
        "invalid-path": "A path variable of the destination does not have the type that the handler "
        "declares.",
        "invalid-header": "A header that the handler declares is missing or has the wrong type.",
        "invalid-destination": "The destination is malformed, or clients may not use it for this command.",
        "too-large": "The message is larger than a setting of this node allows.",
        "rate-limited": "The session sends or subscribes more than a setting of this node allows.",
        "queue-full": "The queue holds as many messages or bytes as it may. The message was not taken; send it again "
        "later.",
        "transaction-aborted": "A frame of the transaction was refused, so COMMIT took no effect; nor did any other "
        "frame of it.",
        "handler-failed": "The handler raised an unexpected error. The server's log has it under `errorId`.",
        "messages-lost": "Messages of a destination with history are missing, and nobody has them any more. The "
        "subscription lives on.",
        "unavailable": "The node cannot serve this now: it is draining, overloaded, or a back end is away. "
        "Try again.",
    }
)


class Problem(Exception):  # noqa: N818 - the public name; it is an answer, not a failure
    """An answer that refuses: raise it in a handler, guard or interceptor; return it from ``@app.on_error``.

    Args:
        code: stable error code, either one of the table's or the application's own, in kebab-case.
        detail: a sentence for the client; never internals.

    The client gets ``{"code", "detail", "destination", "clientRequestCode", "errorId"}`` on its error
    destination.

    Raises:
        ValueError: the code is not in kebab-case; clients branch on it.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        check_code(code, "a Problem")
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code
