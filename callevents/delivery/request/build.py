"""Builds the HTTP request of a delivery: parameters or a template, as the hook selects."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from callevents.delivery.request.authorization import Authorization, authorize
from callevents.delivery.request.call_values import Parameters
from callevents.delivery.request.fill import append_query, fill_header, fill_url
from callevents.delivery.request.filters import Lookups
from callevents.delivery.request.form import encode_form
from callevents.delivery.request.left_out import explain_of_request, find_own_left_out
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.numbers import NO_PLAN, NumberPlan
from callevents.delivery.request.placeholders import (
    RECEIVER_PREFIX,
    VOIPNOW_NAMES,
    Context,
    Placeholder,
    Values,
    find_placeholders,
)
from callevents.delivery.request.receiver import ReceiverTemplate, part_of
from callevents.delivery.request.response_secrets import find_secrets
from callevents.delivery.request.signing import Signing
from callevents.delivery.request.templates import MAX_BODY_LENGTH, fill_body
from callevents.enums import AuthKind, BodyFormat, Method, ParameterSet
from callevents.security.client_certificate import ClientCertificate
from callevents.security.masking import MASK, mask_all

USER_AGENT = "CallEvents/1.0"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
NO_CONTEXT = Context({})
TOO_LONG = f"The body from the template would be longer than {MAX_BODY_LENGTH:,} characters."


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

    @property
    def has_placeholders(self) -> bool:
        """True if its texts may have placeholders."""
        return (
            "{" in self.url
            or self.body_format is BodyFormat.TEMPLATE
            or any("{" in value for _name, value in self.custom_headers)
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Which of its secrets were left out of an import or a move, in words."""
        return find_own_left_out(self.url, self.custom_headers, (self.username, self.secret))


