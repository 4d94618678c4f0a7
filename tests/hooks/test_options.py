"""Hook options: validation, kept secrets, encryption, and the effect on pending deliveries."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from callevents.db.models import Delivery, Hook, Pbx, find_ordering_key, utc_now
from callevents.db.session import begin_write
from callevents.enums import AuthKind, BodyFormat, EventType, Method, ParameterSet
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import Credentials, CustomHeader, HookOptions, read_options
from callevents.hooks.validation import check_options
from callevents.ingest.accept import accept
from callevents.ingest.report import Report

BASIC, BEARER = AuthKind.BASIC, AuthKind.BEARER
FULL = HookOptions(
    give_up_seconds=300,
    in_order=False,
    body_format=BodyFormat.JSON,
    parameters=ParameterSet.VOIPNOW,
    headers=(CustomHeader("X-Key", " s3cret "), CustomHeader("X-Call", "{CallID}")),
    credentials=Credentials(BASIC, "ana@crm", "pass:wörd"),
)


def create(pbx: Pbx, options: HookOptions | None = None, url: str = "http://a/") -> Hook:
    """Create a hook for all extensions."""
    begin_write()
    data = hooks.HookData(method=Method.POST, url=url, options=options or HookOptions())
    hook = hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
    db.session.commit()
    return hook


def change(hook: Hook, options: HookOptions, url: str = "http://a/") -> None:
    """Update the hook's options and URL."""
    begin_write()
    hooks.update_hook(hook, hooks.HookData(method=hook.method, url=url, options=options))
    db.session.commit()


def waiting(pbx: Pbx, count: int = 1, call_id: str = "c1") -> list[Delivery]:
    """Accept events of a call; return all deliveries, oldest first."""
    begin_write()
    events = [
        Report(event_type=EventType.DIAL_IN, extension="101", call_id=call_id, leg_id=str(number))
        for number in range(count)
    ]
    accept(pbx, events)
    db.session.commit()
    return deliveries()


def deliveries() -> list[Delivery]:
    """Return all deliveries as they are stored, oldest first."""
    db.session.expire_all()
    return list(db.session.scalars(select(Delivery).order_by(Delivery.id)))


def sentences(options: HookOptions, hook: Hook | None = None) -> dict[str, list[str]]:
    """Return the errors of the options."""
    with pytest.raises(InvalidError) as caught:
        check_options(options, hook)
    return caught.value.errors


def test_default_options(pbx: Pbx) -> None:
    """A hook has the default options unless others are given."""
    assert read_options(create(pbx)) == HookOptions()


def test_secrets_are_stored_encrypted_and_not_told(pbx: Pbx) -> None:
    """All options are stored, secrets encrypted; reading the options omits the secrets."""
    hook = create(pbx, FULL)
    assert read_options(hook) == HookOptions(
        300,
        in_order=False,
        body_format=BodyFormat.JSON,
        parameters=ParameterSet.VOIPNOW,
        headers=(CustomHeader("X-Key"), CustomHeader("X-Call")),
        credentials=Credentials(BASIC),
    )
    stored = hook.custom_headers + hook.auth_secret
    assert not any(secret in stored for secret in ("s3cret", "CallID", "ana@crm", "pass:"))
    assert [
        (name, cipher.bound.decrypt(token)) for name, token in json.loads(hook.custom_headers)
    ] == [("X-Key", "s3cret"), ("X-Call", "{CallID}")]
    assert json.loads(cipher.bound.decrypt(hook.auth_secret)) == ["ana@crm", "pass:wörd"]
    for secret in ("s3cret", "pass:wörd"):
        assert secret not in repr(FULL)


def test_omitted_secrets_are_kept(pbx: Pbx) -> None:
    """Headers without a value and credentials without a secret stay as they are stored."""
    hook = create(pbx, FULL)
    before = (hook.custom_headers, hook.auth_secret)
    change(hook, read_options(hook))
    assert (hook.custom_headers, hook.auth_secret) == before
    change(
        hook,
        HookOptions(
            headers=(CustomHeader("X-New", "n"), CustomHeader("x-key")),
            credentials=Credentials(BASIC),
        ),
    )
    headers = json.loads(hook.custom_headers)
    assert [name for name, _ in headers] == ["X-New", "x-key"]
    assert cipher.bound.decrypt(headers[1][1]) == "s3cret"
    assert hook.auth_secret == before[1]
    change(hook, HookOptions())
    assert (hook.custom_headers, hook.auth_secret, hook.auth) == ("", "", AuthKind.NONE)


