"""Sends the test request of a receiver's recipe for an example call."""

from dataclasses import dataclass, replace

from callevents.audit.targets import of_receiver
from callevents.db.models import Pbx, Receiver
from callevents.delivery.http.client import Response
from callevents.delivery.request.build import Request
from callevents.delivery.request.numbers import NumberPlan
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.extensions import cipher
from callevents.hooks.preview import EXAMPLE_EXTENSION, example_call, typed_template
from callevents.hooks.receiver import read_receiver_template
from callevents.hooks.test_request import TEST_PARAMETER, send_test
from callevents.receivers.address import join_url
from callevents.receivers.connect import check_pbx, get_recipe_of
from callevents.receivers.left_out import check_complete
from callevents.receivers.making import make_options
from callevents.receivers.recipes import Recipe, RecipeRequest


@dataclass(frozen=True)
class ReceiverTest:
    """The response to the test request, and what the receiver shows if it is well."""

    request: str
    response: Response
    shows: str


def send_receiver_test(
    receiver: Receiver, pbx: Pbx, user_id: int, *, extension: str = "", request: str = ""
) -> ReceiverTest:
    """Send a request of the recipe for an example call, without a delivery in the log.

    `extension`: that of the example; `request`: the name of the request, by default that of the
    recipe's test. The test is recorded and committed before. Raises ConflictError without a recipe,
    without a secret that was left out of an import, or if too many tests run, InvalidError, and
    UnreadableError.
    """
    check_pbx(receiver, pbx)
    check_complete(receiver)
    recipe = get_recipe_of(receiver)
    chosen = _choose(recipe, request or recipe.test.request)
    event_type = EventType.from_slug(chosen.event)

    def build() -> Request:
        return build_example(receiver, pbx, recipe, chosen, extension)

    response = send_test(build, of_receiver(receiver), event_type, user_id)
    shows = recipe.test.shows if chosen.name == recipe.test.request else ""
    return ReceiverTest(chosen.name, response, shows)


def build_example(
    receiver: Receiver, pbx: Pbx, recipe: Recipe, request: RecipeRequest, extension: str = ""
) -> Request:
    """Return a request of the recipe for an example call; raises InvalidError, UnreadableError."""
    options = make_options(recipe, request)
    url = join_url(receiver.address, request.path)
    template = replace(
        typed_template(request.method, url, options, None),
        receiver=read_receiver_template(receiver, pbx.id, cipher.bound),
    )
    call = example_call(
        EventType.from_slug(request.event),
        pbx_slug=pbx.slug,
        extension=extension or EXAMPLE_EXTENSION,
        plan=NumberPlan.of(pbx),
    )
    return call.build(template, marks=TEST_PARAMETER)


def _choose(recipe: Recipe, name: str) -> RecipeRequest:
    for request in recipe.requests:
        if request.name == name:
            return request
    names = ", ".join(request.name for request in recipe.requests)
    raise InvalidError.of("request", f"{recipe.name} has no request {name!r}. It has: {names}.")
