"""Builds the HTTP request of a delivery: VoipNow's parameters and ours, as the hook selects."""

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from callevents.delivery.request.masking import MIN_SECRET_LENGTH, find_url_secrets, mask_url
from callevents.delivery.request.placeholders import (
    PARAMETER_NAMES,
    VOIPNOW_NAMES,
    fill_header,
    fill_query,
    fill_url,
)
from callevents.delivery.request.receiver import ReceiverTemplate
from callevents.delivery.request.signing import Signing
from callevents.enums import AuthKind, BodyFormat, Method, ParameterSet
from callevents.security.masking import MASK, mask_all

USER_AGENT = "CallEvents/1.0"
FORM = "application/x-www-form-urlencoded"
_UNSAFE = re.compile(r"[^A-Za-z0-9._~\n-]+")
JSON = "application/json"
#: Custom headers without secrets, whose values are common in responses.
_NOT_SECRET = frozenset({"accept", "accept-language", "cache-control", "pragma", "user-agent"})

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RequestTemplate:
    """A hook's request settings, decrypted. The URL and custom headers may have placeholders."""

    method: Method
    url: str
    body_format: BodyFormat = BodyFormat.FORM
    parameters: ParameterSet = ParameterSet.ALL
    custom_headers: Parameters = field(default=(), repr=False)
    auth: AuthKind = AuthKind.NONE
    username: str = ""
    #: The password, or the token.
    secret: str = field(default="", repr=False)
    #: Of a body from a template.
    content_type: str = ""
    body_template: str = ""
    value_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    receiver: ReceiverTemplate | None = None


@dataclass(frozen=True)
class Request:
    """An HTTP request as it goes over the wire. The URL is percent-encoded ASCII."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = ""
    #: Masked values of secret headers, by name.
    masks: Mapping[str, str] = field(default_factory=dict)
    #: Texts to mask in responses, in case the receiver repeats them.
    secrets: Sequence[str] = field(default=(), repr=False)
    signing: Signing | None = None
    #: The URL for display, if something in it is masked.
    masked_url: str = ""
    #: Why it cannot be sent, as a sentence; empty if it can.
    problem: str = ""

    @property
    def shown_url(self) -> str:
        """The URL for display and logs: values that look secret are masked."""
        return self.masked_url or self.url

    def headers_at(self, moment: datetime) -> dict[str, str]:
        """Return the headers of an attempt at that moment, signed if the hook has a secret."""
        signature = self.signing.headers(self.body, moment) if self.signing else {}
        return {**self.headers, **signature}

    def shown_headers(self, moment: datetime) -> dict[str, str]:
        """Return the headers for display and logs: secret ones are masked."""
        return {**self.headers_at(moment), **self.masks}

    def mask(self, text: str) -> str:
        """Return text from a response with the secrets that it repeats masked."""
        return mask_all(text, self.secrets)

    def as_text(self, moment: datetime) -> str:
        """Return the request in HTTP/1.1 format, with LF line ends and masked secrets."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in self.shown_headers(moment).items()]
        return "\n".join(lines) + (f"\n\n{self.body}" if self.body else "")


def parameters(
    event: Any, *, pbx_slug: str, hook_event_id: str, delivery_id: str
) -> list[tuple[str, str]]:
    """Return all parameters in order: VoipNow's ten, then ours. The names never vary.

    `event` is a CallEvent, or anything that has its columns as attributes.
    """
    values = (
        event.call_id,
        event.leg_id,
        event.caller_number,
        event.caller_name,
        event.caller_extension,
        event.called_extension,
        event.called_number,
        event.called_did,
        event.flow or "",
        event.status or "",
        event.event_type.slug,
        hook_event_id,
        event.extension,
        _rfc3339(event.happened_at),
        _number(event.duration_seconds),
        _number(event.cause),
        delivery_id,
        pbx_slug,
        "1" if event.is_late else "",
    )
    return list(zip(PARAMETER_NAMES, values, strict=True))


