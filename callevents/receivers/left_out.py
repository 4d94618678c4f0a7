"""Which secrets of a receiver were left out of an import, and where to enter them."""

from collections.abc import Sequence

from callevents.db.models import Receiver
from callevents.delivery.request.left_out import (
    ADDRESS,
    CLIENT_KEY,
    CREDENTIALS,
    VALUES,
    explain_of_receiver,
)
from callevents.delivery.request.receiver import read_receiver
from callevents.errors import ConflictError
from callevents.extensions import cipher
from callevents.receivers.credentials import LABELS
from callevents.receivers.making import names_in
from callevents.receivers.recipe_files import find_recipe
from callevents.receivers.recipes import Recipe
from callevents.security.encryption import UnreadableError


def find_left_out(receiver: Receiver) -> Sequence[str]:
    """Return the fields whose secrets are missing, such as `values/token`.

    With a recipe, address and credentials that follow from an answer are not named beside it.
    """
    try:
        found = read_receiver(receiver, cipher.bound).left_out
    except UnreadableError:
        return ()
    recipe = find_recipe(receiver.recipe) if receiver.recipe and found else None
    if recipe is None:
        return found
    answers = {one.removeprefix(VALUES) for one in found if one.startswith(VALUES)}
    return tuple(one for one in found if not answers.intersection(_answers_of(one, recipe)))


def explain(receiver: Receiver, fields: Sequence[str] | None = None) -> str:
    """Return what to enter, and where; empty if no secret was left out.

    `fields`: what `find_left_out` has found already.
    """
    if fields is None:
        fields = find_left_out(receiver)
    recipe = find_recipe(receiver.recipe) if receiver.recipe and fields else None
    labels = [_label(one, recipe) for one in fields]
    return explain_of_receiver(receiver.name, labels) if labels else ""


def check_complete(receiver: Receiver) -> None:
    """Raise ConflictError, which says what to enter, if a secret was left out of an import."""
    if sentence := explain(receiver):
        raise ConflictError(sentence)


def _answers_of(field: str, recipe: Recipe) -> Sequence[str]:
    """Return the questions from whose answers the address, or a credential, follows."""
    if field == ADDRESS:
        return names_in(recipe.address)
    if field.startswith(CREDENTIALS):
        return names_in(recipe.auth.values.get(field.removeprefix(CREDENTIALS), ""))
    return ()


def _label(field: str, recipe: Recipe | None) -> str:
    name = field.rpartition("/")[2]
    if field.startswith(CREDENTIALS):
        return LABELS[name]
    if field == ADDRESS:
        return "the address"
    if field == CLIENT_KEY:
        return "the client certificate and its private key"
    questions = recipe.questions if recipe else ()
    labels = {question.name: question.label for question in questions}
    return labels.get(name, f"the value {name}")
