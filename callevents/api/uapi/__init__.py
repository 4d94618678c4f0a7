"""VoipNow's UnifiedAPI for phone call events: its clients work here unchanged."""

from flask import Flask

from callevents.api.uapi.errors import BASES, http_error_response
from callevents.api.uapi.routes import bp
from callevents.extensions import app_state


def init_app(app: Flask) -> None:
    """Register the routes."""
    app_state(app).error_responses.update(dict.fromkeys(BASES, http_error_response))
    app.register_blueprint(bp)
