"""Authentication, and secrets of receivers: sent, and masked wherever they are shown."""

from datetime import UTC, datetime
from typing import Any

import pytest

from callevents.delivery.request.build import Request, RequestTemplate, build_request
from callevents.delivery.request.receiver import ReceiverTemplate
from callevents.enums import AuthKind, BodyFormat, Method, ParameterSet, ReceiverAuth
from callevents.security.masking import MASK

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SECRET = "s3cret/Tok3n"


def build(
    auth: ReceiverAuth = ReceiverAuth.NONE,
    credentials: dict[str, str] | None = None,
    url: str = "http://h/",
    receiver: dict[str, Any] | None = None,
    kind: AuthKind = AuthKind.RECEIVER,
    **more: Any,
) -> Request:
    """Return the request of a hook that authenticates as its receiver."""
    template = RequestTemplate(
        Method.POST,
        url,
        parameters=ParameterSet.NONE,
        auth=kind,
        **more,
        receiver=ReceiverTemplate(auth=auth, credentials=credentials or {}, **(receiver or {})),
    )
    return build_request(template, [("CallID", "c1")])


def check_hidden(request: Request) -> None:
    """Check that nothing that is shown has the secret."""
    shown = (request.shown_url, request.shown_body, str(request.shown_headers(NOW)))
    for text in (*shown, request.as_text(NOW), repr(request)):
        assert not any(one in text for one in (SECRET, "s3cret", "czNjcmV0"))
        assert not any(one in text for one in (SECRET.replace("/", "%2F"), SECRET.upper()))
    assert SECRET not in request.mask(f"you sent {SECRET}")


@pytest.mark.parametrize(
    ("auth", "credentials", "sent", "shown"),
    [
        (ReceiverAuth.BASIC, {"username": "ana", "password": SECRET},
         "Basic YW5hOnMzY3JldC9Ub2szbg==", "Basic ••••"),
        (ReceiverAuth.BEARER, {"token": SECRET}, f"Bearer {SECRET}", "Bearer ••••"),
        (ReceiverAuth.SCHEME, {"scheme": "token", "secret": f"KEY:{SECRET}"},
         f"token KEY:{SECRET}", "token ••••"),
        (ReceiverAuth.CLIENT_CREDENTIALS, {"client_secret": "x"}, f"Bearer {SECRET}",
         "Bearer ••••"),
        (ReceiverAuth.REFRESH_TOKEN, {"scheme": "Zoho-oauthtoken"},
         f"Zoho-oauthtoken {SECRET}", "Zoho-oauthtoken ••••"),
    ],
)  # fmt: skip
def test_authorization_header(
    auth: ReceiverAuth, credentials: dict[str, str], sent: str, shown: str
) -> None:
    """Each kind has its header, of which only the scheme is shown."""
    request = build(auth, credentials, receiver={"access_token": SECRET})
    assert request.headers["Authorization"] == sent
    assert request.shown_headers(NOW)["Authorization"] == shown
    check_hidden(request)


def test_keys() -> None:
    """An API key is a header, which replaces others of its name, or a parameter of the URL."""
    credentials = {"name": "X-Api-Key", "value": SECRET}
    custom = [("x-api-key", "other"), ("X-A", "1")]
    request = build(ReceiverAuth.HEADER, credentials, custom_headers=custom)
    keys = {name: value for name, value in request.headers.items() if name.lower() == "x-api-key"}
    assert keys == {"X-Api-Key": SECRET}
    check_hidden(request)
    for url, sent, shown in (
        ("http://h", "http://h/?key=s3cret%2FTok3n", "http://h/?key=••••"),
        ("http://h/a?b=1", "http://h/a?b=1&key=s3cret%2FTok3n", "http://h/a?b=1&key=••••"),
    ):
        request = build(ReceiverAuth.QUERY, {"name": "key", "value": SECRET}, url)
        assert (request.url, request.shown_url) == (sent, shown)
        check_hidden(request)
    request = build_request(
        RequestTemplate(
            Method.GET,
            "http://h/",
            auth=AuthKind.RECEIVER,
            receiver=ReceiverTemplate(
                auth=ReceiverAuth.QUERY, credentials={"name": "key", "value": SECRET}
            ),
        ),
        [("CallID", "c1")],
    )
    assert request.url == "http://h/?CallID=c1&key=s3cret%2FTok3n"
    assert request.shown_url == "http://h/?CallID=c1&key=••••"


