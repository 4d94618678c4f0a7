"""The overview's figures for Prometheus, for who has the token of the setting."""

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
    """Answer the figures of all PBXs over the last hour."""
    settings = app_state().settings
    if not settings.metrics_token:
        raise NotFound("There are no metrics: CALLEVENTS_METRICS_TOKEN is not set.")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not compare_digest(given.encode(), settings.metrics_token.encode()):
        raise Unauthorized("Send the token of CALLEVENTS_METRICS_TOKEN as a bearer token.")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OverviewCollector(overview.look()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _OverviewCollector(Collector):
    def __init__(self, found: Overview) -> None:
        self._found = found

    def collect(self) -> Iterator[Gauge]:
        """Return each figure."""
        found, total, backlog = self._found, self._found.total, self._found.backlog
        due_since = backlog.due_since
        overdue = (found.now - due_since).total_seconds() if due_since else 0.0
        for name, text, value in (
            ("events_last_hour", "Call events accepted in the last hour.", total.events),
            ("deliveries_open", "Deliveries that wait or are being made.", backlog.count),
            ("deliveries_overdue_seconds", "How long the oldest due one has waited.", overdue),
            ("hooks_suspended", "Requests that are suspended.", found.suspended),
            ("hooks_failing", "Requests that fail or are suspended.", len(found.failing)),
            (
                "circuit_breakers_open",
                "Receivers with an open circuit breaker.",
                len(found.origins),
            ),
            ("workers_alive", "Workers that have been heard lately.", len(found.alive)),
        ):
            yield Gauge(f"callevents_{name}", text, value=value)
        text = "Deliveries of the last hour's events, by what has become of them."
        deliveries = Gauge("callevents_deliveries_last_hour", text, labels=["state"])
        for state in DeliveryState:
            deliveries.add_metric([state.value], getattr(total, state.value))
        yield deliveries
        text = "Time from acceptance to delivered in the last hour, estimated."
        latency = Gauge("callevents_latency_seconds", text, labels=["quantile"])
        for quantile in QUANTILES:
            if (milliseconds := total.latency_ms(quantile)) is not None:
                latency.add_metric([f"{quantile:g}"], milliseconds / 1000)
        yield latency
