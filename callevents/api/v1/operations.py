"""Operations of the management API: each route with its scope, models, errors and examples.

The decorator `operation` registers a route; `dispatch.py` runs it, `openapi.py` describes it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from callevents.api.v1.models import Answer, Body, NoQuery, Query
from callevents.api.v1.problems import ProblemType
from callevents.api_access.scopes import ApiScope

PREFIX = "/api/v1"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: The ID of a removal, to undo it.
REMOVAL_HEADER = "Removal-ID"

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Created:
    """The answer 201 with the object and its address."""

    answer: Answer
    #: The path below PREFIX.
    path: str


@dataclass(frozen=True)
class Operation:
    """A route of the API, and what its description says of it."""

    method: str
    #: Below PREFIX, with the parameters in braces: `/hooks/{event_id}`.
    path: str
    handler: Callable[..., Any]
    summary: str
    tag: str
    #: None: any valid token.
    scope: ApiScope | None
    status: int = 200
    query: type[Query] = NoQuery
    body: type[Body] | None = None
    #: None: an answer without content.
    answer: type[Answer] | None = None
    #: The answer is one object with an ETag; a change of it heeds If-Match.
    has_etag: bool = False
    #: It works outside of a transaction of the database, such as a request to a receiver. It begins
    #: and commits its own ones.
    is_external: bool = False
    #: Slow work with the Call before the transaction, such as hashing a password. It checks rights
    #: itself; what it returns is `call.prepared`.
    prepare: Callable[[Any], Any] | None = None
    #: A PUT that answers 201 with `Created` if there was no such object.
    may_create: bool = False
    problems: frozenset[ProblemType] = frozenset()
    #: Examples of the body and of the answer, as JSON has them.
    body_example: Any = None
    answer_example: Any = None
    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    #: Media types of the answer and of the body, besides JSON.
    more_media_types: Sequence[str] = ()
    body_media_types: Sequence[str] = ()
    #: Names of header fields of the answer, besides those that others have too.
    more_headers: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The operationId: the handler's name in camel case."""
        first, *rest = self.handler.__name__.split("_")
        return first + "".join(map(str.capitalize, rest))

    @property
    def description(self) -> str:
        """The text of the handler's documentation."""
        return re.sub(r"\n +", "\n", (self.handler.__doc__ or "").strip())

    @property
    def flask_path(self) -> str:
        """The path as Flask's routes have it."""
        return PREFIX + re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def changes(self) -> bool:
        """True if the operation changes something."""
        return self.method in UNSAFE


@dataclass
class Registry:
    """Operations, in the order in which they are described."""

    operations: list[Operation] = field(default_factory=list)

    def add(self, operation: Operation) -> None:
        """Add an operation; raises ValueError if its ID, or its method and path, are not unique."""
        for one in self.operations:
            if one.id == operation.id:
                raise ValueError(f"There are two operations {operation.id}.")
            if (one.method, one.path) == (operation.method, operation.path):
                raise ValueError(f"There are two operations {one.method} {one.path}.")
        self.operations.append(operation)

    def operation(
        self, method: str, path: str, *, scope: ApiScope | None, summary: str, tag: str, **more: Any
    ) -> Callable[[Handler], Handler]:
        """Register the function as an operation; `more`: see Operation.

        The function takes the Call and the parameters of the path. It returns an Answer, Created,
        or None for an answer without content, and raises ApiError or an error of the domain. If the
        method changes something, it runs in a write transaction, which is committed afterwards.
        """

        def register(handler: Handler) -> Handler:
            self.add(Operation(method, path, handler, summary, tag, scope, **more))
            return handler

        return register


#: The operations of the API.
REGISTRY = Registry()
operation = REGISTRY.operation


#: Parameters of paths: description and example.
PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "delivery_id": ("The ID of the delivery.", "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10"),
    "number": ("The number of the attempt; the first one is 1.", "1"),
    "call_event_id": ("The ID of the call event.", "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01"),
    "slug": ("The short name of the PBX, a part of its addresses.", "head-office"),
    "ingest_token_id": ("The ID of the ingest token.", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"),
    "extension_id": ("The ID of the extension.", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"),
    "group_id": ("The ID of the group.", "7"),
    "username": ("The name of the user.", "ben"),
    "token_id": ("The ID of the API token.", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"),
    "client_id": ("The client ID of the app.", "5d0c4f7b9a1e42c38b6f70d2e95a1c34"),
    "entry_id": ("The ID of the entry.", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"),
    "receiver": ("The short name of the receiver.", "our-crm"),
    "recipe": ("The name of the recipe.", "zammad"),
    "change_id": ("The ID of the change.", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"),
    "event_id": ("The Event ID: the ID of the hook.", "q3XbWn7TtC0vJ8mYzK5pLrD2sHfGa1"),
}
