"""The settings of ``stompede serve`` itself: where it listens."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ListenSettings(BaseModel):
    """Where ``stompede serve`` listens; other ASGI servers have their own options for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1",
        description="Address to listen at. Only this machine reaches the default, every network reaches "
        "`0.0.0.0`.",
    )
    port: int = Field(
        8080, ge=0, le=65535, description="TCP port for HTTP and WebSocket; 0 takes a free one."
    )
    certfile: Path | None = Field(
        None, description="PEM file with the certificate chain. With it the node speaks TLS only."
    )
    keyfile: Path | None = Field(
        None, description="PEM file with the certificate's private key, if `certfile` does not hold it."
    )

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> ListenSettings:
        if self.keyfile is not None and self.certfile is None:
            raise ValueError("the private key needs its certificate: give certfile, too")
        return self
