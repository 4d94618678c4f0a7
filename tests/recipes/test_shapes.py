"""Each request of each recipe has the shape that its receiver documents, for every kind of call."""

import pytest

from callevents.receivers.recipe_files import FOLDER, read_recipe
from callevents.receivers.recipes import Recipe, RecipeRequest
from tests.recipes.calls import make_cases
from tests.recipes.rendering import is_meant, is_refused, render
from tests.recipes.shapes import SHAPES

RECIPES = {path.stem: read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))}
REQUESTS = [
    pytest.param(recipe, request, id=f"{name} {request.name}")
    for name, recipe in RECIPES.items()
    for request in recipe.requests
]
CASES = list(make_cases())


def test_each_recipe_has_shapes() -> None:
    """No recipe is left out."""
    assert set(SHAPES) == set(RECIPES)


@pytest.mark.parametrize(("recipe", "request_"), REQUESTS)
def test_request_has_the_shape_of_its_source(recipe: Recipe, request_: RecipeRequest) -> None:
    """Required fields, enumerations and formats; also with hostile names, and without a user."""
    shapes = SHAPES[recipe.slug]
    shape = shapes.get(request_.name) or shapes["*"]
    checked = 0
    for case in CASES:
        if is_meant(request_, case.event) and not is_refused(recipe, request_, case):
            try:
                shape.check(render(recipe, request_, case.event))
            except (AssertionError, ValueError) as error:
                error.add_note(f"The case is: {case.name}.")
                raise
            checked += 1
    assert checked, "no case meets the conditions"
