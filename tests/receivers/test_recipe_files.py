"""Recipes of the folder in the settings: found and replaced; bad files stop nothing else."""

from pathlib import Path

import pytest
from flask import Flask

from callevents.conditions import Conditions, Hours
from callevents.config.settings import Settings
from callevents.errors import NotFoundError
from callevents.receivers import recipe_files
from callevents.receivers.making import make_options
from callevents.receivers.recipe_files import get_recipe, load_recipes, read_recipe
from tests.receivers.conftest import RECIPE


def problems_of(recipes: Path, text: str) -> list[str]:
    """Return what is wrong with a recipe of this text."""
    (recipes / "wrong.toml").write_text(text)
    [problem] = load_recipes().problems
    assert problem.file == str(recipes / "wrong.toml")
    return list(problem.messages)


def test_own_recipes_are_found(app: Flask, recipes: Path) -> None:
    """By the name of their file; a change is seen at once."""
    assert get_recipe("example-crm").name == "Example CRM"
    (recipes / "example-crm.toml").write_text(RECIPE.replace("Example CRM", "Another CRM"))
    assert get_recipe("example-crm").name == "Another CRM"
    with pytest.raises(NotFoundError, match=r"Did you mean example-crm\?"):
        get_recipe("exampel-crm")


def test_an_own_recipe_replaces_ours(
    app: Flask, recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one with the same name; others stay."""
    ours = tmp_path / "ours"
    ours.mkdir()
    for name in ("example-crm", "other"):
        (ours / f"{name}.toml").write_text(RECIPE.replace("Example CRM", f"Our {name}"))
    monkeypatch.setattr(recipe_files, "FOLDER", ours)
    recipe_files._load_ours.cache_clear()
    names = {slug: recipe.name for slug, recipe in load_recipes().found.items()}
    recipe_files._load_ours.cache_clear()
    assert names == {"example-crm": "Example CRM", "other": "Our other"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('category = "CRM"', 'category = "CRM', "This is no valid TOML: "),
        ('category = "CRM"', 'category = "Shop"', "category: Must "),
        ('name = "Example CRM"', "", "name: This is required."),
        ('name = "Example CRM"', 'name = "x"\nslug = "y"', "slug: Must be the name of the file"),
        ('label = "the team"', 'label = "the team"\ncolor = 1', "questions[2].color: There is no"),
        ('event = "hangup"', 'event = "ring"', "requests[2].event: There is no"),
        ('request = "pop"', 'request = "nothing"', "test.request: There is no request 'nothing'."),
        ('name = "log"', 'name = "pop"', "requests: Two requests have the name pop."),
        ("{receiver.team}", "{receiver.tenant}", "address: There is no question 'tenant'."),
        ('path = "/pop"', 'path = "pop"', "requests[1].path: Must begin with /, ? or &"),
        ('path = "/pop"', 'path = ".evil.example"', "requests[1].path: Must begin with /, ? or &"),
        ('path = "/pop"', 'path = "/{Nothing}"', "requests[1].path: "),
        ("{CallerIDNum}", "{receiver.nothing}", "requests[1].body: There is no question"),
        ("{CallerIDNum}", "{CallFlow|map:flow}", "requests[1].body: There is no map 'flow'."),
        ('values = { token = "{token}" }', "", "auth.values: The authentication bearer needs"),
        ('"{token}"', '"{key}"', "auth.values.token: There is no question 'key'."),
        ('"{url}/api', '"https://x/{url}', "address: {url} is an address, so it must stand"),
        ('"{url}/api', '"{url}/{token}', "address: token is secret. Write {receiver.token}"),
    ],
)
def test_errors_say_where_and_what(
    app: Flask, recipes: Path, old: str, new: str, message: str
) -> None:
    """The file, the field and a sentence; the other recipes still work."""
    assert old in RECIPE
    found = problems_of(recipes, RECIPE.replace(old, new, 1))
    assert any(one.startswith(message) for one in found), found
    assert "example-crm" in load_recipes().found


@pytest.mark.parametrize(
    ("conditions", "place"),
    [
        ('{ min_seconds = "10" }', "min_seconds"),
        ('{ answered = "yes" }', "answered"),
        ("{ numbers = 5 }", "numbers"),
        ("{ numbers = [5] }", "numbers[1]"),
        ("{ party = 3 }", "party"),
        ('{ party = "both" }', "party"),
        ('{ directions = ["up"] }', "directions[1]"),
        ('{ hours = { days = [1], start = 9, end = "17:00", zone = "UTC" } }', "hours.start"),
        ('{ hours = { days = [8], start = "9", end = "17:00", zone = "UTC" } }', "hours.days[1]"),
        ('{ hours = { start = "09:00", end = "17:00", zone = "UTC" } }', "hours.days"),
        ("{ colour = 1 }", "colour"),
        ('{ numbers = ["abc"] }', "conditions/numbers"),
        ("{ answered = false, min_seconds = 5 }", "conditions/min_seconds"),
    ],
)
def test_wrong_conditions_are_problems_of_their_file(
    app: Flask, recipes: Path, conditions: str, place: str
) -> None:
    """Values of another type do not stop the product, and are not ignored."""
    text = RECIPE.replace('path = "/calls"', f'path = "/calls"\nconditions = {conditions}')
    [problem] = problems_of(recipes, text)
    where = place if place.startswith("conditions/") else f"conditions.{place}"
    assert problem.startswith(f"requests[2].{where}: "), problem
    assert "example-crm" in load_recipes().found


FETCH = {"path": "/users", "items": "/result", "number": "/phone~1inner", "user": "/ID"}


def with_fetch(**changes: str) -> str:
    """Return the recipe that fetches its users like this."""
    fetch = "".join(f'fetch_{name} = "{value}"\n' for name, value in (FETCH | changes).items())
    return RECIPE.replace('label = "User ID"\n', f'label = "User ID"\n{fetch}')


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": ".evil.example/users"}, "users.fetch_path: Must begin with /."),
        ({"path": "users"}, "users.fetch_path: Must begin with /."),
        ({"path": "?users"}, "users.fetch_path: Must begin with /."),
        ({"path": "/{receiver.nobody}"}, "users.fetch_path: There is no question 'nobody'."),
        ({"path": "/{Nothing}"}, "users.fetch_path: "),
        ({"items": "result"}, "users.fetch_items: Must be a JSON pointer, such as /result/id"),
        ({"number": "/a~2"}, "users.fetch_number: Must be a JSON pointer"),
        ({"user": "/" + "a" * 200}, "users.fetch_user: Must be a JSON pointer"),
        ({"user": ""}, "users.fetch_user: Is needed with fetch_path."),
        ({"path": ""}, "users.fetch_items: Needs a fetch_path."),
    ],
)
def test_where_users_are_fetched_is_checked(
    app: Flask, recipes: Path, changes: dict[str, str], message: str
) -> None:
    """The request has the receiver's credentials, so it must go to its address."""
    found = problems_of(recipes, with_fetch(**changes))
    assert any(one.startswith(message) for one in found), found


def test_users_can_be_fetched(app: Flask, recipes: Path) -> None:
    """From a path with a value of the receiver; the whole answer may be the list."""
    (recipes / "example-crm.toml").write_text(with_fetch(path="/{receiver.team}", items=""))
    users = get_recipe("example-crm").users
    assert users
    assert users.fetch_path == "/{receiver.team}"


def test_conditions_of_recipes_are_read(app: Flask, recipes: Path) -> None:
    """All kinds of them."""
    hours = '{ days = [1, 5], start = "09:00", end = "17:00", zone = "UTC", is_outside = true }'
    given = f'directions = ["in"], party = "external", answered = true, hours = {hours}'
    text = RECIPE.replace('path = "/calls"', f'path = "/calls"\nconditions = {{ {given} }}')
    (recipes / "example-crm.toml").write_text(text)
    recipe = get_recipe("example-crm")
    assert make_options(recipe, recipe.requests[1]).conditions == Conditions(
        ("in",), "external", True, hours=Hours((1, 5), "09:00", "17:00", "UTC", True)
    )
    assert make_options(recipe, recipe.requests[0]).conditions == Conditions()


def test_numbers_that_are_too_long(app: Flask, recipes: Path) -> None:
    """Python refuses to read them."""
    assert problems_of(recipes, f"max_in_flight = {'9' * 5000}")[0].startswith("This is no valid")


def test_files_that_are_no_text(app: Flask, recipes: Path) -> None:
    """Bytes, a folder, a huge file: each is a sentence."""
    (recipes / "bytes.toml").write_bytes(b"\xff\xfe")
    (recipes / "folder.toml").mkdir()
    (recipes / "huge.toml").write_text("#" * 300_000)
    found = {Path(one.file).stem: one.messages for one in load_recipes().problems}
    assert found.keys() == {"bytes", "folder", "huge"}
    assert found["bytes"] == ["Must be text in UTF-8."]
    assert found["huge"] == ["Must be at most 200,000 bytes."]


def test_a_missing_folder_is_reported(app: Flask, settings: Settings, tmp_path: Path) -> None:
    """It does not stop the product."""
    missing = settings.model_copy(update={"recipes_dir": str(tmp_path / "none")})
    app.extensions["callevents"].settings = missing
    [problem] = load_recipes().problems
    assert "There is no such folder" in problem.messages[0]


def test_our_recipes_are_valid(app: Flask) -> None:
    """Each file of the package passes the checks of own ones."""
    for path in sorted(recipe_files.FOLDER.glob("*.toml")):
        assert read_recipe(path).slug == path.stem
