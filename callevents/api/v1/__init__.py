"""The management API: programs do what admins do on the pages."""

from flask import Blueprint, Flask

from callevents.api.request_limit import RequestLimiter
from callevents.api.v1 import (
    about,
    apps,
    audit,
    calls,
    config,
    connectors,
    deliveries,
    delivery_actions,
    documents,
    event_types,
    events,
    extensions,
    groups,
    hooks,
    hooks_actions,
    hooks_bulk,
    ingest_tokens,
    pbxs,
    receiver_actions,
    receiver_users,
    receivers,
    recipes,
    status,
    tokens,
    users,
)
from callevents.api.v1.dispatch import View
from callevents.api.v1.headers import add_headers
from callevents.api.v1.operations import PREFIX, REGISTRY, Registry
from callevents.api.v1.problems import http_problem
from callevents.extensions import app_state, csrf

#: Importing a module registers its operations, in this order.
RESOURCES = (
    about,
    status,
    event_types,
    pbxs,
    ingest_tokens,
    connectors,
    extensions,
    groups,
    hooks,
    hooks_actions,
    receivers,
    receiver_actions,
    receiver_users,
    recipes,
    hooks_bulk,
    deliveries,
    delivery_actions,
    calls,
    events,
    users,
    tokens,
    apps,
    audit,
    config,
)


def init_app(app: Flask) -> None:
    """Register the routes and their services."""
    state = app_state(app)
    state.add(RequestLimiter(state.settings))
    state.error_responses[PREFIX] = http_problem
    state.describe_api = documents.api_document
    bp = make_blueprint("api_v1", REGISTRY)
    documents.add_routes(bp)
    app.register_blueprint(bp)


def make_blueprint(name: str, registry: Registry) -> Blueprint:
    """Return a blueprint with the operations as its routes."""
    bp = Blueprint(name, __name__)
    for operation in registry.operations:
        bp.add_url_rule(
            operation.flask_path,
            endpoint=operation.id,
            view_func=View(operation),
            methods=[operation.method],
            provide_automatic_options=False,
            # A redirect would be neither the answer nor an error.
            merge_slashes=False,
        )
    bp.after_request(add_headers)
    csrf.exempt(bp)
    return bp
