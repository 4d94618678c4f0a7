"""How the installation is kept: figures, retention, limits and logs."""

from pydantic import Field

from callevents.config.base import SettingsGroup


class OperationsSettings(SettingsGroup):
    """What the operator watches and clears."""

    metrics_token: str = Field(
        "", description="Token with which Prometheus reads /metrics. Empty: there are no metrics."
    )
    retention_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Call events are removed with their deliveries and attempts when they are "
        "older than this; 0 keeps them for ever.",
    )
    shutdown_seconds: float = Field(
        5, ge=0, le=300, description="How long a stopping worker waits for its running attempts."
    )
    ingest_events_per_minute: int = Field(
        120_000,
        ge=1,
        description="Call events that one PBX may report within a minute to one web process; "
        "more are answered with 429.",
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|console|json)$",
        description="console, json, or auto: console on a terminal, JSON elsewhere.",
    )
