"""The web server with the operations of tests: python -m tests.api.v1.serve_things."""

from flask import Flask

from callevents import create_app
from callevents.config import load_settings
from callevents.config.settings import Settings
from callevents.processes.web_server.server import serve
from tests.api.v1.things import add_things


def make_app(settings: Settings) -> Flask:
    """Return the application with the operations of tests."""
    app = create_app(settings)
    add_things(app)
    return app


if __name__ == "__main__":
    serve(load_settings(), make_app)
