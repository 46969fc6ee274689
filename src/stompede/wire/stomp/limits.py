"""Bounds of one frame. They are checked before memory is taken, so an unfinished frame never holds more than
they allow."""

from __future__ import annotations

import msgspec

from stompede.errors import ConfigurationError


class Limits(msgspec.Struct, frozen=True):
    """What one frame of the peer may be.

    Attributes:
        max_headers: header lines. 64 is several times what browsers and brokers send.
        max_header_line_bytes: one line of the head, name and value, without its end of line. A signed token
            takes 0.3 to 4 KiB.
        max_header_block_bytes: command and headers together.
        max_body_bytes: body. A declared ``content-length`` above it is refused from the head alone.
    """

    max_headers: int = 64
    max_header_line_bytes: int = 8192
    max_header_block_bytes: int = 16384
    max_body_bytes: int = 262144

    def __post_init__(self) -> None:
        for name in ("max_headers", "max_header_line_bytes", "max_header_block_bytes"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.max_body_bytes < 0:
            raise ConfigurationError(f"max_body_bytes must not be negative, as {self.max_body_bytes} is")

    @property
    def max_frame_bytes(self) -> int:
        """The longest frame that is within all bounds, its blank line and NUL octet included."""
        return self.max_header_block_bytes + 2 + self.max_body_bytes + 1
