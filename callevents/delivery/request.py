"""The request of a delivery: VoipNow's parameters and ours, in the query or as a form."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from callevents.enums import EventType, Method
from callevents.ingest import REPORTED, example_report
from callevents.models import CallEvent, new_id

USER_AGENT = "CallEvents/1.0"
FORM = "application/x-www-form-urlencoded"
#: Stands in a preview for what is generated when a hook is saved.
EVENT_ID_PLACEHOLDER = "(generated-when-saved)"

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """An HTTP request as it goes over the wire. The URL is percent-encoded ASCII."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def as_text(self) -> str:
        """Return the request as HTTP/1.1 writes it, with plain line ends."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\n".join(lines) + (f"\n\n{self.body}" if self.body else "")


def parameters(
    event: Any, *, pbx_slug: str, hook_event_id: str, delivery_id: str
) -> list[tuple[str, str]]:
    """Return what a request tells, in order: VoipNow's ten, then ours. The names never vary.

    `event` is a CallEvent, or anything that has its columns as attributes.
    """
    return [
        ("CallID", event.call_id),
        ("CallAPIID", event.leg_id),
        ("CallerIDNum", event.caller_number),
        ("CallerIDName", event.caller_name),
        ("CallerExtension", event.caller_extension),
        ("CalledExtension", event.called_extension),
        ("CalledNumber", event.called_number),
        ("CalledDID", event.called_did),
        ("CallFlow", event.flow or ""),
        ("CallStatus", event.status or ""),
        ("EventType", event.event_type.slug),
        ("EventID", hook_event_id),
        ("Extension", event.extension),
        ("EventTime", _rfc3339(event.happened_at)),
        ("Duration", _number(event.duration_seconds)),
        ("HangupCause", _number(event.cause)),
        ("DeliveryID", delivery_id),
        ("PBX", pbx_slug),
    ]


def build_request(method: Method, url: str, values: Parameters) -> Request:
    """Return the request: values in the query for GET, behind what is there, or as a form."""
    url = _to_ascii(url)
    if not urlsplit(url).path:
        before, mark, query = url.partition("?")
        url = before + "/" + mark + query
    # %20 and not + for a space: every receiver reads that rightly, in queries and in forms.
    encoded = urlencode(values, quote_via=quote, safe="")
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    if method is Method.GET:
        return Request(method, url + _separator(url) + encoded, headers)
    headers |= {"Content-Type": FORM, "Content-Length": str(len(encoded))}
    return Request(method, url, headers, encoded)


def preview(
    method: Method,
    url: str,
    event_type: EventType,
    *,
    pbx_slug: str,
    extension: str,
    event_id: str = "",
) -> Request:
    """Return the request that would be made for an example call; the URL keeps the rules."""
    report = example_report(event_type, extension)
    event = CallEvent(**{name: getattr(report, name) for name in REPORTED}, happened_at=report.at)
    values = parameters(
        event,
        pbx_slug=pbx_slug,
        hook_event_id=event_id or EVENT_ID_PLACEHOLDER,
        delivery_id=new_id(),
    )
    return build_request(method, url, values)


def _to_ascii(url: str) -> str:
    """Return the URL with what must not be in it escaped, and all else as it is."""
    url = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", url)
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def _separator(url: str) -> str:
    if "?" not in url:
        return "?"
    return "" if url.endswith(("?", "&")) else "&"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
