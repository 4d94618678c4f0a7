"""Simulated receivers accept each request of their recipe, for every kind of call."""

from contextlib import closing

import pytest

from callevents.config.settings import Settings
from callevents.delivery.http.client import HttpClient
from callevents.enums import CallFlow, EventType
from callevents.receivers.recipe_files import FOLDER, read_recipe
from callevents.receivers.recipes import Recipe, RecipeRequest
from tests.recipes.calls import make_cases, make_event
from tests.recipes.rendering import is_meant, is_refused, render
from tests.recipes.simulated import SIMULATED
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.oauth import ClientCredentials

RECIPES = {path.stem: read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))}
#: OAuth 2.0 in general has no recipe.
WITHOUT_RECIPE = {"oauth"}
#: Requests that need values of earlier answers: tests/recipes/test_whole_calls.py has them.
WITH_ANSWERS = {("bitrix24", "card-for-answer"), ("bitrix24", "end")}
#: Their other requests need a call that has begun.
BEGINNINGS = {"vtiger": "incoming-call", "zammad": "incoming-call"}
REQUESTS = [
    pytest.param(recipe, request, id=f"{name} {request.name}")
    for name, recipe in RECIPES.items()
    for request in recipe.requests
    if (name, request.name) not in WITH_ANSWERS
]
CASES = list(make_cases())
RINGING = make_event(EventType.DIAL_IN, CallFlow.IN)


def find_beginning(recipe: Recipe, request: RecipeRequest) -> RecipeRequest | None:
    """Return the request that begins the call of another one; None if that needs none."""
    if recipe.slug not in BEGINNINGS or request.event in {"dial-in", "dial-out"}:
        return None
    return next(one for one in recipe.requests if one.name == BEGINNINGS[recipe.slug])


def test_each_recipe_has_a_simulated_receiver() -> None:
    """No recipe is left out."""
    assert SIMULATED.keys() - WITHOUT_RECIPE == RECIPES.keys()


@pytest.mark.parametrize(("recipe", "request_"), REQUESTS)
def test_request_is_accepted(recipe: Recipe, request_: RecipeRequest, settings: Settings) -> None:
    """Sent by our HTTP client; also with hostile names, hidden numbers, and without a user."""
    cases = [
        case
        for case in CASES
        if is_meant(request_, case.event) and not is_refused(recipe, request_, case)
    ]
    assert cases, "no case meets the conditions"
    with closing(listen(SIMULATED[recipe.slug]())) as socket, closing(HttpClient(settings)) as http:
        for case in cases:
            simulated = SIMULATED[recipe.slug]()
            socket.reply = simulated
            token = simulated.issue() if isinstance(simulated, ClientCredentials) else ""
            told = (simulated.users, simulated.answers_at(socket.url), token)
            if first := find_beginning(recipe, request_):
                http.send(render(recipe, first, RINGING, *told))
            response = http.send(render(recipe, request_, case.event, *told))
            assert (response.error, simulated.refused) == ("", []), f"{case.name}: {response.body}"
