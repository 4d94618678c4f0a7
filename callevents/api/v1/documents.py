"""The description of the API for programs."""

from functools import cache
from typing import Any

from flask import Blueprint, Response

from callevents.api.v1.openapi import make_document
from callevents.api.v1.openapi.document import SELF
from callevents.api.v1.openapi.printing import print_document


def add_routes(bp: Blueprint) -> None:
    """Add the route; it needs no token."""
    bp.add_url_rule(SELF, view_func=show_openapi, methods=["GET"], provide_automatic_options=False)


def show_openapi() -> Response:
    """Return the OpenAPI document."""
    return Response(openapi_text(), content_type="application/json")


@cache
def api_document() -> dict[str, Any]:
    """Return the document, made once. Do not change it."""
    return make_document()


@cache
def openapi_text() -> str:
    """Return the document as text."""
    return print_document(api_document())
