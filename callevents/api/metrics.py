"""Metrics for Prometheus, for clients with the token of CALLEVENTS_METRICS_TOKEN."""

from collections.abc import Iterator
from secrets import compare_digest

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from werkzeug.exceptions import NotFound, Unauthorized

from callevents.enums import DeliveryState
from callevents.extensions import app_state
from callevents.operations import overview
from callevents.operations.overview import Overview

QUANTILES = (0.5, 0.95, 0.99)

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def show() -> Response:
    """Return the metrics of all PBXs over the last hour."""
    settings = app_state().settings
    if not settings.metrics_token:
        raise NotFound("Metrics are disabled: CALLEVENTS_METRICS_TOKEN is not set.")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not compare_digest(given.encode(), settings.metrics_token.encode()):
        raise Unauthorized("Send CALLEVENTS_METRICS_TOKEN as a bearer token.")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OverviewCollector(overview.load_overview()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _OverviewCollector(Collector):
    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def collect(self) -> Iterator[Gauge]:
        """Yield each metric."""
        found, total, backlog = self._overview, self._overview.total, self._overview.backlog
        due_since = backlog.due_since
        overdue = (found.now - due_since).total_seconds() if due_since else 0.0
        for name, text, value in (
            ("events_last_hour", "Call events accepted in the last hour.", total.events),
            ("deliveries_open", "Deliveries that are pending or in progress.", backlog.count),
            ("deliveries_held", "Deliveries held for disabled requests.", backlog.held),
            ("deliveries_overdue_seconds", "How long the oldest due delivery is overdue.", overdue),
            ("hooks_suspended", "Suspended requests.", found.suspended),
            ("hooks_failing", "Failing or suspended requests.", len(found.failing)),
            (
                "circuit_breakers_open",
                "Receivers with an open circuit breaker.",
                len(found.origins),
            ),
            ("workers_alive", "Workers with a recent heartbeat.", len(found.alive)),
            (
                "foreign_jobs",
                "Jobs in Redis that are not ours, dropped by the workers since their start.",
                found.foreign_jobs,
            ),
        ):
            yield Gauge(f"callevents_{name}", text, value=value)
        text = "Deliveries of the last hour's events, by state."
        deliveries = Gauge("callevents_deliveries_last_hour", text, labels=["state"])
        for state in DeliveryState:
            deliveries.add_metric([state.value], getattr(total, state.value))
        yield deliveries
        text = "Estimated time from acceptance to delivery in the last hour."
        latency = Gauge("callevents_latency_seconds", text, labels=["quantile"])
        for quantile in QUANTILES:
            if (milliseconds := total.latency_ms(quantile)) is not None:
                latency.add_metric([f"{quantile:g}"], milliseconds / 1000)
        yield latency
