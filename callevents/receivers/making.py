"""Makes the values of a receiver, and the options of its requests, from a recipe."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from callevents.conditions.document import read_conditions
from callevents.conditions.hours import list_zones
from callevents.delivery.request.placeholders import RECEIVER_PREFIX
from callevents.delivery.request.receiver import CREDENTIALS
from callevents.delivery.request.url import check_url
from callevents.enums import AuthKind, BodyFormat, ReceiverAuth
from callevents.errors import InvalidError
from callevents.hooks.options import (
    Answers,
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
)
from callevents.receivers.data import ReceiverData
from callevents.receivers.recipes import Question, Recipe, RecipeRequest

#: Field name of errors about an answer, followed by the name of the question.
ANSWER_FIELD = "values/"

#: The name of a question in an address, or in credentials.
_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_MAP_NAME = re.compile(r"\|map:([A-Za-z0-9_]+)")
#: A URL up to the last part of its path, this part, and its query.
_LAST_PART = re.compile(r"([a-z]+://[^/?#]+/(?:[^?#]*/)?)([^/?#]+)/*((?:[?#].*)?)", re.IGNORECASE)
_ENTER_AGAIN = "Enter it again: it is used together with what you changed."
_NO_TEXT = "The last part of its path must be text in UTF-8, without spaces around it."
_NO_LAST_PART = "Enter the whole URL: the last part of its path is the secret."
#: What can stand in a host.
_HOST_PART = re.compile(r"[A-Za-z0-9-]{1,63}")

Answered = Mapping[str, str | None]


def names_in(text: str) -> list[str]:
    """Return the names of the questions in a text such as `{key}:{secret}`."""
    return _NAME.findall(text)


def split_secret(address: str) -> tuple[str, str, str]:
    """Return what precedes the last part of the URL's path, this part, and what follows it.

    Slashes at the end of the path are left out. Without a path, the second one is empty.
    """
    found = _LAST_PART.fullmatch(address)
    return (found[1], found[2], found[3]) if found else (address, "", "")


def fill_in(text: str, answers: Mapping[str, str]) -> str:
    """Return the text with the answers in it; names that are no questions stay."""
    return _NAME.sub(lambda found: answers.get(found[1], found[0]), text)


def make_receiver(
    recipe: Recipe, answers: Answered, name: str, pbx_id: int | None = None
) -> ReceiverData:
    """Return the values of a receiver by the recipe and the answers to its questions.

    Raises one InvalidError about all answers that are missing or invalid.
    """
    complete = check_answers(recipe, answers)
    address = _make_address(recipe, complete)
    complete = _keep_secret_parts(recipe, complete)
    return ReceiverData(
        name=name,
        address=address,
        recipe=recipe.slug,
        pbx_id=pbx_id,
        values=complete,
        secret_names=_secret_names(recipe),
        auth=_choose_auth(recipe, complete),
        credentials=_make_credentials(recipe, complete),
        max_in_flight=recipe.max_in_flight,
        max_per_second=recipe.max_per_second,
    )


def change_answers(
    recipe: Recipe, data: ReceiverData, answers: Answered, credentials: Mapping[str, str]
) -> ReceiverData:
    """Return the values of a receiver with other answers to some questions of its recipe.

    `data`: its current values, as `read_data` returns them; `credentials`: its current ones, of
    which members without a new answer are kept. Raises InvalidError.
    """
    known = {question.name for question in recipe.questions}
    current = {name: value for name, value in data.values.items() if name in known}
    complete = check_answers(recipe, {**current, **answers})
    changes = {name: value for name, value in answers.items() if value is not None}
    address = data.address
    # A secret address that is no secret yet is from before the recipe had this kind.
    renewed = {*changes, *(name for name in _secret_addresses(recipe) if complete[name])}
    if not renewed.isdisjoint(names_in(recipe.address)):
        address = _make_address(recipe, complete)
    complete = _keep_secret_parts(recipe, complete)
    auth, members = _change_auth(recipe, data, complete, changes, credentials)
    return replace(
        data,
        address=address,
        values=complete,
        secret_names=_secret_names(recipe),
        auth=auth,
        credentials=members,
    )


def check_answers(recipe: Recipe, answers: Answered) -> dict[str, str | None]:
    """Return an answer to each question, the defaults included; raises InvalidError.

    None is an answer that is stored already and kept.
    """
    known = {question.name for question in recipe.questions}
    errors = {
        ANSWER_FIELD + name: [f"{recipe.name} has no question {name!r}."]
        for name in answers
        if name not in known
    }
    complete: dict[str, str | None] = {}
    for question in recipe.questions:
        given = answers.get(question.name, question.default)
        complete[question.name] = None if given is None else given.strip() or question.default
        if message := _answer_problem(question, complete[question.name]):
            errors[ANSWER_FIELD + question.name] = [message]
    if errors:
        raise InvalidError(errors)
    return complete


def make_options(recipe: Recipe, request: RecipeRequest) -> HookOptions:
    """Return the options of the hooks for a request, unchecked."""
    has_template = request.body_format is BodyFormat.TEMPLATE and bool(request.body)
    auth = AuthKind.NONE if recipe.auth.kind is ReceiverAuth.NONE else AuthKind.RECEIVER
    return HookOptions(
        request.give_up_seconds,
        request.in_order,
        BodyFormat.TEMPLATE if has_template else _without_template(request.body_format),
        request.parameters,
        tuple(CustomHeader(name, value) for name, value in request.headers.items()),
        Credentials(auth),
        BodyTemplate(request.content_type, request.body) if has_template else BodyTemplate(),
        {name: recipe.maps[name] for name in maps_in(request) if name in recipe.maps},
        request.scope,
        read_conditions(request.conditions),
        Answers(request.answers, request.missing_answer),
    )


def texts_of(request: RecipeRequest) -> Iterator[tuple[str, str]]:
    """Yield the texts of a request that may have placeholders, with the names of their fields."""
    yield "path", request.path
    yield "body", request.body
    for name, value in request.headers.items():
        yield f"headers.{name}", value


def maps_in(request: RecipeRequest) -> list[str]:
    """Return the names of the value maps that a request uses, in their order."""
    found = (name for _place, text in texts_of(request) for name in _MAP_NAME.findall(text))
    return list(dict.fromkeys(found))


def _without_template(body_format: BodyFormat) -> BodyFormat:
    return BodyFormat.FORM if body_format is BodyFormat.TEMPLATE else body_format


def _answer_problem(question: Question, answer: str | None) -> str:
    if answer is None:
        return ""
    if not answer:
        return "" if question.is_optional else f"Enter a value: {question.label}."
    if question.kind == "choice" and answer not in question.choices:
        return f"Must be one of: {', '.join(question.choices)}."
    if question.kind == "number" and not (answer.isascii() and answer.isdigit()):
        return "Must be a whole number."
    if question.kind == "zone" and answer not in list_zones():
        return "Must be a time zone such as Europe/Bucharest."
    if question.kind == "secret-address":
        return _address_problem(answer) or _secret_part_problem(split_secret(answer)[1])
    return _address_problem(answer) if question.kind == "address" else ""


def _secret_part_problem(part: str) -> str:
    if not part:
        return _NO_LAST_PART
    try:
        text = unquote(part, errors="strict")
    except UnicodeDecodeError:
        return _NO_TEXT
    return "" if text == text.strip() else _NO_TEXT


def _address_problem(answer: str) -> str:
    if "{" in answer or "}" in answer:
        return "An address must not have braces."
    try:
        check_url(answer)
    except InvalidError as error:
        return str(error)
    return ""


def _make_address(recipe: Recipe, answers: Answered) -> str:
    """Return the address; an answer that becomes a part of the host must fit there.

    Raises InvalidError, also if it needs a secret answer again.
    """
    kept = [name for name in names_in(recipe.address) if answers[name] is None]
    if kept:
        raise InvalidError({ANSWER_FIELD + name: [_ENTER_AGAIN] for name in kept})
    kinds = {question.name: question.kind for question in recipe.questions}
    filled = {
        name: _part_of_address(kinds[name], name, value)
        for name, value in answers.items()
        if value is not None
    }
    host = re.split(r"[/?]", recipe.address.partition("://")[2])[0]
    for name in names_in(host):
        if name in filled and not _HOST_PART.fullmatch(filled[name]):
            raise InvalidError.of(
                ANSWER_FIELD + name, "Enter only the name: letters, digits and hyphens."
            )
    return fill_in(recipe.address, filled)


def _part_of_address(kind: str, name: str, answer: str) -> str:
    if kind == "secret-address" and answer:
        before, _secret, after = split_secret(answer)
        return f"{before}{{{RECEIVER_PREFIX}{name}}}{after}"
    return answer.rstrip("/") if kind == "address" else answer


def _keep_secret_parts(recipe: Recipe, answers: Answered) -> dict[str, str | None]:
    """Return the answers as they are stored: of a secret address only what is secret."""
    addresses = _secret_addresses(recipe)
    return {
        name: unquote(split_secret(value)[1]) if name in addresses and value else value
        for name, value in answers.items()
    }


def _change_auth(
    recipe: Recipe,
    data: ReceiverData,
    complete: Answered,
    changes: Answered,
    credentials: Mapping[str, str],
) -> tuple[ReceiverAuth, dict[str, str | None]]:
    """Return the authentication and its members after some answers have changed."""
    changed = [
        member
        for member, text in recipe.auth.values.items()
        if any(name in changes for name in names_in(text))
    ]
    auth = _choose_auth(recipe, complete) if changed else data.auth
    if auth is not data.auth:
        return auth, _make_credentials(recipe, complete)
    kept: dict[str, str | None] = dict.fromkeys(credentials)
    if auth is recipe.auth.kind:
        kept |= {member: _fill_member(recipe.auth.values[member], complete) for member in changed}
    return auth, kept


def _choose_auth(recipe: Recipe, answers: Answered) -> ReceiverAuth:
    """Return how requests authenticate: not, if all that it needs is optional and not answered."""
    names = {name for text in recipe.auth.values.values() for name in names_in(text)}
    needed = [question for question in recipe.questions if question.name in names]
    is_left_out = all(one.is_optional and answers.get(one.name) == "" for one in needed)
    return ReceiverAuth.NONE if needed and is_left_out else recipe.auth.kind


def _make_credentials(recipe: Recipe, answers: Answered) -> dict[str, str | None]:
    if _choose_auth(recipe, answers) is ReceiverAuth.NONE:
        return {}
    made = {name: _fill_member(text, answers) for name, text in recipe.auth.values.items()}
    optional = CREDENTIALS[recipe.auth.kind].optional
    return {name: value for name, value in made.items() if value or name not in optional}


def _fill_member(text: str, answers: Answered) -> str | None:
    """Return a member of the credentials; raises InvalidError if it needs an answer again."""
    names = names_in(text)
    kept = [name for name in names if answers.get(name, "") is None]
    if kept and len(kept) < len(names):
        raise InvalidError({ANSWER_FIELD + name: [_ENTER_AGAIN] for name in kept})
    if kept:
        return None
    return fill_in(text, {name: value or "" for name, value in answers.items()})


def _secret_addresses(recipe: Recipe) -> frozenset[str]:
    return frozenset(one.name for one in recipe.questions if one.kind == "secret-address")


def _secret_names(recipe: Recipe) -> frozenset[str]:
    return frozenset(question.name for question in recipe.questions if question.is_secret)
