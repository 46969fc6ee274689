"""Stub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from stompede._types import NO_HEADERS
from stompede.wire.stomp.versions import Version


class Frame(msgspec.Struct, frozen=True):
    """A frame as such.

    Attributes:
        command: its name.
        headers: unescaped.
        body: as it is.
    """

    command: str
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes = b""


class Publishable(Protocol):
    """What a MESSAGE is made from; `stompede.messaging.message.Message` is one."""

    @property
    def destination(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def encode_frame(version: Version | None, frame: Frame) -> bytes:
    """Any frame."""
    raise NotImplementedError


def message_parts(version: Version, message_id: str, message: Publishable) -> tuple[bytes, bytes]:
    """What stands before and after the escaped subscription id in a MESSAGE frame."""
    raise NotImplementedError


def message_without_subscription(version: Version, message_id: str, message: Publishable) -> bytes:
    """A MESSAGE for a 1.0 subscriber that gave no id."""
    raise NotImplementedError
