"""Previews of requests before they are saved."""

from dataclasses import dataclass

from callevents.db.models import CallEvent, new_id
from callevents.db.models.event import REPORTED
from callevents.delivery.request.build import (
    Request,
    RequestTemplate,
    build_request,
    used_names,
)
from callevents.delivery.request.call_values import Parameters, derived_values, parameters
from callevents.delivery.request.load import EVENT_ID_PLACEHOLDER
from callevents.delivery.request.numbers import NO_PLAN, NumberPlan
from callevents.delivery.request.placeholders import ANSWER_PREFIX
from callevents.delivery.request.signing import Signing
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
        receiver=kept.receiver if kept else None,
    )


@dataclass(frozen=True)
class ExampleCall:
    """A call event that has not happened, for previews and test requests."""

    event: CallEvent
    #: The parameters.
    values: Parameters
    plan: NumberPlan = NO_PLAN

    @property
    def delivery_id(self) -> str:
        """The ID of its delivery, which does not exist."""
        return dict(self.values)["DeliveryID"]

    def build(
        self, template: RequestTemplate, *, marks: Parameters = (), signing: Signing | None = None
    ) -> Request:
        """Return the request for the template."""

        def more() -> dict[str, str]:
            return {**derived_values(self.event), **_example_answers(template)}

        return build_request(
            template, self.values, marks=marks, signing=signing, more=more, plan=self.plan
        )


def example_call(
    event_type: EventType,
    *,
    pbx_slug: str,
    extension: str,
    event_id: str = "",
    plan: NumberPlan = NO_PLAN,
) -> ExampleCall:
    """Return a sample call of the event type."""
    report = example_report(event_type, extension)
    event = CallEvent(**{name: getattr(report, name) for name in REPORTED}, happened_at=report.at)
    values = parameters(
        event,
        pbx_slug=pbx_slug,
        hook_event_id=event_id or EVENT_ID_PLACEHOLDER,
        delivery_id=new_id(),
    )
    return ExampleCall(event, values, plan)


def example_parameters(
    event_type: EventType, *, pbx_slug: str, extension: str, event_id: str = ""
) -> Parameters:
    """Return the request parameters of a sample call."""
    return example_call(
        event_type, pbx_slug=pbx_slug, extension=extension, event_id=event_id
    ).values


def _example_answers(template: RequestTemplate) -> dict[str, str]:
    """Return a value for each one that the template takes from earlier answers."""
    names = (name for name in used_names(template) if name.startswith(ANSWER_PREFIX))
    return {name: f"example-{name.removeprefix(ANSWER_PREFIX)}" for name in names}