@pytest.mark.parametrize("url", ["https://a/", "http://b/", "http://a:81/", "http://a.b/"])
def test_kept_secrets_do_not_move(pbx: Pbx, url: str) -> None:
    """With a new scheme, host or port they must be entered again; with a new path they stay."""
    hook = create(pbx, FULL)
    change(hook, read_options(hook), "http://A:80/x")
    before = (hook.url, hook.custom_headers, hook.auth_secret)
    sentence = "The URL points to another receiver than before. Enter {} again."
    with pytest.raises(InvalidError) as caught:
        change(hook, read_options(hook), url)
    assert caught.value.errors == {
        "header 1": [sentence.format("the value of X-Key")],
        "header 2": [sentence.format("the value of X-Call")],
        "username": [sentence.format("the username")],
        "password": [sentence.format("the password")],
    }
    db.session.rollback()
    assert (hook.url, hook.custom_headers, hook.auth_secret) == before
    change(hook, FULL, url)


def test_a_kept_secret_has_to_be_there(pbx: Pbx) -> None:
    """A secret that is not stored cannot be kept, nor one of another kind of authentication."""
    hook = create(pbx, FULL)
    options = HookOptions(headers=(CustomHeader("X-Other"),), credentials=Credentials(BEARER))
    for known in (None, hook):
        assert sentences(options, known) == {
            "header 1": ["Enter a value for the header X-Other."],
            "token": ["Enter the token."],
        }


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (CustomHeader("", "x"), "Enter a header name, for example X-Api-Key."),
        (CustomHeader("X-A", " "), "Enter a value for the header X-A."),
        (
            CustomHeader("X A", "x"),
            "Invalid header name 'X A': use only letters, digits and !#$%&'*+-.^_`|~ without "
            "spaces.",
        ),
        (CustomHeader("X" * 101, "x"), "A header name must be at most 100 characters (got 101)."),
        (
            CustomHeader("X-A", "a\r\nHost: b"),
            "The value of the header X-A must be one line of printable ASCII characters. "
            "Escape other characters as the receiver expects.",
        ),
        (
            CustomHeader("X-A", "x" * 1001),
            "The value of the header X-A must be at most 1,000 characters (got 1,001).",
        ),
        (
            CustomHeader("HOST", "x"),
            "The header HOST cannot be set here: it is derived from the URL.",
        ),
        (
            CustomHeader("content-type", "x"),
            "The header content-type cannot be set here: it is derived from the body.",
        ),
        (
            CustomHeader("Authorization", "x"),
            "The header Authorization cannot be set here: use the fields for authentication.",
        ),
        (
            CustomHeader("Transfer-Encoding", "chunked"),
            "The header Transfer-Encoding cannot be set here: bodies are not sent in chunks.",
        ),
        (
            CustomHeader("Connection", "close"),
            "The header Connection cannot be set here: it belongs to the connection.",
        ),
        (
            CustomHeader("Webhook-Anything", "x"),
            "The header Webhook-Anything cannot be set here: it is reserved for the signature.",
        ),
    ],
)
def test_rules_of_custom_headers(header: CustomHeader, sentence: str) -> None:
    """Each broken rule has its message, which never contains the value."""
    assert sentences(HookOptions(headers=(header,))) == {"header 1": [sentence]}


def test_custom_headers_can_replace_defaults() -> None:
    """User-Agent and Accept have defaults that custom headers replace."""
    headers = (CustomHeader("User-Agent", "x"), CustomHeader("Accept", "text/plain"))
    assert check_options(HookOptions(headers=headers)).headers == headers


def test_number_and_names_of_custom_headers() -> None:
    """At most twenty custom headers, unique regardless of case, with known placeholders."""
    many = tuple(CustomHeader(f"X-{number}", "x") for number in range(21))
    assert check_options(HookOptions(headers=many[:20]))
    assert sentences(HookOptions(headers=many)) == {
        "headers": ["Add at most 20 custom headers (got 21)."]
    }
    twice = (CustomHeader("X-A", "1"), CustomHeader("x-a", "2"))
    assert sentences(HookOptions(headers=twice)) == {"header 2": ["The header x-a is set twice."]}
    [sentence] = sentences(HookOptions(headers=(CustomHeader("X-A", "{Nobody}"),)))["header 1"]
    assert sentence.startswith("In the header X-A: Unknown placeholder {Nobody}. Avail")


