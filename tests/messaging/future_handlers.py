"""Handlers as modules with postponed annotations write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Header

from stompede._types import Principal
from stompede.messaging.message import Message

if TYPE_CHECKING:
    from decimal import Decimal


class Say(msgspec.Struct):
    text: str


async def prefix(lang: Annotated[str, Header("accept-language")] = "en") -> str:
    return f"{lang}: "


async def say(
    room: str, body: Say, who: Principal | None, before: Annotated[str, Depends(prefix)], message: Message
) -> str:
    return f"{before}{who.name if who else 'guest'} in {room}: {body.text} ({message.destination})"


async def priced(body: Decimal) -> None: ...


def local_handler() -> Callable[..., Any]:
    class Local(msgspec.Struct):
        text: str

    async def handler(body: Local) -> None: ...

    return handler


def local_guard(session: StompSession) -> bool:  # noqa: F821 - what is tested
    return True
