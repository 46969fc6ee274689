"""Every exception that Stompede raises, in one tree.

    StompedeError
    ├── ConfigurationError        the application or its settings are wrong; raised at start
    ├── ProtocolError             a peer or the caller broke the protocol
    │   ├── LocalProtocolError    our side asked for something the state does not allow
    │   └── RemoteProtocolError   the peer sent something the specification forbids
    ├── LimitError                a bound was reached; says which, how much, and the setting
    ├── AuthenticationError       a token or a login is missing, wrong or out of date
    ├── AccessError               the principal may not do that
    ├── SessionClosedError        the session or the connection is gone
    ├── SlowConsumerError         the peer did not read fast enough
    ├── RequestError              the server answered a request with a soft error (client side)
    └── BusError                  the bus did not take a message

`Problem` (in `stompede.messaging.problem`) stands beside the tree: it is an answer to a client, not a failure of
the server. Errors hold facts as attributes; ``str(error)`` makes the sentence.
"""

from __future__ import annotations

from stompede._codes import check_code


class StompedeError(Exception):
    """The root of everything that Stompede raises on purpose."""


class ConfigurationError(StompedeError):
    """The application or its settings cannot work; the sentence says where and how to mend it."""


class ProtocolError(StompedeError):
    """A rule of a protocol was broken."""


class LocalProtocolError(ProtocolError):
    """This side asked for something that the state of the connection does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the specification forbids."""


class LimitError(StompedeError):
    """A bound was reached.

    Attributes:
        limit: name of the setting that bounds it.
        allowed: the bound.
        actual: what was seen, where it is known.
    """

    def __init__(self, limit: str, allowed: int | float, actual: int | float | None = None) -> None:
        super().__init__(limit, allowed, actual)
        self.limit = limit
        self.allowed = allowed
        self.actual = actual

    def __str__(self) -> str:
        seen = "" if self.actual is None else f", saw {self.actual}"
        return f"{self.limit} allows {self.allowed}{seen}"


class AuthenticationError(StompedeError):
    """A token or a login was not accepted.

    Attributes:
        code: the stable error code for the client: ``token-expired``, ``token-missing``, ``token-invalid``,
            ``login-required``, ``login-failed``,
            ``principal-mismatch``, ``rate-limited`` or ``unavailable``, or the application's own, in kebab-case.
        detail: a sentence that a client may see.

    Raises:
        ValueError: the code is not in kebab-case; clients branch on it.
    """

    def __init__(self, code: str, detail: str) -> None:
        check_code(code, "an AuthenticationError")
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class AccessError(StompedeError):
    """The principal may not do what it asked for."""


class SessionClosedError(StompedeError):
    """The session or connection that the call needs is closed.

    Attributes:
        code: WebSocket close code or HTTP status that ended it, where there was one.
        reason: short stable name of the row in the table of disconnects, or "" where none is known.
    """

    def __init__(
        self, sentence: str = "the session is closed", code: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(sentence, code, reason)
        self.sentence = sentence
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.sentence


class SlowConsumerError(StompedeError):
    """The peer did not take its messages within the bounds of its outbox or queue."""


class BusError(StompedeError):
    """The bus did not take a message."""


class RequestError(StompedeError):
    """The server answered a frame of this client with a soft error, or a request not at all.

    Attributes:
        code: stable error code, see the table of error codes in the documentation; ``no-reply``, which the client
            itself says, where the server confirmed a request without an answer.
        detail: the server's sentence.
        error_id: id under which the server's log has the details, if given.
        client_request_code: what the client sent along, if anything.
    """

    def __init__(
        self, code: str, detail: str, error_id: str | None = None, client_request_code: str | None = None
    ) -> None:
        super().__init__(code, detail, error_id, client_request_code)
        self.code = code
        self.detail = detail
        self.error_id = error_id
        self.client_request_code = client_request_code

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code
