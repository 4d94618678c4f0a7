"""The OpenAPI 3.1 document, made from the registered operations."""

from callevents.api.v1.openapi.document import make_document

__all__ = ["make_document"]
