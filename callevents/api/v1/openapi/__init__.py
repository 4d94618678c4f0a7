"""The OpenAPI 3.1 document, made from the registered operations."""

from callevents.api.v1.openapi.document import make_document
from callevents.api.v1.problem_models import Problem, ProblemField

__all__ = ["Problem", "ProblemField", "make_document"]
