"""Fetches the user map from a receiver that lists its users with their extensions."""

from collections.abc import Mapping
from typing import Any

from callevents import audit
from callevents.audit.targets import of_receiver
from callevents.db.models import Pbx, Receiver
from callevents.delivery.http.client import Response
from callevents.delivery.json_pointer import find, read_document
from callevents.delivery.request.build import Request, RequestTemplate
from callevents.delivery.request.url import begins_with
from callevents.enums import AuthKind, BodyFormat, EventType, Method, ParameterSet, ReceiverAuth
from callevents.errors import ConflictError
from callevents.extensions import cipher
from callevents.hooks.preview import EXAMPLE_EXTENSION, example_call
from callevents.hooks.receiver import read_receiver_template
from callevents.hooks.test_request import send_now, shown_url
from callevents.receivers.address import join_url
from callevents.receivers.connect import check_pbx, get_recipe_of
from callevents.receivers.left_out import check_complete
from callevents.receivers.recipes import RecipeUsers

MAX_FETCHED = 20_000


def fetch_users(receiver: Receiver, pbx: Pbx, user_id: int) -> Mapping[str, str]:
    """Return the users of extensions as the receiver lists them; stores none of them.

    That they are asked for is recorded and committed before; waits for the response outside of any
    transaction. Raises ConflictError if the recipe cannot ask, if a secret is missing, if the
    response has none, or if too many tests run; InvalidError for a receiver of another PBX, and
    UnreadableError.
    """
    check_pbx(receiver, pbx)
    users = get_recipe_of(receiver).users
    if users is None or not users.fetch_path:
        raise ConflictError(f"The recipe of {receiver.name} cannot fetch its users.")
    check_complete(receiver)
    about, slug = of_receiver(receiver), pbx.slug

    def build() -> Request:
        return _build(receiver, pbx, users)

    def record(request: Request) -> None:
        values = {"pbx": slug, "url": shown_url(request)}
        audit.record(audit.Action.RECEIVER_USERS_FETCHED, about, after=values)

    return read_response(send_now(build, user_id, record), users)


def _build(receiver: Receiver, pbx: Pbx, users: RecipeUsers) -> Request:
    url = join_url(receiver.address, users.fetch_path)
    if not begins_with(url, receiver.address):
        # The credentials are for this address only.
        raise ConflictError(f"The users of {receiver.name} are not below its address.")
    template = RequestTemplate(
        Method.GET,
        url,
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
        raise ConflictError(f"The receiver did not return its users. {response.error}")
    if response.truncated:
        raise ConflictError("The response of the receiver is too long. Import the users by CSV.")
    try:
        items = find(read_document(response.body), users.fetch_items)
    except ValueError:
        raise ConflictError("The receiver did not return JSON.") from None
    if not isinstance(items, list):
        raise ConflictError(f"The response has no list at {users.fetch_items or '/'}.")
    found = {}
    for item in items[:MAX_FETCHED]:
        number = _to_text(find(item, users.fetch_number))
        user = _to_text(find(item, users.fetch_user))
        if number and user:
            found[number] = user
    return found


def _to_text(value: Any) -> str:
    """Return a text or a number, which is a text already; empty for all else."""
    return value.strip() if isinstance(value, str) and value.isprintable() else ""
