"""What must hold of MESSAGE and SEND frames that an application makes, whatever stands in them.

An input is one octet for the version, then fields between octets FF (which no UTF-8 has): destination, message-id,
subscription, content type, further headers as name and value in turn; the last is the body.
"""

from __future__ import annotations

import pytest
from target_stomp import WIDE, Play, client_session, connected, hear_client, hear_server, server_session

from stompede.errors import LocalProtocolError
from stompede.messaging.message import Message
from stompede.wire.stomp import (
    ALL_VERSIONS,
    ClientSession,
    Connected,
    HeadCache,
    MessageReceived,
    MessageTemplate,
    Send,
    Version,
    message_parts,
    message_without_subscription,
)
from stompede.wire.stomp.encode import encode_message
from stompede.wire.stomp.escaping import escape

OWN = ("subscription", "message-id", "destination", "content-type", "content-length", "ack")


def meant(version: Version, text: str) -> str:
    """A value as the other side reads it: a version without escapes has none for line ends and outer blanks."""
    if version is Version.V1_0:
        return text.translate(str.maketrans("\n\r\0", "   ")).strip()
    return text.replace("\0", " ")


def meant_name(version: Version, name: str) -> str:
    """A name as the other side reads it."""
    return meant(version, name).replace(":", " ").strip() if version is Version.V1_0 else meant(version, name)


def first_of(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Headers, of a repeated one the first."""
    return dict(reversed(pairs))


def encode(data: bytes) -> None:
    """All that must hold."""
    version = ALL_VERSIONS[data[0] % 3] if data else Version.V1_2
    *fields, body = data[1:].split(b"\xff")
    texts = [field.decode("utf-8", "replace") for field in fields]
    destination, message_id, subscription, content_type = (texts[:4] + [""] * 4)[:4]
    further = dict(zip(texts[4::2], texts[5::2], strict=False))
    message = Message(destination, body, content_type or None, further)
    received(version, message, message_id, subscription)
    sent(version, message)


def received(version: Version, message: Message, message_id: str, subscription: str) -> None:
    """Every way to write a MESSAGE writes the same, and the client reads what was meant: one frame, nothing more."""
    whole = encode_message(version, message_id, message, subscription, None)
    before, after = message_parts(version, message_id, message)
    assert before + escape(version, subscription).encode() + after == whole
    bare = encode_message(version, message_id, message, None, None)
    assert message_without_subscription(version, message_id, message) == bare
    if not set(message_id) & set("\n\r\0:\\"):
        assert (
            MessageTemplate(version, subscription, message.destination).encode(message_id, message) == whole
        )
        assert MessageTemplate(version, None, message.destination).encode(message_id, message) == bare
    if any(len(line) > 8000 for line in whole.split(b"\n")) or len(message.headers) > 50:
        return
    session = client_session(Play(version, WIDE, False, 0, b""))
    events = hear_server(session, [whole], WIDE)
    pairs = [("subscription", subscription), ("message-id", message_id), ("destination", message.destination)]
    if message.content_type is not None:
        pairs.append(("content-type", message.content_type))
    pairs.append(("content-length", str(len(message.body))))
    pairs += [pair for pair in message.headers.items() if meant_name(version, pair[0]) not in ("", *OWN)]
    expected = first_of([(meant_name(version, name), meant(version, value)) for name, value in pairs])
    assert len(events) == 1, events
    event = events[0]
    assert type(event) is MessageReceived, event
    assert (dict(event.headers), event.body) == (expected, message.body)


def sent(version: Version, message: Message) -> None:
    """A SEND of our client arrives as it was meant at our server."""
    if (
        not meant(version, message.destination)
        or "content-length" in message.headers
        or len(message.headers) > 50
    ):
        return
    client = ClientSession()
    client.send_connect(host="/", now=0.0)
    client.receive_data(connected(version), 0.0)
    assert type(client.next_event()) is Connected
    headers = {name: value for name, value in message.headers.items() if name != "destination"}
    if not all(meant_name(version, name) for name in headers):
        with pytest.raises(LocalProtocolError):
            client.send_send(message.destination, message.body, headers)
        return
    written = client.send_send(message.destination, message.body, headers)
    session = server_session(Play(version, WIDE, False, 0, b""), HeadCache(8, 300))
    events = hear_client(session, [written], WIDE, slow=False)
    pairs = [
        ("destination", message.destination),
        *headers.items(),
        ("content-length", str(len(message.body))),
    ]
    expected = first_of([(meant_name(version, name), meant(version, value)) for name, value in pairs])
    assert len(events) == 1, events
    event = events[0]
    assert type(event) is Send, event
    assert (dict(event.head.headers), event.body) == (expected, message.body)
