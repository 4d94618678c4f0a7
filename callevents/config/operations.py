"""Settings of operation: metrics, retention, limits and logs."""

from pydantic import Field

from callevents.config.base import SettingsGroup


class OperationsSettings(SettingsGroup):
    """Metrics, retention, limits and logs."""

    metrics_token: str = Field(
        "", description="Token with which Prometheus reads /metrics. Empty: no metrics."
    )
    retention_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Call events older than this are removed with their deliveries and attempts, "
        "but never while a delivery is pending. 0 keeps them forever.",
    )
    shutdown_seconds: float = Field(
        5, ge=0, le=300, description="How long a stopping worker waits for its running attempts."
    )
    ingest_events_per_minute: int = Field(
        120_000,
        ge=1,
        description="Call events that one PBX can report to one web process within a minute. More "
        "get a 429.",
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
