"""What people use: the pages."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the blueprints for people."""
