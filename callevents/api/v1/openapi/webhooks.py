"""What receivers get: the requests of deliveries, one webhook for each event type.

Names, values and header fields come from the code that builds requests.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from callevents.delivery.request.build import (
    FORM,
    JSON,
    RequestTemplate,
    build_request,
)
from callevents.delivery.request.call_values import OUTCOMES, parameters
from callevents.delivery.request.descriptions import DESCRIPTIONS
from callevents.delivery.request.signing import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Signing,
)
from callevents.delivery.retry import GONE, TRANSIENT_STATUSES
from callevents.enums import TABLE_ORDER, BodyFormat, CallFlow, CallStatus, EventType, Method

WEBHOOKS_TAG = "What we send"
_MOMENT = datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)
_EVENT_ID = "01932c07-3f5a-7b1e-9d44-5a2c9e7f1b20"
_DELIVERY_ID = "01932c08-91d2-7c3e-8f0e-0f6d1c5b8a11"
_SECRET = "whsec_ZXhhbXBsZSBvbmx5LCBrZWVwIHlvdXJzIHNlY3JldA=="  # noqa: S105  # in examples only
_RECEIVER = "https://crm.example.com/calls"

_HEADER_TEXTS = {
    ID_HEADER: "ID of the delivery, the same in each attempt. Only if the hook signs.",
    TIMESTAMP_HEADER: "When the attempt was made, in seconds since 1970. Only if the hook signs.",
    SIGNATURE_HEADER: "`v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`; for 24 hours "
    "after the secret was renewed two, separated by a space (Standard Webhooks 1.0). Only if the "
    "hook signs.",
}


def describe_webhooks() -> dict[str, Any]:
    """Return the member `webhooks`."""
    return {event.slug: _describe(event) for event in TABLE_ORDER}


def _describe(event: EventType) -> dict[str, Any]:
    values = parameters(
        _example(event), pbx_slug="head-office", hook_event_id=_EVENT_ID, delivery_id=_DELIVERY_ID
    )
    shared = {
        "tags": [WEBHOOKS_TAG],
        "security": [],
        "responses": _responses(),
    }
    name = event.name.title().replace("_", "")
    return {
        "get": {
            "operationId": f"send{name}ByGet",
            "summary": f"{event.label}, by GET",
            "description": _text(
                event, "The parameters are appended to the query of the hook's URL."
            ),
            "parameters": [*_query(values), *_headers(Method.GET)],
            **shared,
        },
        "post": {
            "operationId": f"send{name}ByPost",
            "summary": f"{event.label}, by POST",
            "description": _text(
                event,
                "The parameters are in the body: a form, or JSON if the hook says so. A hook can "
                "also have a template, whose body is what its admin has written, and PUT, PATCH or "
                "DELETE instead of POST.",
            ),
            "parameters": _headers(Method.POST),
            "requestBody": _body(values),
            **shared,
        },
    }


def _example(event: EventType) -> SimpleNamespace:
    """Return an example call event, with the columns that parameters are made from."""
    is_outgoing, is_hangup = event.call_flow == "OUT", event is EventType.HANGUP
    is_answer = event in (EventType.ANSWER_IN, EventType.ANSWER_OUT)
    return SimpleNamespace(
        event_type=event,
        call_id="1700000000.42",
        leg_id="1700000000.43",
        caller_number="101" if is_outgoing else "+40721000001",
        caller_name="" if is_outgoing else "Ana Pop",
        caller_extension="101" if is_outgoing else "",
        called_extension="" if is_outgoing else "101",
        called_number="+40721000001" if is_outgoing else "+40210000100",
        called_did="" if is_outgoing else "+40210000100",
        flow=CallFlow(event.call_flow or "IN"),
        status=CallStatus.ANSWER if is_answer or is_hangup else CallStatus.CALLING,
        extension="101",
        happened_at=_MOMENT,
        duration_seconds=42 if is_hangup else None,
        cause=16 if is_hangup else None,
        is_late=False,
        peer="+40721000001",
        queue="",
        started_at=_MOMENT - timedelta(seconds=47) if is_hangup else None,
        answered_at=_MOMENT - timedelta(seconds=42) if is_hangup else None,
        answered_by="101" if is_hangup else "",
    )


def _text(event: EventType, place: str) -> str:
    return (
        f"Sent for each event '{event.label}' to each active hook that is configured for it. "
        f"{place} All values are texts; unknown ones are empty. The hook says whether all "
        "parameters are sent, VoipNow's ten or none; a test request also has `Test` with the "
        "value `1`. URL, header fields and authentication (Basic or Bearer) are those of the "
        "hook.\n\n"
        "Each request is delivered at least once. Requests of one call to the same receiver are "
        "sent in order, unless the hook says otherwise."
    )


def _query(values: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": DESCRIPTIONS[name],
            "schema": _schema(name),
            "example": value,
        }
        for name, value in values
    ]


def _body(values: list[tuple[str, str]]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            name: {"description": DESCRIPTIONS[name], **_schema(name)} for name, _ in values
        },
        "additionalProperties": {"type": "string"},
    }
    content = {"schema": schema, "example": dict(values)}
    return {"required": True, "content": {FORM: content, JSON: content}}


def _schema(name: str) -> dict[str, Any]:
    known = {
        "CallFlow": ["", *CallFlow],
        "CallStatus": ["", *CallStatus],
        "EventType": [event.slug for event in TABLE_ORDER],
        "Late": ["", "1"],
        "Direction": ["", "in", "out", "internal"],
        "Outcome": ["", *OUTCOMES],
    }.get(name)
    return {"type": "string"} | ({"enum": list(map(str, known))} if known else {})


def _headers(method: Method) -> list[dict[str, Any]]:
    """Return the header fields of a signed request, other than those that OpenAPI leaves out."""
    body_format = BodyFormat.JSON if method is Method.POST else BodyFormat.FORM
    template = RequestTemplate(method, _RECEIVER, body_format)
    request = build_request(template, [], signing=Signing(_DELIVERY_ID, _SECRET))
    sent = request.headers_at(_MOMENT)
    return [
        {
            "name": name,
            "in": "header",
            "required": name not in _HEADER_TEXTS,
            "description": _HEADER_TEXTS.get(name, "A hook can replace it."),
            "schema": {"type": "string"},
            "example": value,
        }
        for name, value in sent.items()
        if name not in {"Accept", "Content-Type", "Content-Length", "Authorization"}
    ]


def _responses() -> dict[str, Any]:
    soon = ", ".join(map(str, sorted(TRANSIENT_STATUSES)))
    retry = {
        "Retry-After": {
            "description": "How long to wait, in seconds or as a date. Respected up to an hour.",
            "schema": {"type": "string"},
            "example": "120",
        }
    }
    return {
        "2XX": {"description": "Delivered. The body is kept for the log, up to 64 KiB."},
        str(GONE): {
            "description": "The receiver wants no more: the delivery fails, and the hook is "
            "suspended until someone resumes it."
        },
        "default": {
            "description": "Failed, redirects included. The attempt is repeated until the delivery "
            f"expires: after seconds at first for {soon} and 5XX, else after an hour and more.",
            "headers": retry,
        },
    }
