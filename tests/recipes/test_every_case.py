"""Simulated receivers accept each request of their recipe, for every kind of call."""

from contextlib import closing

import pytest

from callevents.config.settings import Settings
from callevents.delivery.http.client import HttpClient
from callevents.receivers.recipe_files import FOLDER, read_recipe
from callevents.receivers.recipes import Recipe, RecipeRequest
from tests.recipes.calls import make_cases
from tests.recipes.rendering import is_meant, is_refused, render
from tests.recipes.simulated import SIMULATED
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.oauth import ClientCredentials

#: They need earlier requests of the call.
WITH_STATE = {"bitrix24", "zammad"}
#: Without those whose tokens have to be fetched before.
NAMES = sorted(
    name
    for name, simulated in SIMULATED.items()
    if name not in WITH_STATE and not issubclass(simulated, ClientCredentials)
)
REQUESTS = [
    pytest.param(recipe, request, id=f"{recipe.slug} {request.name}")
    for recipe in (read_recipe(FOLDER / f"{name}.toml") for name in NAMES)
    for request in recipe.requests
]
CASES = list(make_cases())


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
            answers = simulated.answers_at(socket.url)
            response = http.send(render(recipe, request_, case.event, simulated.users, answers))
            assert (response.error, simulated.refused) == ("", []), f"{case.name}: {response.body}"
