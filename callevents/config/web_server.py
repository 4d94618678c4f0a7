"""Settings of the web server: its processes, and its limits for clients."""

from pydantic import Field

from callevents.config.base import SettingsGroup


class WebServerSettings(SettingsGroup):
    """The web server and the reverse proxies in front of it."""

    web_processes: int = Field(
        1, ge=1, le=64, description="Web server processes. With SQLite there is always one."
    )
    web_threads: int = Field(
        16,
        ge=1,
        le=512,
        description="Threads of one web server process: half of them for pages, half for reports "
        "that need a thread.",
    )
    head_timeout_seconds: float = Field(
        10, gt=0, le=600, description="Time limit for receiving the head of an HTTP request."
    )
    body_timeout_seconds: float = Field(
        30, gt=0, le=3600, description="Time limit for receiving the body of an HTTP request."
    )
    keepalive_seconds: float = Field(
        60,
        gt=0,
        le=3600,
        description="How long the web server keeps an idle connection open for another request.",
    )
    connections_per_address: int = Field(
        200,
        ge=1,
        le=2000,
        description="Connections that one IP address (with IPv6, one /64 network) can have open. "
        "With one more, the connection that has waited longest for its client is closed; those "
        "with a request in progress stay open. No effect with trusted proxies.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Number of reverse proxies in front of the web server whose X-Forwarded-For, "
        "-Proto and -Host are trusted.",
    )
