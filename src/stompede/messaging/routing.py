"""From a destination to what serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from stompede.messaging.patterns import Pattern

T = TypeVar("T")


class Router(Generic[T]):
    def add(self, pattern: Pattern | str, value: T, where: str = "") -> None:
        """`where` names the owner in errors: ``handler say() at chat.py:15``."""
        raise NotImplementedError

    def match(self, destination: str) -> tuple[T, Mapping[str, str]] | None:
        raise NotImplementedError

    def all_matches(self, destination: str) -> list[tuple[T, Mapping[str, str]]]:
        raise NotImplementedError
