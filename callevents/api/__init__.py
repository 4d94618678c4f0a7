"""What programs use: the ingest route, and what they ask to watch over us."""

from flask import Flask

from callevents.api import health, ingest, metrics
from callevents.api.express import Express
from callevents.api.problems import http_problem
from callevents.api.senders import Senders
from callevents.config import Settings
from callevents.intake import Intake
from callevents.odd_reports import OddReports


def init_app(app: Flask) -> None:
    """Register the blueprints for programs."""
    settings: Settings = app.extensions["callevents_settings"]
    app.extensions["callevents_limiter"] = ingest.Limiter(settings.ingest_events_per_minute)
    app.extensions["callevents_senders"] = Senders()
    app.extensions["callevents_odd_reports"] = OddReports(app)
    app.extensions["callevents_intake"] = Intake(app)
    # Errors below these paths are answered as programs read them, not with a page.
    programs = app.extensions.setdefault("callevents_programs", {})
    programs.update(dict.fromkeys(("/ingest", "/healthz", "/readyz", "/metrics"), http_problem))
    app.register_blueprint(health.bp)
    app.register_blueprint(ingest.bp)
    app.register_blueprint(metrics.bp)
    # To look into each request, DEBUG has all go the long way, with a line in the log.
    if settings.log_level != "DEBUG":
        app.extensions["callevents_express"] = app.wsgi_app = Express(app)  # type: ignore[method-assign]  # as Werkzeug documents it
