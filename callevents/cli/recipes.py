"""Commands for recipes: list and show."""

from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.receivers.recipe_files import get_recipe, load_recipes
from callevents.receivers.recipes import Question, Recipe, RecipeUsers

group = AppGroup("recipes", help="Look up how receivers take call events.")


@group.command("list")
@json_option
@handle_errors
def list_recipes(as_json: bool) -> None:
    """List the recipes. Files of your folder with errors are printed, too."""
    recipes = load_recipes()
    print_list(recipes.found.values(), _to_row, as_json, empty="No recipes.")
    for problem in recipes.problems:
        for message in problem.messages:
            click.echo(f"{problem.file}: {message}", err=True)


@group.command("show")
@click.argument("name")
@json_option
@handle_errors
def show_recipe(name: str, as_json: bool) -> None:
    """Show a recipe: how to prepare the receiver, what to enter, and its requests."""
    recipe = get_recipe(name)
    print_result(to_values(recipe), "\n".join(_to_lines(recipe)), as_json)


def to_values(recipe: Recipe) -> Values:
    """Return the recipe as commands print it in JSON."""
    values: Values = recipe.model_dump(mode="json")
    return values


def _to_row(recipe: Recipe) -> Values:
    return {
        "recipe": recipe.slug,
        "name": recipe.name,
        "category": recipe.category,
        "summary": recipe.summary,
    }


def _to_lines(recipe: Recipe) -> list[str]:
    lines = [f"{recipe.name} ({recipe.category})", recipe.summary]
    lines += _section("Prepare it", [f"{n}. {step}" for n, step in enumerate(recipe.steps, 1)])
    lines += _section("Enter", list(map(_describe_question, recipe.questions)))
    lines += _section("Requests", list(map(_describe_request, recipe.requests)))
    lines += _section("Users", _describe_users(recipe.name, recipe.users) if recipe.users else [])
    lines += _section("Test", [f"{recipe.test.request}: {recipe.test.shows}"])
    lines += _section("Limits", recipe.limits)
    lines += _section("Sources", [f"{source} ({recipe.read_on})" for source in recipe.sources])
    if recipe.tried_on:
        lines.append(f"Tried on {recipe.tried_on}.")
    lines += ["", f"flask receivers add NAME --recipe {recipe.slug}{_set_options(recipe)}"]
    return lines


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _describe_question(question: Question) -> str:
    parts = [f"{question.name}: {question.label}"]
    if question.choices:
        parts.append(f"one of {', '.join(question.choices)}")
    if question.is_optional or question.default:
        parts.append(f"default: {question.default or 'empty'}")
    text = "; ".join(parts)
    return f"{text}. {question.help}" if question.help else f"{text}."


def _describe_request(request: Any) -> str:
    scope = "once per call" if request.scope == "call" else "each extension"
    chosen = "" if request.is_default else ", if you choose it"
    return f"{request.name}: {request.event}, {scope}{chosen}. {request.label}"


def _describe_users(name: str, users: RecipeUsers) -> list[str]:
    refused = f"Without it, {name} refuses the calls of an extension." if users.is_required else ""
    return [" ".join(filter(None, (f"{users.label}.", refused, users.help)))]


def _set_options(recipe: Recipe) -> str:
    needed = [one for one in recipe.questions if not (one.is_optional or one.default)]
    return "".join(
        f" --set {one.name}={'-' if one.is_secret else one.example or 'VALUE'}" for one in needed
    )