@dataclass(frozen=True)
class Request:
    """An HTTP request as it goes over the wire. The URL is percent-encoded ASCII."""

    method: Method
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    #: Masked values of secret headers, by name.
    masks: Mapping[str, str] = field(default_factory=dict)
    #: Texts to mask in responses, in case the receiver repeats them.
    secrets: Sequence[str] = field(default=(), repr=False)
    signing: Signing | None = None
    #: The URL for display, if something in it is masked.
    masked_url: str = ""
    #: Why it cannot be sent, as a sentence; empty if it can.
    problem: str = ""
    #: The body for display, if something in it is masked.
    masked_body: str = ""
    #: True if the problem stays, so that no later attempt can be made.
    is_hopeless: bool = False
    #: With which we authenticate over TLS.
    client_certificate: ClientCertificate | None = field(default=None, repr=False)
    #: The ID of the receiver that has no access token: it has to be fetched before.
    lacks_token_of: int | None = None
    #: Values to keep from a JSON answer: pointers into it (RFC 6901), by name.
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_body(self) -> str:
        """The body for display and logs: secret values of the receiver are masked."""
        return self.masked_body or self.body

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
        shown = {**self.headers_at(moment), **self.masks}
        if self.masked_body:
            # The length of the body would tell of the secrets in it.
            shown["Content-Length"] = str(len(self.masked_body.encode()))
        return shown

    def mask(self, text: str) -> str:
        """Return text from a response with the secrets that it repeats masked."""
        return mask_all(text, self.secrets)

    def as_text(self, moment: datetime) -> str:
        """Return the request in HTTP/1.1 format, with LF line ends and masked secrets."""
        parts = urlsplit(self.shown_url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
        # Signed with a known secret, a body with secrets in it would confirm guesses of them.
        shown = replace(self, body=self.shown_body)
        lines += [f"{name}: {value}" for name, value in shown.shown_headers(moment).items()]
        return "\n".join(lines) + (f"\n\n{self.shown_body}" if self.body else "")


def used_names(template: RequestTemplate) -> frozenset[str]:
    """Return the names of all placeholders of a template, such as answer.CALL_ID."""
    return frozenset(one.name for one in _find_all(template))


def _find_all(template: RequestTemplate) -> Iterator[Placeholder]:
    texts = [template.url, *(value for _name, value in template.custom_headers)]
    if template.body_format is BodyFormat.TEMPLATE:
        texts.append(template.body_template)
    return (one for text in texts for one in find_placeholders(text))


def build_request(
    template: RequestTemplate,
    values: Parameters,
    *,
    marks: Parameters = (),
    signing: Signing | None = None,
    more: Callable[[], Values] | None = None,
    plan: NumberPlan = NO_PLAN,
) -> Request:
    """Return the request for the template and the values of the parameters.

    `marks` are appended, whichever parameters the template selects; a body from a template has
    none. `more` returns other values for placeholders: it is called only if there are any. `plan`
    is that of the PBX.
    """
    is_filled = template.has_placeholders
    context = _make_context(template, values, more, plan) if is_filled else NO_CONTEXT
    authorization = authorize(template.auth, template.username, template.secret, template.receiver)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    query, body, content_type = _make_content(template, values, marks, context)
    if content_type:
        headers["Content-Type"] = content_type
        headers["Content-Length"] = str(len(body.encode()))
    custom = {name: fill_header(value, context) for name, value in template.custom_headers}
    _replace(headers, custom)
    _replace(headers, authorization.headers)
    part = part_of(template.receiver, template.auth, template.url)
    shown = _mask_values(template, context) if is_filled else context
    return Request(
        template.method,
        _fill_url(template.url, context, _join(query, encode_form(authorization.query.items()))),
        headers,
        body,
        {**dict.fromkeys(custom, MASK), **authorization.masks},
        find_secrets(
            template.url, custom, authorization, template.receiver, context, _find_all(template)
        ),
        signing,
        _masked_url(template.url, shown, query, authorization),
        masked_body=_masked_body(template, body, shown),
        problem=part.problem or _find_problem(template, body),
        client_certificate=part.certificate,
        lacks_token_of=part.lacks_token_of,
    )


def _find_problem(template: RequestTemplate, body: str) -> str:
    """Return why the request itself cannot be sent, as a sentence; empty if it can."""
    if left_out := template.left_out:
        return explain_of_request(left_out)
    is_template = template.body_format is BodyFormat.TEMPLATE
    return TOO_LONG if is_template and len(body) > MAX_BODY_LENGTH else ""


def _make_context(
    template: RequestTemplate,
    values: Parameters,
    more: Callable[[], Values] | None,
    plan: NumberPlan,
) -> Context:
    known = {**more(), **dict(values)} if more else dict(values)
    receiver = template.receiver
    if receiver is None:
        return Context(known, Lookups(template.value_maps, {}, plan))
    known |= {f"{RECEIVER_PREFIX}{name}": value for name, value in receiver.values.items()}
    return Context(known, Lookups(template.value_maps, receiver.users, plan, receiver.values))


def _mask_values(template: RequestTemplate, context: Context) -> Context:
    """Return the context in which values of the receiver are masked: secrets, and in addresses."""
    receiver = template.receiver
    if receiver is None:
        return context
    masked = {
        f"{RECEIVER_PREFIX}{name}": MASK if name in receiver.secret_names else mask_url(value)
        for name, value in receiver.values.items()
        if name in receiver.secret_names or mask_url(value) != value
    }
    return replace(context, masked=masked) if masked else context


def _make_content(
    template: RequestTemplate, values: Parameters, marks: Parameters, context: Context
) -> tuple[str, str, str]:
    """Return what is appended to the query, the body, and its content type, empty without one."""
    has_body = template.body_format.is_sent_with(template.method)
    if has_body and template.body_format is BodyFormat.TEMPLATE:
        content_type = template.content_type or JSON
        body = fill_body(template.body_template, content_type, context)
        return "", body, _with_charset(content_type)
    sent = [*_select(template.parameters, values), *marks]
    if not has_body:
        return encode_form(sent), "", ""
    if template.body_format is BodyFormat.JSON:
        return "", json.dumps(dict(sent), ensure_ascii=False), JSON
    return "", encode_form(sent), FORM


def _with_charset(content_type: str) -> str:
    if not content_type.lower().startswith("text/") or "charset=" in content_type.lower():
        return content_type
    return f"{content_type}; charset=utf-8"


def _fill_url(url: str, context: Context, query: str) -> str:
    return append_query(fill_url(url, context), query)


def _masked_url(url: str, shown: Context, query: str, authorization: Authorization) -> str:
    """Return the URL with its secrets masked, empty if it has none."""
    masked = mask_url(url)
    if masked == url and not authorization.query and not _has_masked(url, shown):
        return ""
    secret = encode_form([(name, MASK) for name in authorization.query])
    return _fill_url(masked, shown, _join(query, secret)).replace(quote(MASK), MASK)


def _masked_body(template: RequestTemplate, body: str, shown: Context) -> str:
    """Return the body with its secrets masked, empty if it has none."""
    is_template = bool(body) and template.body_format is BodyFormat.TEMPLATE
    if not is_template or not _has_masked(template.body_template, shown):
        return ""
    filled = fill_body(template.body_template, template.content_type or JSON, shown)
    return filled.replace(quote(MASK), MASK)


def _has_masked(text: str, context: Context) -> bool:
    return bool(context.masked) and any(
        one.name in context.masked for one in find_placeholders(text)
    )


def _join(query: str, more: str) -> str:
    return f"{query}&{more}" if query and more else query or more


def _select(wanted: ParameterSet, values: Parameters) -> Parameters:
    if wanted is ParameterSet.ALL:
        return values
    names = VOIPNOW_NAMES if wanted is ParameterSet.VOIPNOW else ()
    return [(name, value) for name, value in values if name in names]


def _replace(headers: dict[str, str], custom: Mapping[str, str]) -> None:
    """Add custom headers; they replace ours with the same name, in any case."""
    if not custom:
        return
    names = {name.lower() for name in custom}
    for name in [name for name in headers if name.lower() in names]:
        del headers[name]
    headers.update(custom)
