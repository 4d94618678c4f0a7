"""What programs use: the ingest route, and the answers to 'do you live, are you ready'."""

from flask import Flask

from callevents.api import health, ingest
from callevents.config import Settings


def init_app(app: Flask) -> None:
    """Register the blueprints for programs."""
    settings: Settings = app.extensions["callevents_settings"]
    app.extensions["callevents_limiter"] = ingest.Limiter(settings.ingest_events_per_minute)
    app.register_blueprint(health.bp)
    app.register_blueprint(ingest.bp)
