"""Bodies of messages: from bytes to typed values and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def encode(value: Any) -> tuple[bytes, str | None]:
    """Returns the body and its content type."""
    raise NotImplementedError


def decoder(body_type: Any) -> Callable[[bytes], Any]:
    """Raises Problem("invalid-body") on call, ConfigurationError here."""
    raise NotImplementedError
