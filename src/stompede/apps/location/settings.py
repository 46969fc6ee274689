"""Settings of the location service, with the reason for each default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
Metres = Annotated[float, Field(gt=0)]
Positive = Annotated[int, Field(gt=0)]


class LocationSettings(BaseSettings):
    """What the location service can be told; by environment as ``STOMPEDE_LOCATION_*``."""

    model_config = SettingsConfigDict(
        env_prefix="STOMPEDE_LOCATION_", extra="forbid", frozen=True, allow_inf_nan=False
    )

    expire_s: Seconds = Field(
        60,
        description="Silence after which a rider is not found any more, in seconds. Riders report every few "
        "seconds, and most tunnels are shorter than a minute.",
    )
    max_riders: Positive = Field(
        1_000_000, description="Riders in the geo index of this node; past it the most silent one leaves."
    )
    cell_m: Annotated[float, Field(ge=10, le=100_000)] = Field(
        500,
        description="Height and width of a cell of the geo index, in metres; best near the radius that is "
        "asked for most.",
    )
    max_ahead_s: float = Field(
        60,
        ge=0,
        description="How far a rider's clock may run ahead, in seconds; a report from further ahead counts "
        "as from now.",
    )
    overview_interval_s: Seconds = Field(
        1,
        description="Time between two batches of moved riders on `/topic/riders`, in seconds. A page moves "
        "riders smoothly between points a second apart.",
    )
    overview_batch: Positive = Field(
        1000,
        description="Riders in one message of `/topic/riders`, about 100 bytes each. More riders make "
        "several messages.",
    )
    max_radius_m: Metres = Field(
        50_000, description="Largest radius that the REST search takes, in metres: a large city."
    )
    max_found: Positive = Field(1000, description="Most riders that the REST search answers with.")
