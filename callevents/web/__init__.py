"""What people use: the pages."""

from flask import Flask

from callevents import headers
from callevents.web import (
    account,
    addresses,
    calls,
    connect,
    connectors,
    deliveries,
    delivery_actions,
    errors,
    example_events,
    extensions,
    guard,
    hooks,
    hx,
    overview,
    pbxs,
    presentation,
    proposals,
    reports,
    session,
    start,
    suspension,
    tokens,
)

PAGES = (
    account,
    start,
    pbxs,
    tokens,
    connect,
    reports,
    connectors,
    example_events,
    extensions,
    proposals,
    hooks,
    deliveries,
    delivery_actions,
    calls,
    overview,
    suspension,
)


def init_app(app: Flask) -> None:
    """Register the blueprints for people, and what all pages share."""
    session.init_app(app)
    headers.init_app(app)
    hx.init_app(app)
    errors.init_app(app)
    guard.init_app(app)
    presentation.init_app(app)
    addresses.init_app(app)
    for pages in PAGES:
        app.register_blueprint(pages.bp)
