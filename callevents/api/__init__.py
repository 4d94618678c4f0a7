"""What programs use: the ingest route, and the answers to 'do you live, are you ready'."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the blueprints for programs."""
