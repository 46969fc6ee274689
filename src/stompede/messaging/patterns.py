"""Patterns of destinations: ``/rooms/{room}/say``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final


@final
class Pattern:
    """A destination with variables; each stands for one whole, non-empty segment."""

    __slots__ = ("segments", "text", "variables")
    text: str
    segments: tuple[str, ...]
    variables: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, where: str = "") -> Pattern:
        raise NotImplementedError

    def match(self, destination: str) -> dict[str, str] | None:
        raise NotImplementedError

    def fill(self, values: Mapping[str, str]) -> str:
        raise NotImplementedError
