"""Settings of operation: metrics, retention, history, limits and logs."""

from pathlib import Path

from pydantic import Field, field_validator

from callevents.config.base import SettingsGroup


class OperationsSettings(SettingsGroup):
    """Metrics, retention, history, limits and logs."""

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
    audit_retention_days: int = Field(
        400,
        ge=0,
        le=36500,
        description="Entries of the history older than this are removed. 0 keeps them forever.",
    )
    audit_file: Path | None = Field(
        None,
        description="File that each entry of the history is appended to, as a line of JSON. "
        "Empty: none.",
    )
    audit_syslog: str = Field(
        "",
        description="Syslog that each entry of the history is sent to: a socket such as /dev/log, "
        "or host:port over UDP. Empty: none.",
    )
    shutdown_seconds: float = Field(
        5, ge=0, le=300, description="How long a stopping worker waits for its running attempts."
    )
    api_requests_per_minute: int = Field(
        600,
        ge=1,
        le=1_000_000,
        description="Requests to the APIs that one token or app can make within a minute. More get "
        "a 429.",
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

    @field_validator("audit_syslog")
    @classmethod
    def _check_audit_syslog(cls, value: str) -> str:
        if value:
            parse_syslog_address(value)
        return value


def parse_syslog_address(text: str) -> str | tuple[str, int]:
    """Return the path of a socket, or host and port; raises ValueError."""
    if text.startswith("/"):
        return text
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("must be the path of a socket such as /dev/log, or host:port")
    return host, int(port)
