"""The pages about recipes: their table, their example, and the files to import."""

import json
import re
from pathlib import Path

import pytest
import yaml

from callevents.enums import HookScope
from callevents.receivers.recipe_files import FOLDER, read_recipe
from callevents.receivers.recipes import Part, Recipe
from tests.recipes.simulated import SIMULATED

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = [read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))]
GUIDE = (DOCS / "write-a-recipe.md").read_text()
PARTS = Part.__subclasses__()
#: `slug` is the name of the file.
NOT_IN_FILES = {"slug"}


def describe_events(recipe: Recipe) -> str:
    """Return the events of a recipe; those in parentheses are not made by default."""
    found: dict[str, bool] = {}
    for request in recipe.requests:
        once = " once" if request.scope is HookScope.CALL else ""
        name = f"{request.event}{once}"
        found[name] = found.get(name, False) or request.is_default
    return ", ".join(name if is_default else f"({name})" for name, is_default in found.items())


def describe(recipe: Recipe) -> str:
    """Return the row of a recipe."""
    columns = (recipe.name, recipe.category, describe_events(recipe), recipe.tried_on)
    return f"| `{recipe.slug}` | {' | '.join(columns)} |".replace("|  |", "| |")


def test_table_lists_all_recipes() -> None:
    """Names, categories, events and what they were tried on are those of the files."""
    page = (DOCS / "recipes.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [describe(recipe) for recipe in RECIPES]


def test_example_is_a_recipe(tmp_path: Path) -> None:
    """It loads, with all checks, and has what it explains."""
    [text] = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.DOTALL)
    path = tmp_path / "example-crm.toml"
    path.write_text(text)
    recipe = read_recipe(path)
    assert [request.name for request in recipe.requests] == ["pop-up", "call"]


@pytest.mark.parametrize("part", PARTS, ids=[part.__name__ for part in PARTS])
def test_guide_explains_each_field(part: type[Part]) -> None:
    """Also a field that is added later."""
    for name in part.model_fields.keys() - NOT_IN_FILES:
        assert f"`{name}`" in GUIDE, name


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.slug for recipe in RECIPES])
def test_texts_are_complete(recipe: Recipe) -> None:
    """Sentences end, sources are addresses, and who enters a secret learns where it is."""
    texts = [recipe.summary, recipe.test.shows, *recipe.steps, *recipe.limits]
    texts += [question.help for question in recipe.questions if question.help]
    assert [text for text in texts if not text.endswith(".")] == []
    assert recipe.steps
    assert recipe.limits or recipe.tried_on
    assert [source for source in recipe.sources if not source.startswith("https://")] == []
    assert all(request.label for request in recipe.requests)


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_page_names_the_simulated_receivers(name: str) -> None:
    """Each can be started by the name that the page has."""
    assert f"`{name}`" in (DOCS / "recipes.md").read_text()


def test_flow_for_node_red_accepts_what_the_recipe_sends() -> None:
    """The path of the recipe's default answer, and a response node, without which nothing ends."""
    nodes = json.loads((DOCS / "recipes" / "node-red-flow.json").read_text())
    by_type = {node["type"]: node for node in nodes}
    recipe = next(one for one in RECIPES if one.slug == "node-red")
    [path] = [question.default for question in recipe.questions if question.name == "path"]
    assert (by_type["http in"]["url"], by_type["http in"]["method"]) == (f"/{path}", "post")
    assert by_type["http response"]["id"] in by_type["http in"]["wires"][0]


def test_workflow_for_n8n_begins_with_a_webhook() -> None:
    """With the method of the recipe, and the next node connected."""
    workflow = json.loads((DOCS / "recipes" / "n8n-workflow.json").read_text())
    first, second = workflow["nodes"]
    assert first["parameters"]["httpMethod"] == "POST"
    assert workflow["connections"][first["name"]]["main"][0][0]["node"] == second["name"]


def test_automation_for_home_assistant_takes_posts() -> None:
    """By a webhook, with the names of our parameters."""
    text = (DOCS / "recipes" / "home-assistant-automation.yaml").read_text()
    [trigger] = yaml.safe_load(text)["triggers"]
    assert trigger["trigger"] == "webhook"
    assert trigger["allowed_methods"] == ["POST"]
