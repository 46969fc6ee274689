"""Settings of the page, with the reason for each default."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ._city import ATTRIBUTION
from ._policy import tile_host


class ConsoleSettings(BaseSettings):
    """What the page can be told; by environment as ``STOMPEDE_CONSOLE_*``."""

    model_config = SettingsConfigDict(env_prefix="STOMPEDE_CONSOLE_", extra="forbid", frozen=True)

    tiles: str | None = Field(
        None,
        description="URL template of online map tiles under the streets, for example "
        "`https://tile.example.org/{z}/{x}/{y}.png`. Without it the map is the built-in city alone, and needs "
        "no internet.",
    )
    tiles_attribution: str = Field(
        ATTRIBUTION, description="Who made the tiles, as HTML; shown on the map with them."
    )

    @field_validator("tiles")
    @classmethod
    def _is_template(cls, tiles: str | None) -> str | None:
        """Tells a wrong template at start, not to the first browser."""
        if not tiles:
            return None
        tile_host(tiles)
        return tiles
