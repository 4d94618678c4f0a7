"""Checks what the model of a recipe cannot: that its parts fit together."""

import re
from collections.abc import Iterator, Mapping

from callevents.delivery.json_pointer import MAX_POINTER_LENGTH, is_pointer
from callevents.delivery.request.receiver import CREDENTIALS
from callevents.delivery.request.url import check_url
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.hooks.validation import check_options
from callevents.receivers.address import join_url
from callevents.receivers.making import fill_in, make_options, maps_in, names_in, texts_of
from callevents.receivers.recipes import Recipe, RecipeRequest, RecipeUsers

#: At the beginning of a placeholder, or as the argument of a filter.
_RECEIVER_NAME = re.compile(r"[{:]receiver\.([A-Za-z0-9_]+)")
_ANSWER_NAME = re.compile(r"\{answer\.([A-Za-z0-9_]+)")
#: Stands for answers while the rest of a recipe is checked.
_EXAMPLES = {
    "address": "https://receiver.example.com",
    "secret-address": "https://receiver.example.com/secret",
    "number": "1",
    "zone": "UTC",
}

#: The kinds of questions whose answer is a URL.
_ADDRESSES = frozenset({"address", "secret-address"})

Problem = tuple[str, str]


def check_recipe(recipe: Recipe) -> None:
    """Raise InvalidError about all that does not fit; fields are named as in the file."""
    errors: dict[str, list[str]] = {}
    for place, message in _find_problems(recipe):
        errors.setdefault(place, []).append(message)
    if errors:
        raise InvalidError(errors)


def _find_problems(recipe: Recipe) -> Iterator[Problem]:
    yield from _question_problems(recipe)
    yield from _auth_problems(recipe)
    yield from _address_problems(recipe)
    if recipe.users:
        yield from _users_problems(recipe, recipe.users)
    names = [request.name for request in recipe.requests]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "requests", f"Two requests have the name {name}."
    if recipe.test.request not in names:
        yield "test.request", f"There is no request {recipe.test.request!r}."
    for number, request in enumerate(recipe.requests, start=1):
        for place, message in _request_problems(recipe, request):
            yield f"requests[{number}].{place}", message


def _question_problems(recipe: Recipe) -> Iterator[Problem]:
    names = [question.name for question in recipe.questions]
    for number, question in enumerate(recipe.questions, start=1):
        place = f"questions[{number}]"
        if names.count(question.name) > 1:
            yield f"{place}.name", f"Two questions have the name {question.name}."
        if bool(question.choices) is not (question.kind == "choice"):
            yield f"{place}.choices", "A question of the kind choice needs choices; others do not."
        if question.choices and question.default not in {"", *question.choices}:
            yield f"{place}.default", "Must be one of the choices."
        if question.is_secret and question.default:
            yield f"{place}.default", "A secret has no default."


def _auth_problems(recipe: Recipe) -> Iterator[Problem]:
    known = CREDENTIALS[recipe.auth.kind]
    for name in known.required:
        if name not in recipe.auth.values:
            yield "auth.values", f"The authentication {recipe.auth.kind.value} needs {name}."
    for name, text in recipe.auth.values.items():
        if name not in (*known.required, *known.optional):
            yield "auth.values", f"The authentication {recipe.auth.kind.value} has no {name}."
        yield from _unknown(f"auth.values.{name}", names_in(text), _questions(recipe))


def _address_problems(recipe: Recipe) -> Iterator[Problem]:
    questions = _questions(recipe)
    yield from _unknown("address", names_in(recipe.address), questions)
    yield from _unknown("address", _RECEIVER_NAME.findall(recipe.address), questions)
    kinds = {question.name: question.kind for question in recipe.questions}
    for name in names_in(recipe.address):
        if kinds.get(name) in _ADDRESSES and not recipe.address.startswith(f"{{{name}}}"):
            yield "address", f"{{{name}}} is an address, so it must stand at the beginning."
        if kinds.get(name) == "secret":
            yield "address", f"{name} is secret. Write {{receiver.{name}}}, so that it is masked."


def _users_problems(recipe: Recipe, users: RecipeUsers) -> Iterator[Problem]:
    pointers = {
        "fetch_items": users.fetch_items,
        "fetch_number": users.fetch_number,
        "fetch_user": users.fetch_user,
    }
    for name, pointer in pointers.items():
        if not is_pointer(pointer) or len(pointer) > MAX_POINTER_LENGTH:
            message = "Must be a JSON pointer, such as /result/id, of at most"
            yield f"users.{name}", f"{message} {MAX_POINTER_LENGTH} characters."
        elif not users.fetch_path and pointer:
            yield f"users.{name}", "Needs a fetch_path."
        elif users.fetch_path and not pointer and name != "fetch_items":
            yield f"users.{name}", "Is needed with fetch_path."
    if not users.fetch_path:
        return
    place = "users.fetch_path"
    yield from _unknown(place, _RECEIVER_NAME.findall(users.fetch_path), _questions(recipe))
    if not users.fetch_path.startswith("/"):
        yield place, "Must begin with /."
        return
    try:
        check_url(join_url(_example_address(recipe), users.fetch_path))
    except InvalidError as error:
        yield place, str(error)


def _request_problems(recipe: Recipe, request: RecipeRequest) -> Iterator[Problem]:
    yield from _unknown("body", maps_in(request), recipe.maps, "map")
    for place, text in texts_of(request):
        yield from _unknown(place, _RECEIVER_NAME.findall(text), _questions(recipe))
        yield from _unknown(place, _ANSWER_NAME.findall(text), _answers(recipe), "kept answer")
    if request.path and request.path[0] not in "/?&":
        yield "path", "Must begin with /, ? or &, or be empty."
    try:
        url = check_url(join_url(_example_address(recipe), request.path), "path").url
        options = make_options(recipe, request)
        event_type = EventType.from_slug(request.event)
        check_options(options, url=url, event_type=event_type, has_receiver=True)
    except InvalidError as error:
        for place, messages in error.errors.items():
            yield from ((place, message) for message in messages)


def _unknown(
    place: str, names: list[str], known: Mapping[str, object], what: str = "question"
) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield place, f"There is no {what} {name!r}."


def _questions(recipe: Recipe) -> Mapping[str, object]:
    return {question.name: question for question in recipe.questions}


def _answers(recipe: Recipe) -> Mapping[str, str]:
    return {
        name: pointer for request in recipe.requests for name, pointer in request.answers.items()
    }


def _example_address(recipe: Recipe) -> str:
    answers = {
        question.name: question.example or _EXAMPLES.get(question.kind, "example")
        for question in recipe.questions
    }
    return fill_in(recipe.address, answers)
