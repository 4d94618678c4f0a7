"""The management API: programs do what admins do on the pages."""

from flask import Blueprint, Flask

from callevents.api.v1 import about, connectors, documents, extensions, ingest_tokens, pbxs
from callevents.api.v1.dispatch import View, add_usage
from callevents.api.v1.operations import PREFIX, REGISTRY
from callevents.api.v1.problems import http_problem
from callevents.api.v1.rate_limit import RequestLimiter
from callevents.extensions import app_state, csrf

#: Importing a module registers its operations, in this order.
RESOURCES = (about, pbxs, ingest_tokens, connectors, extensions)


def init_app(app: Flask) -> None:
    """Register the routes and their services."""
    state = app_state(app)
    state.add(RequestLimiter(state.settings))
    state.error_responses[PREFIX] = http_problem
    bp = Blueprint("api_v1", __name__)
    for operation in REGISTRY.operations:
        bp.add_url_rule(
            operation.flask_path,
            endpoint=operation.id,
            view_func=View(operation),
            methods=[operation.method],
            provide_automatic_options=False,
        )
    documents.add_routes(bp)
    bp.after_request(add_usage)
    csrf.exempt(bp)
    app.register_blueprint(bp)
