"""The description of the API for programs."""

from functools import cache

from flask import Blueprint, Response, jsonify

from callevents.api.v1.openapi import make_document
from callevents.api.v1.operations import PREFIX


def add_routes(bp: Blueprint) -> None:
    """Add the routes; they need no token."""
    bp.add_url_rule(f"{PREFIX}/openapi.json", view_func=show_openapi, methods=["GET"])


def show_openapi() -> Response:
    """Return the OpenAPI document."""
    return jsonify(_document())


@cache
def _document() -> dict[str, object]:
    return make_document()
