"""Routes for API clients: ingest, tokens of apps, health checks and metrics."""

from flask import Flask

from callevents.api import health, ingest, metrics, oauth, rate_limit, uapi, v1
from callevents.api.authentication import TokenCache
from callevents.api.fast_path import FastPath
from callevents.api.problems import http_problem
from callevents.extensions import app_state
from callevents.ingest.discarded import DiscardedReports
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.token_notes import TokenNotes


def init_app(app: Flask) -> None:
    """Register the blueprints and their services."""
    state = app_state(app)
    state.add(rate_limit.RateLimiter(state.settings.ingest_events_per_minute))
    state.add(TokenCache())
    state.add(DiscardedReports(app))
    state.add(TokenNotes(app))
    state.add(GroupCommit(app))
    paths = ("/ingest", "/healthz", "/readyz", "/metrics")
    state.error_responses.update(dict.fromkeys(paths, http_problem))
    state.error_responses[oauth.PATH] = oauth.http_error
    app.register_blueprint(health.bp)
    app.register_blueprint(ingest.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(oauth.bp)
    v1.init_app(app)
    uapi.init_app(app)
    # With DEBUG, every request goes through Flask, which logs it.
    if state.settings.log_level != "DEBUG":
        state.add(FastPath(app))
