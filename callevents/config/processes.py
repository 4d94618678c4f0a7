"""How many processes and threads there are, and what stands before them."""

from pydantic import Field

from callevents.config.group import Group


class Processes(Group):
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
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Reverse proxies in front of the web server whose X-Forwarded-For, -Proto and "
        "-Host are believed.",
    )
