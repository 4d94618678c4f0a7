"""When a delivery is tried again, and who owns it meanwhile."""

import math
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup


class DeliverySettings(SettingsGroup):
    """What follows a failed attempt."""

    retry_schedule_seconds: Annotated[tuple[float, ...], NoDecode] = Field(
        (1, 5, 15, 60, 300, 900, 3600, 10800, 21600),
        min_length=1,
        description="Waits after the first, second, ... failed attempt, with commas between them; "
        "the last one repeats. Each is changed at random by up to 20 %.",
    )
    retry_after_max_seconds: float = Field(
        3600,
        ge=0,
        description="The longest wait that a receiver may ask for with Retry-After; longer ones "
        "count as this.",
    )
    breaker_failures: int = Field(
        5,
        ge=1,
        le=1000,
        description="Attempts in a row without a connection, or without an answer in time, after "
        "which nothing more is sent to the origin for a while.",
    )
    breaker_open_seconds: float = Field(
        10,
        gt=0,
        description="How long such a pause is at first. After it one delivery is sent as a probe; "
        "each failed probe doubles the pause.",
    )
    breaker_open_max_seconds: float = Field(
        300, gt=0, description="How long such a pause may become."
    )
    suspend_after_seconds: float = Field(
        86400,
        gt=0,
        description="A request whose attempts have all failed for so long is suspended.",
    )
    lease_seconds: float = Field(
        30,
        ge=2,
        le=3600,
        description="How long a worker owns a delivery it has claimed; it renews the lease while "
        "it lives. A killed worker's deliveries are made again after this time.",
    )
    poll_seconds: float = Field(
        1, gt=0, le=60, description="How often a worker looks for due deliveries by itself."
    )

    @field_validator("retry_schedule_seconds", mode="before")
    @classmethod
    def _split_seconds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_seconds(part.strip()) for part in value.split(",") if part.strip())


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds above zero")
    return seconds
