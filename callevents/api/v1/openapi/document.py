"""The document: information, paths, webhooks and components, put together."""

from typing import Any

from callevents.api.v1.openapi.describe import describe_operation
from callevents.api.v1.openapi.fields import HEADERS, PARAMETERS
from callevents.api.v1.openapi.problems import SharedResponses, list_problem_types
from callevents.api.v1.openapi.schemas import Schemas
from callevents.api.v1.openapi.security import SECURITY_SCHEMES
from callevents.api.v1.openapi.texts import DESCRIPTION, SUMMARY, TAGS, VERSION
from callevents.api.v1.openapi.webhooks import WEBHOOKS_TAG, describe_webhooks
from callevents.api.v1.operations import PREFIX, REGISTRY, Registry

SELF = f"{PREFIX}/openapi.json"


def make_document(registry: Registry = REGISTRY) -> dict[str, Any]:
    """Return the document as a JSON object."""
    schemas = Schemas(registry.operations)
    responses = SharedResponses(schemas)
    paths: dict[str, dict[str, Any]] = {}
    # Lists first, then single objects, then what belongs to these.
    for one in sorted(registry.operations, key=lambda one: one.path.count("/")):
        described = describe_operation(one, schemas, responses)
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = described
    order = {tag: position for position, tag in enumerate(TAGS)}
    used = dict.fromkeys(one.tag for one in registry.operations)
    tags = sorted(used, key=lambda tag: order.get(tag, len(order)))
    paths[SELF] = {"get": _describe_itself(tags[0])}
    components: dict[str, Any] = {
        "schemas": schemas.components,
        "responses": responses.components,
        "parameters": PARAMETERS,
        "headers": HEADERS,
        "securitySchemes": SECURITY_SCHEMES,
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Call Events",
            "version": VERSION,
            "summary": SUMMARY,
            "description": DESCRIPTION,
            "contact": {"name": "The admin of this installation"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The installation that you have this from"}],
        "tags": [{"name": tag, "description": TAGS.get(tag, "")} for tag in (*tags, WEBHOOKS_TAG)],
        "paths": paths,
        "webhooks": describe_webhooks(),
        "components": components,
        "x-problem-types": list_problem_types(),
    }
    _drop_unused(document, components)
    return document


def _describe_itself(tag: str) -> dict[str, Any]:
    return {
        "operationId": "getOpenapi",
        "summary": "Get this document",
        "description": "Return the OpenAPI document of this installation. It needs no token.",
        "tags": [tag],
        "security": [],
        "responses": {
            "200": {
                "description": "OK",
                "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "required": ["openapi", "info", "paths"]},
                    }
                },
            }
        },
    }


def _drop_unused(document: dict[str, Any], components: dict[str, Any]) -> None:
    """Drop components that no operation needs, such as the header of deprecated routes."""
    used = set(_references_in(document))
    for kind in ("schemas", "parameters", "headers"):
        components[kind] = {
            name: one
            for name, one in components[kind].items()
            if f"#/components/{kind}/{name}" in used
        }


def _references_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for one in value.values() for found in _references_in(one)]
    if isinstance(value, list):
        return [found for one in value for found in _references_in(one)]
    return []
