"""How many processes and threads there are, and what stands before them."""

from pydantic import Field

from callevents.config.base import SettingsGroup


class ProcessSettings(SettingsGroup):
    """The worker and web processes."""

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
    web_processes: int = Field(
        1, ge=1, le=64, description="Web server processes; with SQLite it is always one."
    )
    web_threads: int = Field(16, ge=1, le=512, description="Threads of one web server process.")
    listeners: int = Field(
        1,
        ge=0,
        le=8,
        description="Listener processes that `make run` and `flask up` start; 0 where no PBX has a "
        "connector.",
    )
    listen_lease_seconds: float = Field(
        6,
        ge=1,
        le=600,
        description="How long a listener leads at a PBX; it renews this while it lives. After that "
        "time another one takes over.",
    )
    listen_heartbeat_seconds: float = Field(
        15,
        gt=0,
        le=600,
        description="A PBX that has said nothing for so long is asked for a sign of life; after as "
        "long again the connection counts as dead.",
    )
    listen_backoff_max_seconds: float = Field(
        60,
        gt=0,
        le=3600,
        description="Longest pause between two tries to connect to a PBX. The first is a second, "
        "each is twice the one before, changed at random by up to 20 %.",
    )
    listen_buffer_events: int = Field(
        10_000,
        ge=1,
        description="Call events of one PBX that a listener keeps while the database does not "
        "answer; when there are more, it reads no further.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Reverse proxies in front of the web server whose X-Forwarded-For, -Proto and "
        "-Host are believed.",
    )
