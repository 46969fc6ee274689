"""The head of a frame, command and headers, and how it is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from stompede._types import NO_HEADERS
from stompede.errors import RemoteProtocolError
from stompede.wire.stomp.escaping import unescape
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.refusal import COMMAND, HEADER, MALFORMED, FrameRefusedError, over_limit, shown
from stompede.wire.stomp.tables import PROTOCOL_HEADERS, RULES, SECRET_HEADERS, Rule, Side
from stompede.wire.stomp.versions import Version

# Longer numbers are above any limit; and Python refuses to convert thousands of digits.
_MAX_DIGITS: Final = 18


class Head(msgspec.Struct):
    """Command and headers of a frame, parsed once per distinct header block and shared by all frames that
    repeat it.

    All but `memo` is read-only.

    Attributes:
        command: for example ``SEND``.
        headers: all headers, unescaped; of a repeated one the first.
        raw: the bytes that this was made from, up to and including the blank line.
        destination: the ``destination`` header, or ``None``; so with those that follow.
        content_length: octets of the body as declared.
        content_type: MIME type of the body.
        receipt: the receipt that the frame asks for.
        transaction: the transaction that it belongs to.
        authorization: value of ``Authorization``, whatever the case of its name.
        client_request_code: what the client wants its answer to carry.
        forwarded: the headers that may go on to a MESSAGE, to handlers and to logs; the protocol's own and
            the secret ones are not among them.
        memo: a place for the server to note what it found out about this head, shared as the head is, also
            with heads that differ from it in nothing but ``receipt`` and ``client-request-code``.
        variant: the last head that was made from this one; see `template`.
    """

    command: str
    headers: Mapping[str, str]
    raw: bytes
    destination: str | None
    content_length: int | None
    content_type: str | None
    receipt: str | None
    transaction: str | None
    authorization: str | None
    client_request_code: str | None
    forwarded: Mapping[str, str]
    memo: Any = None
    variant: Head | None = None

    # What a log or a traceback shows of a head must not have its secrets.

    def __repr__(self) -> str:
        return f"<Head {self.command} {', '.join(self.headers)}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("command", self.command), ("forwarded", dict(self.forwarded))]


def parse_head(raw: bytes, version: Version | None, limits: Limits) -> Head:
    """Parses a head whose size is within the limits.

    Args:
        raw: its bytes, up to and including the blank line.
        version: the version that is spoken, ``None`` before it is agreed on.
        limits: for ``content-length``.

    Raises:
        FrameRefusedError: it breaks the grammar, or its command does not exist.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        detail = f"headers must be UTF-8; octet {error.start + 1} of the frame is not"
        raise FrameRefusedError(MALFORMED, "headers are not UTF-8", detail) from error
    lines = text.split("\n")
    del lines[-2:]
    if "\r" in text and (version is None or version is Version.V1_2):
        # STOMP 1.2 "Augmented BNF": EOL = [CR] LF. Before the version is known it may be 1.2.
        lines = [line.removesuffix("\r") for line in lines]
    command = lines[0]
    rule = RULES.get(command)
    if rule is None or (version is not None and version not in rule.required):
        raise _unknown(command, version)
    del lines[0]
    if version is Version.V1_0 or (not rule.escaped and _is_1_0(lines)):
        # Nothing in 1.0 says that the space after the colon counts, and its own examples have one.
        lines = [":".join(part.strip() for part in line.split(":", 1)) for line in lines]
    headers = _headers(lines, version if rule.escaped else None, escapes="\\" in text)
    return _head(rule, headers, raw, limits)


def _is_1_0(lines: list[str]) -> bool:
    """Whether CONNECT or CONNECTED is of 1.0: it names no version."""
    return not any(line.startswith(("accept-version:", "version:")) for line in lines)


def _headers(lines: list[str], version: Version | None, *, escapes: bool) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise _no_header(line)
        if escapes:
            try:
                name = unescape(version, name)
                value = unescape(version, value)
            except RemoteProtocolError as error:
                detail = f"header {shown(name)}: {error}"
                raise FrameRefusedError(MALFORMED, "undefined escape in a header", detail) from error
        # STOMP 1.2 "Repeated Header Entries": only the first is used.
        if name not in headers:
            headers[name] = value
    return headers


