"""The command ``stompede``."""

from __future__ import annotations

from stompede.cli._main import main as main

__all__ = ["main"]