@pytest.mark.parametrize(
    ("credentials", "errors"),
    [
        (
            Credentials(BASIC),
            {"username": "Enter the username.", "password": "Enter the password."},
        ),
        (Credentials(BASIC, "", "p"), {"username": "Enter the username."}),
        (Credentials(BASIC, "ana"), {"password": "Enter the password."}),
        (
            Credentials(BASIC, "a:b", "p\n"),
            {
                "username": "The username must not contain a colon.",
                "password": "The password must not contain control characters.",
            },
        ),
        (
            Credentials(BASIC, "a" * 256, "p" * 1001),
            {
                "username": "The username must be at most 255 characters (got 256).",
                "password": "The password must be at most 1,000 characters.",
            },
        ),
        (
            Credentials(BASIC, "a\t", "p"),
            {"username": "The username must not contain control characters."},
        ),
        (Credentials(BEARER), {"token": "Enter the token."}),
        (
            Credentials(BEARER, secret="a b"),
            {"token": "The token must be printable ASCII characters without spaces."},
        ),
        (
            Credentials(BEARER, secret="x" * 1001),
            {"token": "The token must be at most 1,000 characters."},
        ),
    ],
)
def test_rules_of_credentials(credentials: Credentials, errors: dict[str, str]) -> None:
    """Each broken rule has its message."""
    expected = {field: [sentence] for field, sentence in errors.items()}
    assert sentences(HookOptions(credentials=credentials)) == expected


def test_ages(pbx: Pbx) -> None:
    """The expiry is one of five choices; one error names all invalid values."""
    for seconds in (30, 300, 3600, 86400, 604800):
        assert check_options(HookOptions(seconds)).give_up_seconds == seconds
    begin_write()
    with pytest.raises(InvalidError) as caught:
        hooks.create_hook(
            pbx, None, EventType.HANGUP, hooks.HookData(url="x", options=HookOptions(31))
        )
    assert caught.value.errors == {
        "url": ["The URL must begin with http:// or https://."],
        "give_up_seconds": ["Must be one of: 30s, 5m, 1h, 24h, 7d."],
    }


def test_expiry_changes_pending_deliveries(pbx: Pbx) -> None:
    """Pending deliveries expire after the new time, counted from the same start."""
    hook = create(pbx)
    first, resent, done = waiting(pbx, 3)
    resent.resent_at = resent.created_at + timedelta(hours=5, milliseconds=7)
    resent.expires_at = resent.resent_at + timedelta(days=1)
    done.state = "delivered"
    ended = done.expires_at
    db.session.commit()
    for seconds in (30, 604800, 300):
        change(hook, HookOptions(seconds))
        first, resent, done = deliveries()
        assert first.expires_at == first.created_at + timedelta(seconds=seconds)
        assert resent.resent_at is not None
        assert resent.expires_at == resent.resent_at + timedelta(seconds=seconds)
        assert done.expires_at == ended


def test_disabling_order_releases_deferred_deliveries(pbx: Pbx) -> None:
    """Without order, no delivery waits for another, and deferred ones are due at once."""
    hook = create(pbx)
    first, second = waiting(pbx, 2)
    assert first.ordering_key is not None
    assert first.ordering_key == second.ordering_key
    later = utc_now() + timedelta(hours=1)
    first.due_at = second.due_at = later
    second.deferred = True
    db.session.commit()
    change(hook, HookOptions(in_order=False))
    first, second = deliveries()
    assert (first.ordering_key, second.ordering_key, second.deferred) == (None, None, False)
    assert first.due_at == later
    assert second.due_at < later
    change(hook, HookOptions())
    first, second = deliveries()
    assert (
        first.ordering_key
        == second.ordering_key
        == find_ordering_key(pbx.id, "c1", hook.origin_id, in_order=True)
    )


def test_order_moves_with_the_origin(pbx: Pbx) -> None:
    """Pending deliveries of a hook with a new origin get the ordering key of that origin."""
    hook, other = create(pbx), create(pbx, url="http://b/")
    moved, stays = waiting(pbx)
    assert moved.ordering_key != stays.ordering_key
    change(hook, read_options(hook), url="http://b/x")
    moved, stays = deliveries()
    assert moved.hook_id == hook.id
    assert moved.ordering_key == stays.ordering_key
    assert hook.origin_id == other.origin_id