def test_another_scheme() -> None:
    """A hook may have a scheme of its own."""
    template = RequestTemplate(
        Method.POST, "http://h/", auth=AuthKind.SCHEME, username="token", secret=f"KEY:{SECRET}"
    )
    request = build_request(template, [])
    assert request.headers["Authorization"] == f"token KEY:{SECRET}"
    check_hidden(request)


def test_only_chosen_authentication_is_sent() -> None:
    """A hook of a receiver with an authentication of its own, or none, sends not the receiver's."""
    for auth in (AuthKind.NONE, AuthKind.BEARER):
        request = build(ReceiverAuth.BEARER, {"token": SECRET}, kind=auth, secret="other-token")
        assert SECRET not in str(request.headers)


@pytest.mark.parametrize(
    ("content_type", "body", "sent", "shown"),
    [
        ("application/json",
         '{"t": "{receiver.key}", "u": {receiver.key|upper|json}, "c": "{CallID}"}',
         '{"t": "s3cret/Tok3n", "u": "S3CRET/TOK3N", "c": "c1"}',
         '{"t": "••••", "u": "••••", "c": "c1"}'),
        ("application/json", '{"n": {receiver.key|number}}', '{"n": null}', '{"n": "••••"}'),
        ("application/x-www-form-urlencoded", "t={receiver.key}&c={CallID}&h={receiver.host}",
         "t=s3cret%2FTok3n&c=c1&h=a%26b", "t=••••&c=c1&h=a%26b"),
        ("text/plain", "key {receiver.key}", "key s3cret/Tok3n", "key ••••"),
        ("text/plain", "no secret {receiver.host}", "no secret a&b", "no secret a&b"),
    ],
)  # fmt: skip
def test_secret_values_in_bodies(content_type: str, body: str, sent: str, shown: str) -> None:
    """A secret value of the receiver is sent, whatever filters it passes, and masked in the log."""
    request = build(
        body_format=BodyFormat.TEMPLATE,
        content_type=content_type,
        body_template=body,
        receiver={"values": {"key": SECRET, "host": "a&b"}, "secret_names": frozenset({"key"})},
    )
    assert (request.body, request.shown_body) == (sent, shown)
    check_hidden(request)
    assert not any(one in request.mask(sent) for one in ("s3cret", "S3CRET"))


def test_secret_values_in_urls_and_headers() -> None:
    """They are masked there too; other values of the receiver are shown."""
    request = build(
        url="http://h/{receiver.tenant}/bot{receiver.key}?t={receiver.key|lower}&c={CallID}",
        custom_headers=[("X-Key", "{receiver.key}")],
        receiver={"values": {"key": SECRET, "tenant": "t/1"}, "secret_names": frozenset({"key"})},
    )
    assert request.url == "http://h/t%2F1/bots3cret%2FTok3n?t=s3cret%2Ftok3n&c=c1"
    assert request.shown_url == f"http://h/t%2F1/bot{MASK}?t={MASK}&c=c1"
    assert request.headers["X-Key"] == SECRET
    check_hidden(request)


def test_too_long_bodies_are_not_sent() -> None:
    """A body that its values make too long is a problem of the request."""
    template = RequestTemplate(
        Method.POST, "http://h/", BodyFormat.TEMPLATE, content_type="text/html",
        body_template="{CallID|html}" * 120,
    )  # fmt: skip
    assert build_request(template, [("CallID", "<" * 100)]).problem == ""
    long = build_request(template, [("CallID", "<" * 10_000)])
    assert long.problem == "The body from the template would be longer than 1,000,000 characters."
