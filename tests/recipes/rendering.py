"""Requests of a recipe, as they are sent for a call event."""

from collections.abc import Mapping
from functools import partial

from callevents.conditions.document import read_conditions
from callevents.conditions.facts import CallFacts
from callevents.conditions.unmet import find_unmet
from callevents.db.models import CallEvent
from callevents.delivery.request.build import Request, RequestTemplate, build_request
from callevents.delivery.request.call_values import derived_values, parameters
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.receiver import ReceiverTemplate
from callevents.enums import EventType
from callevents.receivers.address import join_url
from callevents.receivers.making import make_options, make_receiver
from callevents.receivers.recipes import Recipe, RecipeRequest
from tests.recipes.calls import HOSTILE, Case

PLAN = NumberPlan("RO")
USER = "1269"
USERS = {"101": USER, "102": "1270"}
CALL_ID = "answer-of-the-receiver"
#: Answers to questions without a default or an example.
ANSWERS = {
    "address": "https://receiver.example.com",
    "choice": "",
    "number": "735264019863524",
    "secret": "s3cret-of{the}receiver&%",
    "text": "text of the admin",
}
#: In the limits of recipes whose receivers refuse calls without a number, with a long one, or one
#: that has characters which numbers do not have.
WITHOUT_NUMBER = "hidden number"
LONG_NUMBER = "number longer than"
ODD_NUMBER = "whose number has"
#: Requests that need a user, although others of their recipe do not. Its limits say so.
NEED_USER = {
    ("bitrix24", "incoming-call"),
    ("bitrix24", "outgoing-call"),
    ("kommo", "notification"),
}


def answer_questions(recipe: Recipe) -> dict[str, str]:
    """Return an answer to each question, also to those that are optional."""
    return {
        question.name: question.default or question.example or ANSWERS[question.kind]
        for question in recipe.questions
    }


def is_meant(request: RecipeRequest, event: CallEvent) -> bool:
    """Return True if the request is sent for the event."""
    if EventType.from_slug(request.event) is not event.event_type:
        return False
    columns = {column.key: getattr(event, column.key) for column in CallEvent.__table__.columns}
    return not find_unmet(read_conditions(request.conditions), CallFacts.of_event(columns))


def is_refused(recipe: Recipe, request: RecipeRequest, case: Case) -> bool:
    """Return True if the recipe says that its receiver refuses such calls."""
    limits = " ".join(recipe.limits)
    if case.is_anonymous and WITHOUT_NUMBER in limits:
        return True
    if case.event.peer == HOSTILE and (LONG_NUMBER in limits or ODD_NUMBER in limits):
        return True
    needs_user = recipe.users is not None and recipe.users.is_required
    return not case.has_user and (needs_user or (recipe.slug, request.name) in NEED_USER)


def render(
    recipe: Recipe,
    request: RecipeRequest,
    event: CallEvent,
    users: Mapping[str, str] = USERS,
    answers: Mapping[str, str] | None = None,
    access_token: str = "access-token",
) -> Request:
    """Return the request for the event, as a worker sends it."""
    data = make_receiver(recipe, answer_questions(recipe) if answers is None else answers, "Test")
    options = make_options(recipe, request)
    receiver = ReceiverTemplate(
        address=data.address,
        values={name: value or "" for name, value in data.values.items()},
        secret_names=data.secret_names,
        auth=data.auth,
        credentials={name: value or "" for name, value in (data.credentials or {}).items()},
        access_token=access_token,
        users=users,
    )
    template = RequestTemplate(
        request.method,
        join_url(data.address, request.path),
        options.body_format,
        options.parameters,
        [(header.name, header.value or "") for header in options.headers],
        options.credentials.kind,
        content_type=options.body_template.content_type,
        body_template=options.body_template.text,
        value_maps=options.value_maps,
        receiver=receiver,
    )
    values = parameters(event, pbx_slug="office", hook_event_id="hook", delivery_id="delivery")
    return build_request(template, values, more=partial(_more, event), plan=PLAN)


def _more(event: CallEvent) -> dict[str, str]:
    return {**derived_values(event), "answer.CALL_ID": CALL_ID}
