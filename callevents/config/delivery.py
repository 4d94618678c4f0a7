"""Settings of retries, circuit breaker, suspension and leases."""

import math
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup


class DeliverySettings(SettingsGroup):
    """Retries, circuit breaker, suspension and leases."""

    retry_schedule_seconds: Annotated[tuple[float, ...], NoDecode] = Field(
        (1, 5, 15, 60, 300, 900, 3600, 10800, 21600),
        min_length=1,
        description="Waits after the first, second, ... failed attempt, separated by commas. The "
        "last one repeats. Each is changed at random by up to 20 %.",
    )
    retry_after_max_seconds: float = Field(
        3600,
        ge=0,
        description="Longest wait that a receiver can ask for with Retry-After. A longer one is "
        "shortened to this.",
    )
    breaker_failures: int = Field(
        5,
        ge=1,
        le=1000,
        description="Attempts in a row without a connection, or without an answer in time, that "
        "open an origin's circuit breaker.",
    )
    breaker_open_seconds: float = Field(
        10,
        gt=0,
        description="How long the circuit breaker stays open at first. Then one delivery is sent "
        "as a probe; each failed probe doubles the time.",
    )
    breaker_open_max_seconds: float = Field(
        300,
        gt=0,
        description="Longest time that the circuit breaker stays open between two probes.",
    )
    suspend_after_seconds: float = Field(
        86400,
        gt=0,
        description="A request is suspended after all its attempts have failed for this time.",
    )
    call_end_seconds: float = Field(
        3,
        ge=0,
        le=600,
        description="How long requests that are sent once per call wait after the last hangup "
        "before they send the end of the call. For a PBX with a connector, the PBX itself says "
        "when a call is over.",
    )
    lease_seconds: float = Field(
        30,
        ge=2,
        le=3600,
        description="How long a worker's lease on a claimed delivery lasts. The worker renews it "
        "while it runs. If it is killed, its deliveries are sent again after this time.",
    )
    poll_seconds: float = Field(
        1,
        gt=0,
        le=60,
        description="How often a worker polls for due deliveries without being woken.",
    )

    @field_validator("retry_schedule_seconds", mode="before")
    @classmethod
    def _split_seconds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_parse_seconds(part.strip()) for part in value.split(",") if part.strip())


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text!r} is not a positive number of seconds")
    return seconds
