"""Recipes: data files that say how to send call events to a kind of receiver."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from callevents.conditions.document import GivenConditions
from callevents.delivery.request.placeholders import find_placeholders
from callevents.enums import (
    BodyFormat,
    HookScope,
    Method,
    MissingAnswer,
    ParameterSet,
    ReceiverAuth,
)
from callevents.validation import EventName

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Part(BaseModel):
    """A part of a recipe. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(Part):
    """A value that the admin enters. Requests use it as `{receiver.NAME}`."""

    name: Name
    label: str
    #: `address`: a URL with its host; `secret`: encrypted, and masked everywhere; `secret-address`:
    #: a URL of whose path the last part is secret, and is kept as its answer; `zone`: of times.
    kind: Literal["text", "address", "secret", "secret-address", "choice", "number", "zone"] = (
        "text"
    )
    help: str = ""
    example: str = ""
    choices: dict[str, str] = Field(default_factory=dict)
    default: str = ""
    is_optional: bool = False

    @property
    def is_secret(self) -> bool:
        """True if its answer is stored encrypted, and never shown."""
        return self.kind in {"secret", "secret-address"}


class RecipeRequest(Part):
    """A request for one call event."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
    label: str
    event: EventName
    method: Method = Method.POST
    #: Appended to the address.
    path: str = ""
    body_format: BodyFormat = BodyFormat.TEMPLATE
    parameters: ParameterSet = ParameterSet.ALL
    content_type: str = "application/json"
    body: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    scope: HookScope = HookScope.EXTENSION
    conditions: GivenConditions | None = None
    answers: dict[str, str] = Field(default_factory=dict)
    missing_answer: MissingAnswer = MissingAnswer.FAIL
    give_up_seconds: int = 24 * 3600
    in_order: bool = True
    #: False if an admin has to choose it.
    is_default: bool = True


class RecipeAuth(Part):
    """How requests authenticate. Values may be `{NAME}` of a question."""

    kind: ReceiverAuth = ReceiverAuth.NONE
    values: dict[str, str] = Field(default_factory=dict)


class RecipeUsers(Part):
    """What the user map is for; the map is edited at the receiver."""

    label: str
    help: str = ""
    is_required: bool = False
    #: Where the receiver lists it: a path, and JSON pointers.
    fetch_path: str = ""
    fetch_items: str = ""
    fetch_number: str = ""
    fetch_user: str = ""


class RecipeTest(Part):
    """Which request is sent as a test, and what the receiver then shows."""

    request: str
    shows: str


class Recipe(Part):
    """A recipe, as its file has it."""

    #: The name of the file.
    slug: str
    name: str
    category: Literal["CRM", "Help desk", "Chat", "Automation", "Notification", "Log"]
    summary: str
    #: How to prepare the receiver, in Markdown-free sentences, one step each.
    steps: list[str] = Field(default_factory=list)
    sources: list[str]
    read_on: date
    #: On which version it was tried; empty: only read in the vendor's documentation.
    tried_on: str = ""
    limits: list[str] = Field(default_factory=list)
    #: What URLs begin with; `{NAME}` of a question of the kind `address` only at the beginning.
    address: str
    questions: list[Question] = Field(default_factory=list)
    auth: RecipeAuth = RecipeAuth()
    maps: dict[str, dict[str, str]] = Field(default_factory=dict)
    users: RecipeUsers | None = None
    requests: list[RecipeRequest]
    test: RecipeTest
    max_per_second: float | None = None
    max_in_flight: int | None = None

    @property
    def has_e164(self) -> bool:
        """True if requests have numbers in E.164, for which the PBX needs a country."""
        texts = [
            text for one in self.requests for text in (one.path, one.body, *one.headers.values())
        ]
        steps = (step for text in texts for one in find_placeholders(text) for step in one.steps)
        return any(name == "e164" for name, _argument in steps)