def build_request(
    template: RequestTemplate,
    values: Parameters,
    *,
    marks: Parameters = (),
    signing: Signing | None = None,
) -> Request:
    """Return the request for the template and all parameter values.

    `marks` are appended, whichever parameters the template selects.
    """
    known = dict(values)
    sent = [*_select(template.parameters, values), *marks]
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    body = query = ""
    if template.method is Method.GET:
        query = _encode(sent)
    else:
        body = json.dumps(dict(sent), ensure_ascii=False) if _is_json(template) else _encode(sent)
        headers["Content-Type"] = JSON if _is_json(template) else FORM
        headers["Content-Length"] = str(len(body.encode()))
    secret = _secret_headers(template, known)
    _replace(headers, secret)
    masks = {name: _mask(template, name) for name in secret}
    secrets = _find_secrets(template, secret, known)
    url = _fill_url(template.url, known, query)
    masked_url = _masked_url(template.url, known, query)
    return Request(template.method, url, headers, body, masks, secrets, signing, masked_url)


def _fill_url(url: str, known: Mapping[str, str], query: str) -> str:
    url = _with_path(fill_url(url, known))
    return url + _separator(url) + query if query else url


def _masked_url(url: str, known: Mapping[str, str], query: str) -> str:
    """Return the URL with its secrets masked, empty if it has none."""
    masked = mask_url(url)
    return "" if masked == url else _fill_url(masked, known, query).replace(quote(MASK), MASK)


def _select(wanted: ParameterSet, values: Parameters) -> Parameters:
    if wanted is ParameterSet.ALL:
        return values
    names = VOIPNOW_NAMES if wanted is ParameterSet.VOIPNOW else ()
    return [(name, value) for name, value in values if name in names]


def _secret_headers(template: RequestTemplate, known: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are never displayed: custom headers and Authorization."""
    headers = {name: fill_header(value, known) for name, value in template.custom_headers}
    if template.auth is AuthKind.BEARER:
        headers["Authorization"] = f"Bearer {template.secret}"
    elif template.auth is AuthKind.BASIC:
        pair = f"{template.username}:{template.secret}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def _find_secrets(
    template: RequestTemplate, headers: Mapping[str, str], known: Mapping[str, str]
) -> Sequence[str]:
    """Return the texts to mask in responses, as they are and as JSON and HTML escape them."""
    # As they are sent: receivers repeat them like that, or decoded.
    in_url = [fill_query(secret, known) for secret in find_url_secrets(template.url)]
    if not headers and not in_url:
        return ()
    plain = {value.strip() for name, value in headers.items() if name.lower() not in _NOT_SECRET}
    plain |= {*in_url, *map(unquote, in_url)}
    if template.auth is not AuthKind.NONE:
        # Receivers that echo the header often drop the scheme, or decode the value.
        plain |= {headers["Authorization"].partition(" ")[2], template.secret}
    found = set()
    for value in plain:
        if len(value) >= MIN_SECRET_LENGTH:
            escaped = json.dumps(value)[1:-1]
            found |= {value, escaped, escaped.replace("/", "\\/"), html.escape(value)}
    # Longest first: one may be a part of another.
    return sorted(found, key=len, reverse=True)


def _replace(headers: dict[str, str], custom: Mapping[str, str]) -> None:
    """Add custom headers; they replace ours with the same name, in any case."""
    names = {name.lower() for name in custom}
    for name in [name for name in headers if name.lower() in names]:
        del headers[name]
    headers.update(custom)


def _mask(template: RequestTemplate, name: str) -> str:
    return f"{template.auth.title()} {MASK}" if name == "Authorization" else MASK


def _is_json(template: RequestTemplate) -> bool:
    return template.body_format is BodyFormat.JSON


def _encode(values: Parameters) -> str:
    # %20 and not + for a space: every receiver decodes that correctly, in queries and in forms.
    names = [_escape_name(name) for name, _ in values]
    texts = [value for _, value in values]
    # All at once, in a quarter of the time.
    joined = "\n".join(texts)
    if joined.count("\n") == len(texts) - 1:
        texts = _UNSAFE.sub(_escape_found, joined).split("\n")
    else:
        texts = [quote(text, safe="") for text in texts]
    return "&".join([f"{name}={text}" for name, text in zip(names, texts, strict=True)])


@lru_cache(maxsize=256)
def _escape_name(name: str) -> str:
    return quote(name, safe="")


def _escape_found(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


def _with_path(url: str) -> str:
    if urlsplit(url).path:
        return url
    before, mark, query = url.partition("?")
    return before + "/" + mark + query


def _separator(url: str) -> str:
    if "?" not in url:
        return "?"
    return "" if url.endswith(("?", "&")) else "&"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