def _head(rule: Rule, headers: dict[str, str], raw: bytes, limits: Limits) -> Head:
    get = headers.get
    length = get("content-length")
    authorization = None
    forwarded: dict[str, str] = {}
    # What a server sends is not passed on by anybody.
    for name, value in headers.items() if rule.sender is Side.CLIENT else ():
        if name in PROTOCOL_HEADERS:
            continue
        # A name with blanks around it is another name by the specification; whoever wrote it meant the secret
        # all the same.
        plain = name.strip().lower()
        if plain not in SECRET_HEADERS:
            forwarded[name] = value
        elif plain == "authorization" and authorization is None:
            authorization = value
    return Head(
        rule.command,
        MappingProxyType(headers),
        raw,
        get("destination"),
        None if length is None else _content_length(length, limits),
        get("content-type"),
        get("receipt"),
        get("transaction"),
        authorization,
        get("client-request-code"),
        MappingProxyType(forwarded) if forwarded else NO_HEADERS,
    )


def _content_length(value: str, limits: Limits) -> int:
    if not (value.isascii() and value.isdigit()):
        detail = f"content-length must be the number of octets in the body, in digits; {shown(value)} is not"
        raise FrameRefusedError(HEADER, "content-length is not a number", detail)
    digits = value.lstrip("0")
    length = int(digits or "0") if len(digits) <= _MAX_DIGITS else None
    if length is None or length > limits.max_body_bytes:
        raise over_limit(
            "max_body_bytes", limits, f"content-length {value[: _MAX_DIGITS + 2]} is more than the body of"
        )
    return length


def check_head(head: Head, version: Version | None, receiver: Side) -> None:
    """Holds a head against the table of commands.

    Raises:
        FrameRefusedError: the command is the other side's, or a header that it requires is missing.
    """
    rule = RULES[head.command]
    if rule.sender is receiver:
        detail = f"{head.command} is sent by the {receiver.value}, never to it"
        raise FrameRefusedError(COMMAND, f"{head.command} from the wrong side", detail)
    headers = head.headers
    for requirement in rule.required[version or Version.V1_0]:
        for name in requirement:
            # What a client names must be something; what a server echoes may be empty.
            if headers.get(name) or (receiver is Side.CLIENT and name in headers):
                break
        else:
            raise _missing(head, rule, requirement, version)
    if head.content_length and not has_body(rule, version):
        raise body_refused(rule, version)


def has_body(rule: Rule, version: Version | None) -> bool:
    """Whether a frame may have a body: SEND, MESSAGE and ERROR may; 1.0 does not say that others may not."""
    return rule.body or version is Version.V1_0


def body_refused(rule: Rule, version: Version | None) -> FrameRefusedError:
    """A body where none may be."""
    spoken = "" if version is None else f" in STOMP {version.value}"
    allowed = " and ".join(r.command for r in RULES.values() if r.body and r.sender is rule.sender)
    detail = (
        f"{rule.command} must not have a body{spoken}; only {allowed} may. NUL must follow the blank line"
    )
    return FrameRefusedError(MALFORMED, f"{rule.command} with a body", detail)


def _missing(
    head: Head, rule: Rule, requirement: tuple[str, ...], version: Version | None
) -> FrameRefusedError:
    name = " or ".join(requirement)
    state = "is empty" if any(each in head.headers for each in requirement) else "is missing"
    spoken = "" if version is None else f" in STOMP {version.value}"
    needed = ", ".join(" or ".join(each) for each in rule.required[version or Version.V1_0])
    detail = f"{head.command}: the header {name} {state}; {head.command} requires {needed}{spoken}"
    return FrameRefusedError(HEADER, f"{head.command} without {name}", detail)


def _no_header(line: str) -> FrameRefusedError:
    if line.startswith(":"):
        detail = f"a header line must be name:value; {shown(line)} has no name"
        return FrameRefusedError(MALFORMED, "header without a name", detail)
    detail = f"a header line must be name:value; {shown(line)} has no colon"
    if line.endswith("\r") or not line.strip():
        detail += "; lines may end with CR LF only in STOMP 1.2"
    return FrameRefusedError(MALFORMED, "header without a colon", detail)


def _unknown(command: str, version: Version | None) -> FrameRefusedError:
    detail = f"unknown command {shown(command)}"
    if command in RULES and version is not None:
        detail = f"the command {command} does not exist in STOMP {version.value}"
    elif command.strip().upper() in RULES:
        detail += f"; commands are in capitals, without blanks: {command.strip().upper()}"
        if command.endswith("\r"):
            detail += "; lines may end with CR LF only in STOMP 1.2"
    return FrameRefusedError(COMMAND, "unknown command", detail)
