"""What programs use: the ingest route, and what they ask to watch over us."""

from flask import Flask

from callevents.api import health, ingest, metrics, rate_limit
from callevents.api.authentication import TokenCache
from callevents.api.fast_path import FastPath
from callevents.api.problems import http_problem
from callevents.extensions import app_state
from callevents.ingest.discarded import DiscardedReports
from callevents.ingest.group_commit import GroupCommit


def init_app(app: Flask) -> None:
    """Register the blueprints for programs."""
    own = app_state(app)
    own.add(rate_limit.RateLimiter(own.settings.ingest_events_per_minute))
    own.add(TokenCache())
    own.add(DiscardedReports(app))
    own.add(GroupCommit(app))
    paths = ("/ingest", "/healthz", "/readyz", "/metrics")
    own.error_responses.update(dict.fromkeys(paths, http_problem))
    app.register_blueprint(health.bp)
    app.register_blueprint(ingest.bp)
    app.register_blueprint(metrics.bp)
    # With DEBUG, every request goes through Flask, which logs it.
    if own.settings.log_level != "DEBUG":
        own.add(FastPath(app))
