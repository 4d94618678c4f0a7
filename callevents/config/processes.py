"""Settings of workers and listeners: their number, threads and leases."""

from pydantic import Field

from callevents.config.base import SettingsGroup


class ProcessSettings(SettingsGroup):
    """Workers and listeners."""

    workers: int = Field(
        1, ge=1, le=64, description="Worker processes that `make run` and `flask up` start."
    )
    worker_threads: int = Field(
        48, ge=1, le=512, description="Requests that one worker process makes at the same time."
    )
    origin_in_flight: int = Field(
        16,
        ge=1,
        le=512,
        description="Requests that one worker process makes at the same time to one origin "
        "(scheme, host and port).",
    )
    listeners: int = Field(
        1,
        ge=0,
        le=8,
        description="Listener processes that `make run` and `flask up` start. Set 0 if no PBX has "
        "a connector.",
    )
    listen_lease_seconds: float = Field(
        6,
        ge=1,
        le=600,
        description="How long a listener's lease on a PBX lasts. The leader renews it; if it "
        "expires, another listener takes over.",
    )
    listen_heartbeat_seconds: float = Field(
        15,
        gt=0,
        le=600,
        description="After this time without a message, the listener sends the PBX a ping. After "
        "the same time again without an answer, the connection counts as dead.",
    )
    listen_backoff_max_seconds: float = Field(
        60,
        gt=0,
        le=3600,
        description="Longest wait before the listener connects to a PBX again, and 15 seconds at "
        "most while its port is closed. The first reconnection is immediate, the next wait is one "
        "second, and each next one is twice as long, changed at random by up to 20 %.",
    )
    listen_buffer_events: int = Field(
        10_000,
        ge=1,
        description="Call events of one PBX that a listener keeps in memory while the database is "
        "unavailable. If the buffer is full, the listener stops reading.",
    )
