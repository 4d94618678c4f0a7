"""Reads recipes: those of this version, and those of the folder in the settings."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import structlog
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import app_state
from callevents.receivers.recipe_checks import check_recipe
from callevents.receivers.recipes import Recipe
from callevents.validation import explain_error

FOLDER = Path(__file__).parent.parent / "recipes"
MAX_FILES = 500
MAX_FILE_BYTES = 200_000
MAX_ERRORS = 10

log = structlog.get_logger("callevents.receivers")


@dataclass(frozen=True)
class RecipeProblem:
    """Why a file is no recipe: sentences that say where, what, and what to do."""

    file: str
    messages: Sequence[str]


@dataclass(frozen=True)
class Recipes:
    """The recipes by name, and the files that are none."""

    found: Mapping[str, Recipe] = field(default_factory=dict)
    problems: Sequence[RecipeProblem] = ()


class _FileError(Exception):
    """A file cannot be read, or is no recipe."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages


def load_recipes() -> Recipes:
    """Return all recipes by name. Those of the folder in the settings replace built-in ones.

    Raises nothing: files with errors are in `problems`.
    """
    own = _load_own(app_state().settings.recipes_dir)
    found = {**_load_ours().found, **own.found}
    return Recipes(
        dict(sorted(found.items(), key=lambda one: one[1].name.casefold())), own.problems
    )


def find_recipe(name: str) -> Recipe | None:
    """Return the recipe with this name, or None."""
    return load_recipes().found.get(name)


def get_recipe(name: str) -> Recipe:
    """Return the recipe with this name; raises NotFoundError."""
    recipes = load_recipes().found
    if name in recipes:
        return recipes[name]
    near = get_close_matches(name, recipes, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`flask recipes list` lists all."
    raise NotFoundError(f"There is no recipe {name[:64]!r}. {hint}")


def read_recipe(path: Path) -> Recipe:
    """Return the recipe of a file; raises InvalidError about the name of the file."""
    try:
        recipe = _read(path)
        check_recipe(recipe)
    except _FileError as error:
        raise InvalidError({path.name: list(error.messages)}) from None
    except InvalidError as error:
        raise InvalidError({path.name: _sentences(error)}) from None
    return recipe


@lru_cache(maxsize=1)
def _load_ours() -> Recipes:
    # Their checks are in the tests.
    return Recipes({path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))})


def _load_own(folder: str) -> Recipes:
    if not folder:
        return Recipes()
    try:
        paths = sorted(Path(folder).glob("*.toml"))
        versions = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
    except OSError as error:
        return Recipes(problems=[RecipeProblem(folder, [f"Cannot read it: {error.strerror}."])])
    if not Path(folder).is_dir():
        message = "There is no such folder. Correct CALLEVENTS_RECIPES_DIR."
        return Recipes(problems=[RecipeProblem(folder, [message])])
    return _load_files(tuple(paths), versions)


@lru_cache(maxsize=4)
def _load_files(paths: Sequence[Path], _versions: Sequence[tuple[int, int]]) -> Recipes:
    """Return the recipes of these files, as they were at these times."""
    found: dict[str, Recipe] = {}
    problems: list[RecipeProblem] = []
    for path in paths[:MAX_FILES]:
        try:
            found[path.stem] = read_recipe(path)
        except InvalidError as error:
            problems.append(RecipeProblem(str(path), error.errors[path.name]))
    if len(paths) > MAX_FILES:
        message = f"The folder has more than {MAX_FILES} recipes; the others are ignored."
        problems.append(RecipeProblem(str(paths[0].parent), [message]))
    for problem in problems:
        log.warning("recipe ignored", file=problem.file, error=" ".join(problem.messages))
    return Recipes(found, problems)


def _read(path: Path) -> Recipe:
    """Return the recipe of a file, without the checks of what it means; raises _FileError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _FileError(f"Must be at most {MAX_FILE_BYTES:,} bytes.")
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise _FileError(f"Cannot read it: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _FileError("Must be text in UTF-8.") from None
    except (ValueError, RecursionError) as error:  # tomllib raises both for huge values
        raise _FileError(f"This is no valid TOML: {error}.") from None
    if values.setdefault("slug", path.stem) != path.stem:
        raise _FileError(f"slug: Must be the name of the file: {path.stem}.")
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise _FileError(*_explain(error)) from None


def _explain(error: ValidationError) -> Iterator[str]:
    listed = error.errors(include_url=False, include_input=False, include_context=False)
    for one in listed[:MAX_ERRORS]:
        yield f"{_place(one)}: {explain_error(one)}"


def _place(error: ErrorDetails) -> str:
    """Return where the error is, such as `requests[2].method`; requests count from 1."""
    place = ""
    for part in error["loc"]:
        place += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return place.removeprefix(".") or "file"


def _sentences(error: InvalidError) -> list[str]:
    return [f"{name}: {text}" for name, texts in error.errors.items() for text in texts]
