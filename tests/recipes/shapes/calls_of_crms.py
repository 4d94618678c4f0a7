"""Entries of finished calls in CRMs and help desks.

HubSpot: developers.hubspot.com/docs/guides/api/crm/engagements/calls.
Pipedrive: pipedrive/client-nodejs, src/versions/v1/models/add-call-log-request.ts.
Kommo: kommo.com/developers/content/api_v4/adding-calls.
EspoCRM: metadata/entityDefs/Call.json. SuiteCRM: modules/Calls/vardefs.php.
Frappe: crm_call_log.json, and ERPNext's call_log.json.
Zendesk: talk-partner-edition-api/calls.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from tests.recipes.shapes.base import Digits, IsoMoment, Moment, Shape, Text


class HubSpotProperties(Shape):
    """The properties of a call."""

    hs_timestamp: IsoMoment
    hs_call_title: str
    hs_call_body: str
    hs_call_direction: Literal["INBOUND", "OUTBOUND"]
    hs_call_duration: Digits
    hs_call_from_number: str
    hs_call_to_number: str
    hs_call_status: Literal[
        "BUSY",
        "CALLING_CRM_USER",
        "CANCELED",
        "COMPLETED",
        "CONNECTING",
        "FAILED",
        "IN_PROGRESS",
        "NO_ANSWER",
        "QUEUED",
        "RINGING",
    ]
    hubspot_owner_id: Annotated[str, StringConstraints(pattern=r"^[0-9]*$")]


class HubSpotCall(Shape):
    """A call engagement."""

    path: ClassVar[str] = "/crm/v3/objects/calls"
    properties: HubSpotProperties


class PipedriveCall(Shape):
    """A call log."""

    path: ClassVar[str] = "/v1/callLogs"
    user_id: int
    subject: str
    duration: Digits
    outcome: Literal[
        "connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"
    ]
    from_phone_number: str
    to_phone_number: Text
    start_time: Moment
    end_time: Moment


class KommoCall(Shape):
    """A call in a list."""

    path: ClassVar[str] = "/api/v4/calls"
    is_list: ClassVar[bool] = True
    direction: Literal["inbound", "outbound"]
    uniq: Text
    duration: int
    source: Text
    phone: Text
    call_result: str
    call_status: Annotated[int, Field(ge=1, le=7)]
    responsible_user_id: int | None
    created_at: int


class KommoEvent(Shape):
    """A notification of a call."""

    type: Literal["phone_call"]
    phone_number: Text
    users: list[int]


class KommoEvents(Shape):
    """Notifications of calls."""

    path: ClassVar[str] = "/api/v2/events"
    add: list[KommoEvent]


class EspoCall(Shape):
    """The entity Call."""

    path: ClassVar[str] = "/api/v1/Call"
    name: Text
    status: Literal["Planned", "Held", "Not Held"]
    direction: Literal["Outbound", "Inbound"]
    dateStart: Moment  # noqa: N815  # as EspoCRM spells it
    dateEnd: Moment  # noqa: N815
    description: str
    assignedUserId: Text  # noqa: N815


class SuiteAttributes(Shape):
    """Fields of the module Calls."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    direction: Literal["Inbound", "Outbound"]
    status: Literal["Planned", "Held", "Not Held"]
    date_start: Moment
    duration_hours: Annotated[int, Field(ge=0, le=99)]
    duration_minutes: Annotated[int, Field(ge=0, le=59)]
    description: str
    assigned_user_id: str


class SuiteData(Shape):
    """A resource of JSON:API."""

    type: Literal["Calls"]
    attributes: SuiteAttributes


class SuiteCall(Shape):
    """A new record."""

    path: ClassVar[str] = "/legacy/Api/V8/module"
    content_type: ClassVar[str] = "application/vnd.api+json"
    headers: ClassVar = {
        "Accept": "application/vnd.api+json",
        "Authorization": "Bearer access-token",
    }
    data: SuiteData


class FrappeCall(Shape):
    """A call log: fields that the doctype does not have are ignored."""

    path: ClassVar[str] = "/api/resource/(CRM%20Call%20Log|Call%20Log)"
    id: Text
    type: Literal["Incoming", "Outgoing"]
    from_number: Text = Field(alias="from")
    to: Text
    # Those of both doctypes: ERPNext's has no 'Initiated'.
    status: Literal[
        "Ringing", "In Progress", "Completed", "Failed", "Busy", "No Answer", "Queued", "Canceled"
    ]
    start_time: Moment
    end_time: Moment
    duration: int
    medium: str
    receiver: Text | None = None
    caller: Text | None = None
    telephony_medium: Literal["", "Manual", "Twilio", "Exotel"]


class ZendeskCall(Shape):
    """A call record."""

    path: ClassVar[str] = "/api/v2/calls"
    app_id: int
    from_line: Text
    to_line: Text
    direction: Literal["inbound", "outbound"]
    call_started_at: IsoMoment
    call_ended_at: IsoMoment
    call_disposition: str
    agent_id: int


class ZendeskTicketBody(Shape):
    """The ticket itself."""

    via_id: Literal[44, 45, 46]
    subject: Text
    description: Text


class ZendeskTicket(Shape):
    """A ticket that opens for an agent."""

    path: ClassVar[str] = "/api/v2/channels/voice/tickets"
    display_to_agent: int
    ticket: ZendeskTicketBody


HUBSPOT = {"call": HubSpotCall}
PIPEDRIVE = {"call": PipedriveCall}
KOMMO = {"call": KommoCall, "notification": KommoEvents}
ESPOCRM = {"call": EspoCall}
SUITECRM = {"call": SuiteCall}
FRAPPE = {"incoming-call": FrappeCall, "outgoing-call": FrappeCall}
ZENDESK = {"call": ZendeskCall, "ticket": ZendeskTicket}
