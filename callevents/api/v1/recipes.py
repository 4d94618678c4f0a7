"""Recipes: how receivers take call events."""

from collections.abc import Sequence

from pydantic import Field

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import Answer, ListQuery, NoQuery, Page
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api_access.scopes import ApiScope
from callevents.enums import HookScope, Method, ReceiverAuth
from callevents.receivers import recipes
from callevents.receivers.recipe_files import find_recipe, load_recipes
from callevents.validation import EventName

TAG = "Recipes"
LIST_NAME = "recipes"
EXAMPLE = {
    "recipe": "zammad",
    "name": "Zammad",
    "category": "Help desk",
    "summary": "Opens the ticket of the caller, and keeps the caller log.",
    "steps": ["Enable CTI (generic) in the settings of Zammad."],
    "address": "{url}/api/v1/cti/{receiver.token}",
    "authentication": "none",
    "questions": [
        {
            "name": "token",
            "label": "Token",
            "kind": "secret",
            "help": "",
            "example": "",
            "choices": [],
            "default": "",
            "is_optional": False,
        }
    ],
    "requests": [
        {
            "name": "new-call",
            "label": "New call",
            "event": "dial-in",
            "method": "POST",
            "per": "call",
            "is_default": True,
        }
    ],
    "test": {"request": "new-call", "shows": "The caller log has a new entry."},
    "can_fetch_users": False,
    "limits": [],
    "sources": ["https://docs.zammad.org/en/latest/api/generic-cti/index.html"],
    "read_on": "2026-11-29",
    "tried_on": "",
}


class RecipeQuestion(Answer):
    """A value to send with a new receiver."""

    name: str
    label: str
    kind: str = Field(
        description="`text`, `address`, `secret`, `secret-address` (a URL of whose path the last "
        "part is secret), `choice`, `number` or `zone` (a time zone)."
    )
    help: str
    example: str
    choices: Sequence[str] = Field(description="For a choice: the possible values.")
    default: str
    is_optional: bool


class RecipeRequest(Answer):
    """A request that connecting extensions makes."""

    name: str
    label: str
    event: EventName
    method: Method
    per: HookScope = Field(description="`extension`: for each; `call`: once per call.")
    is_default: bool = Field(description="It is made unless you choose others.")


class RecipeTest(Answer):
    """The test request, and what the receiver then shows."""

    request: str
    shows: str


class Recipe(Answer):
    """How to send call events to a kind of receiver."""

    recipe: str = Field(description="The name of the recipe.")
    name: str
    category: str
    summary: str
    steps: Sequence[str] = Field(description="How to prepare the receiver.")
    address: str
    authentication: ReceiverAuth
    questions: Sequence[RecipeQuestion]
    requests: Sequence[RecipeRequest]
    test: RecipeTest
    can_fetch_users: bool = Field(description="It can ask the receiver for the user map.")
    limits: Sequence[str] = Field(description="What it does not do.")
    sources: Sequence[str]
    read_on: str
    tried_on: str = Field(description="The version on which it was tried; empty: none.")


@operation(
    "GET",
    "/recipes",
    scope=ApiScope.RECEIVERS_READ,
    summary="List recipes",
    tag=TAG,
    query=ListQuery,
    answer=Page[Recipe],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_recipes(call: Call[ListQuery, None]) -> Page[Recipe]:
    """List the recipes by name."""
    start = find_start(call.query, LIST_NAME)
    found = load_recipes().found
    rows = [found[name] for name in sorted(found) if start is None or name > start]
    return make_page(call.query, LIST_NAME, rows, lambda recipe: recipe.slug, to_answer)


@operation(
    "GET",
    "/recipes/{recipe}",
    scope=ApiScope.RECEIVERS_READ,
    summary="Get a recipe",
    tag=TAG,
    answer=Recipe,
    answer_example=EXAMPLE,
)
def get_recipe(call: Call[NoQuery, None], recipe: str) -> Recipe:  # noqa: ARG001  # as all are
    """Return a recipe."""
    found = find_recipe(recipe)
    if found is None:
        raise not_found("recipe")
    return to_answer(found)


def to_answer(recipe: recipes.Recipe) -> Recipe:
    """Return the recipe as the API shows it."""
    return Recipe(
        recipe=recipe.slug,
        name=recipe.name,
        category=recipe.category,
        summary=recipe.summary,
        steps=recipe.steps,
        address=recipe.address,
        authentication=recipe.auth.kind,
        questions=list(map(_to_question, recipe.questions)),
        requests=list(map(_to_request, recipe.requests)),
        test=RecipeTest(request=recipe.test.request, shows=recipe.test.shows),
        can_fetch_users=bool(recipe.users and recipe.users.fetch_path),
        limits=recipe.limits,
        sources=recipe.sources,
        read_on=recipe.read_on.isoformat(),
        tried_on=recipe.tried_on,
    )


def _to_question(question: recipes.Question) -> RecipeQuestion:
    return RecipeQuestion(
        name=question.name,
        label=question.label,
        kind=question.kind,
        help=question.help,
        example=question.example,
        choices=list(question.choices),
        default=question.default,
        is_optional=question.is_optional,
    )


def _to_request(request: recipes.RecipeRequest) -> RecipeRequest:
    return RecipeRequest(
        name=request.name,
        label=request.label,
        event=request.event,
        method=request.method,
        per=request.scope,
        is_default=request.is_default,
    )
