"""Previews of requests before they are saved."""

from callevents.db.models import CallEvent, new_id
from callevents.db.models.event import REPORTED
from callevents.delivery.request.build import Parameters, RequestTemplate, parameters
from callevents.delivery.request.load import EVENT_ID_PLACEHOLDER
from callevents.enums import EventType, Method
from callevents.hooks.options import HookOptions
from callevents.ingest.example import example_report

#: The extension of the example call if the hook is for all extensions.
EXAMPLE_EXTENSION = "101"


def typed_template(
    method: Method, url: str, options: HookOptions, kept: RequestTemplate | None
) -> RequestTemplate:
    """Return the request template of a hook that is being edited.

    Secrets that are not typed come from `kept`, the stored template. Without it they are empty,
    which is enough to show the request.
    """
    known = {name.lower(): value for name, value in kept.custom_headers} if kept else {}
    headers = [
        (header.name, known.get(header.name.lower(), "") if header.value is None else header.value)
        for header in options.headers
    ]
    credentials = options.credentials
    username, secret = credentials.username, credentials.secret or ""
    if credentials.secret is None and kept:
        username, secret = kept.username, kept.secret
    return RequestTemplate(
        method,
        url,
        options.body_format,
        options.parameters,
        headers,
        credentials.kind,
        username,
        secret,
        options.body_template.content_type,
        options.body_template.text,
        options.value_maps,
        kept.receiver if kept else None,
    )


def example_parameters(
    event_type: EventType, *, pbx_slug: str, extension: str, event_id: str = ""
) -> Parameters:
    """Return the request parameters of a sample call."""
    report = example_report(event_type, extension)
    event = CallEvent(**{name: getattr(report, name) for name in REPORTED}, happened_at=report.at)
    return parameters(
        event,
        pbx_slug=pbx_slug,
        hook_event_id=event_id or EVENT_ID_PLACEHOLDER,
        delivery_id=new_id(),
    )
