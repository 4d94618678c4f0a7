"""Fetches the user map from a receiver that can say who has which extension."""

import json
from collections.abc import Mapping
from typing import Any

from callevents import audit
from callevents.audit.targets import of_receiver
from callevents.db.models import Pbx, Receiver
from callevents.delivery.http.client import Response
from callevents.delivery.request.build import Request, RequestTemplate
from callevents.enums import AuthKind, BodyFormat, EventType, Method, ParameterSet, ReceiverAuth
from callevents.errors import ConflictError
from callevents.extensions import cipher
from callevents.hooks.preview import EXAMPLE_EXTENSION, example_call
from callevents.hooks.receiver import read_receiver_template
from callevents.hooks.test_request import send_now, shown_url
from callevents.receivers.address import join_url
from callevents.receivers.connect import check_pbx, get_recipe_of
from callevents.receivers.recipes import RecipeUsers

MAX_FETCHED = 20_000


def fetch_users(receiver: Receiver, pbx: Pbx, user_id: int) -> Mapping[str, str]:
    """Return the users of extensions as the receiver tells them; stores none of them.

    That they are asked for is recorded and committed before; waits for the response outside of any
    transaction. Raises ConflictError if the recipe cannot ask, if the response has none, or if too
    many tests run; InvalidError for a receiver of another PBX, and UnreadableError.
    """
    check_pbx(receiver, pbx)
    users = get_recipe_of(receiver).users
    if users is None or not users.fetch_path:
        raise ConflictError(f"The recipe of {receiver.name} cannot ask for its users.")
    about, slug = of_receiver(receiver), pbx.slug

    def build() -> Request:
        return _build(receiver, pbx, users)

    def record(request: Request) -> None:
        values = {"pbx": slug, "url": shown_url(request)}
        audit.record(audit.Action.RECEIVER_USERS_FETCHED, about, after=values)

    return read_response(send_now(build, user_id, record), users)


def _build(receiver: Receiver, pbx: Pbx, users: RecipeUsers) -> Request:
    template = RequestTemplate(
        Method.GET,
        join_url(receiver.address, users.fetch_path),
        BodyFormat.FORM,
        ParameterSet.NONE,
        auth=AuthKind.NONE if receiver.auth is ReceiverAuth.NONE else AuthKind.RECEIVER,
        receiver=read_receiver_template(receiver, pbx.id, cipher.bound),
    )
    call = example_call(EventType.DIAL_IN, pbx_slug=pbx.slug, extension=EXAMPLE_EXTENSION)
    return call.build(template)


def read_response(response: Response, users: RecipeUsers) -> Mapping[str, str]:
    """Return the users in a response, by number; raises ConflictError."""
    if not response.is_success:
        raise ConflictError(f"The receiver did not tell its users. {response.error}")
    if response.truncated:
        raise ConflictError("The response of the receiver is too long. Import the users by CSV.")
    try:
        items = find_value(json.loads(response.body), users.fetch_items)
    except (ValueError, RecursionError):
        raise ConflictError("The receiver did not return JSON.") from None
    if not isinstance(items, list):
        raise ConflictError(f"The response has no list at {users.fetch_items or '/'}.")
    found = {}
    for item in items[:MAX_FETCHED]:
        number = _to_text(find_value(item, users.fetch_number))
        user = _to_text(find_value(item, users.fetch_user))
        if number and user:
            found[number] = user
    return found


def find_value(document: Any, pointer: str) -> Any:
    """Return the value to which a JSON pointer (RFC 6901) leads, None if there is none."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isascii() and name.isdigit():
            position = int(name) if len(name) < 7 else len(document)
            document = document[position] if position < len(document) else None
        else:
            return None
    return document


def _to_text(value: Any) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = str(value) if is_number or isinstance(value, str) else ""
    return text.strip() if text.isprintable() else ""
