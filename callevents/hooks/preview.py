"""Previews of requests that are not saved yet."""

from callevents.db.models import CallEvent, new_id
from callevents.db.models.event import REPORTED
from callevents.delivery.request.build import Parameters, Recipe, parameters
from callevents.delivery.request.load import EVENT_ID_PLACEHOLDER
from callevents.enums import EventType, Method
from callevents.hooks.options import Policy
from callevents.ingest.example import example_report


def typed_recipe(method: Method, url: str, policy: Policy, kept: Recipe | None) -> Recipe:
    """Return the recipe of a hook that is being edited; what it keeps comes from `kept`.

    Without that, secrets that are kept are empty, which is good for showing the request only.
    """
    known = {name.lower(): value for name, value in kept.own_headers} if kept else {}
    headers = [
        (header.name, known.get(header.name.lower(), "") if header.value is None else header.value)
        for header in policy.headers
    ]
    credentials = policy.credentials
    username, secret = credentials.username, credentials.secret or ""
    if credentials.secret is None and kept:
        username, secret = kept.username, kept.secret
    return Recipe(
        method,
        url,
        policy.body_format,
        policy.parameters,
        headers,
        credentials.kind,
        username,
        secret,
    )


def example_parameters(
    event_type: EventType, *, pbx_slug: str, extension: str, event_id: str = ""
) -> Parameters:
    """Return the parameters of an example call."""
    report = example_report(event_type, extension)
    event = CallEvent(**{name: getattr(report, name) for name in REPORTED}, happened_at=report.at)
    return parameters(
        event,
        pbx_slug=pbx_slug,
        hook_event_id=event_id or EVENT_ID_PLACEHOLDER,
        delivery_id=new_id(),
    )
