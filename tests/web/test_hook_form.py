"""The section 'Delivery' of a request's dialog and its test, without JavaScript."""

import re
import threading

import pytest
from flask import Flask
from standardwebhooks import Webhook

from callevents.db.models import Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.request.load import read_template
from callevents.enums import AuthKind, BodyFormat, EventType, Method, ParameterSet
from callevents.extensions import cipher, db
from callevents.hooks import hooks, queries, signing_secret
from callevents.hooks.options import Credentials, CustomHeader, HookOptions, read_options
from callevents.hooks.test_request import MAX_BODY_SHOWN, TEST_PARAMETER
from callevents.security.encryption import Cipher, make_key
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until
from tests.web.conftest import Visitor

ALL = "/pbxs/head-office/extensions/all"
NEW = f"{ALL}/requests/new/hangup"
TEST = f"{ALL}/test/hangup"
#: Fields that a browser sends for an unchanged dialog, besides method and URL.
USUAL = {
    "active": "y",
    "give_up_seconds": "86400",
    "in_order": "y",
    "body_format": "form",
    "parameters": "all",
    "auth": "none",
    "signing": "keep",
}
SECRETS = ("k3y", "s3cret", "an4")
SECRETIVE = HookOptions(
    headers=(CustomHeader("X-Key", "k3y"),),
    credentials=Credentials(AuthKind.BASIC, "an4", "s3cret"),
)


def fields(url: str, **values: object) -> dict[str, object]:
    """Return a form's fields; names with a dash are written with two underscores."""
    return {
        "method": "POST",
        "url": url,
        **USUAL,
        **{name.replace("__", "-"): value for name, value in values.items()},
    }


def create(pbx: Pbx, url: str) -> Hook:
    """Create a signed hook with secrets."""
    begin_write()
    hook = hooks.create_hook(
        pbx, None, EventType.HANGUP, hooks.HookData(method=Method.POST, url=url, options=SECRETIVE)
    )
    signing_secret.rotate_secret(hook)
    db.session.commit()
    return hook


def only_hook(pbx: Pbx) -> Hook:
    """Return the only hook as it is stored."""
    db.session.rollback()
    [hook] = queries.list_all_hooks(pbx)
    return hook


def test_options_are_saved(admin: Visitor, pbx: Pbx) -> None:
    """Everything in the section is stored."""
    answer = admin.post(
        NEW,
        **fields(
            "http://a/{CallID}",
            give_up_seconds="300",
            in_order="",
            body_format="json",
            parameters="none",
            headers__0__name="X-Key",
            headers__0__value="k3y",
            headers__3__name="X-Call",
            headers__3__value="{CallID}",
            auth="bearer",
            token="s3cret",
        ),
    )
    assert answer.status_code == 303
    template = read_template(only_hook(pbx), cipher.bound)
    assert template.custom_headers == [("X-Key", "k3y"), ("X-Call", "{CallID}")]
    assert (template.auth, template.secret) == (AuthKind.BEARER, "s3cret")
    assert (template.body_format, template.parameters) == (BodyFormat.JSON, ParameterSet.NONE)
    options = read_options(only_hook(pbx))
    assert (options.give_up_seconds, options.in_order) == (300, False)


def test_section_is_open_unless_all_options_are_default(admin: Visitor, pbx: Pbx) -> None:
    """A new request's section is closed; it is open where options are set, without secrets."""
    assert '<details class="more" id="options">' in re.sub(
        r"\s+", " ", admin.get(NEW).text
    ).replace(" >", ">")
    hook = create(pbx, "http://a/")
    page = admin.get(f"{ALL}/requests/{hook.event_id}").text
    assert '<details class="more" id="options" open>' in re.sub(r"\s+", " ", page)
    assert 'value="X-Key"' in page
    assert "Authorization: Basic ••••" in page
    assert "webhook-signature: v1," in page
    assert not any(secret in page for secret in SECRETS)


def test_secrets_that_are_left_empty_are_kept(admin: Visitor, pbx: Pbx) -> None:
    """Saving the unchanged dialog keeps all secrets; emptying a name removes its header."""
    hook = create(pbx, "http://a/")
    path, event_id = f"{ALL}/requests/{hook.event_id}", hook.event_id
    before = (hook.custom_headers, hook.auth_secret, hook.signing_secret)
    answer = admin.post(path, **fields("http://a/", headers__0__name="X-Key", auth="basic"))
    assert answer.status_code == 303
    hook = only_hook(pbx)
    assert (hook.custom_headers, hook.auth_secret, hook.signing_secret) == before
    admin.post(path, **fields("http://a/"))
    hook = only_hook(pbx)
    assert (hook.custom_headers, hook.auth_secret, hook.auth) == ("", "", AuthKind.NONE)
    assert hook.event_id == event_id


def test_secrets_stay_with_their_receiver(admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """Stored secrets are not sent to another origin by tests or by saving, unless entered again."""
    hook = create(pbx, "http://a/")
    path, event_id = f"{ALL}/requests/{hook.event_id}", hook.event_id
    before = (hook.url, hook.custom_headers, hook.auth_secret)
    kept = fields(receiver.url, headers__0__name="X-Key", auth="basic")
    trial = admin.post(TEST, event_id=event_id, **kept).text
    sentence = "The URL points to another receiver than before. Enter {} again."
    assert sentence.format("the value of X-Key") in trial
    answer = admin.post(path, **kept)
    assert answer.status_code == 422
    for field, what in (
        ("headers-0-name", "the value of X-Key"),
        ("username", "the username"),
        ("password", "the password"),
    ):
        assert re.search(rf'id="{field}-problem">.*?{sentence.format(what)}', answer.text, re.S)
    assert "•••• unchanged" not in answer.text
    hook = only_hook(pbx)
    assert (hook.url, hook.custom_headers, hook.auth_secret) == before
    assert receiver.arrivals == []
    again = fields(
        receiver.url,
        headers__0__name="X-Key",
        headers__0__value="new",
        auth="basic",
        username="ana",
        password="other",
    )
    admin.post(TEST, event_id=event_id, **again)
    assert receiver.wait_for(1)[0].headers["X-Key"] == "new"
    assert admin.post(path, **again).status_code == 303
    assert admin.post(path, **fields("http://a/")).status_code == 303


def test_typed_values_stay_next_to_errors(admin: Visitor, pbx: Pbx) -> None:
    """An invalid form keeps all values, secrets too, with errors next to the fields."""
    answer = admin.post(
        NEW,
        **fields(
            "http://a/{Nobody}",
            headers__0__name="X-Key",
            headers__0__value="typed-1",
            headers__1__name="Host",
            headers__1__value="typed-2",
            auth="basic",
            password="typed-3",
        ),
    )
    assert answer.status_code == 422
    page = answer.text
    for typed in ("http://a/{Nobody}", "typed-1", "typed-2", "typed-3"):
        assert f'value="{typed}"' in page
    for problem in ("url", "headers-1-name", "username"):
        assert f'id="{problem}-problem"' in page
        assert f'aria-describedby="{problem}-problem"' in page
    assert "Unknown placeholder {Nobody}." in page
    assert "The header Host cannot be set here: it is derived from the URL." in page
    assert 'id="headers-0-name-problem"' not in page
    assert only_count(pbx) == 0


def only_count(pbx: Pbx) -> int:
    """Return how many hooks are stored."""
    db.session.rollback()
    return len(queries.list_all_hooks(pbx))


@pytest.mark.parametrize(
    "wrong",
    [
        {"give_up_seconds": "x"},
        {"give_up_seconds": "31"},
        {"body_format": "xml"},
        {"parameters": "some"},
        {"auth": "digest"},
        {"signing": "remove"},
    ],
)
def test_invalid_choices(admin: Visitor, pbx: Pbx, wrong: dict[str, str]) -> None:
    """Invalid choices are rejected; previewing and testing them does not fail."""
    values = fields("http://a/") | wrong
    assert admin.post(NEW, **values).status_code == 422
    assert only_count(pbx) == 0
    assert admin.post(f"{ALL}/preview/hangup", **values).status_code == 200
    assert admin.post(TEST, **values).status_code == 200


def test_signing_secret_is_shown_once(admin: Visitor, pbx: Pbx) -> None:
    """A new secret is shown in one response only; it can be renewed and removed."""
    answer = admin.post(NEW, **fields("http://a/", signing="new"))
    [secret] = re.findall(r'id="new-secret">([^<]+)<', answer.text)
    hook = only_hook(pbx)
    assert cipher.bound.decrypt(hook.signing_secret) == secret
    path = f"{ALL}/requests/{hook.event_id}"
    assert secret not in admin.get(path).text
    assert admin.post(path, **fields("http://a/")).status_code == 303
    assert cipher.bound.decrypt(only_hook(pbx).signing_secret) == secret
    answer = admin.post(path, **fields("http://a/", signing="new"))
    assert "requests are signed with both" in answer.text
    assert secret not in answer.text
    assert cipher.bound.decrypt(only_hook(pbx).previous_signing_secret) == secret
    assert admin.post(path, **fields("http://a/", signing="remove")).status_code == 303
    assert only_hook(pbx).signing_secret == ""


def test_pages_work_without_the_key(admin: Visitor, pbx: Pbx) -> None:
    """Without the encryption key the dialog opens, keeps secrets and accepts new ones."""
    hook = create(pbx, "http://a/")
    begin_write()
    lost = Cipher(lambda: [make_key()]).encrypt("x")
    hook.auth_secret = hook.signing_secret = lost
    hook.custom_headers = f'[["X-Key", "{lost}"]]'
    db.session.commit()
    path, event_id = f"{ALL}/requests/{hook.event_id}", hook.event_id
    assert "Basic ••••" in admin.get(path).text
    kept = fields("http://a/", headers__0__name="X-Key", auth="basic", event_id=event_id)
    assert "The secrets of this request cannot be decrypted" in admin.post(TEST, **kept).text
    assert admin.post(path, **kept).status_code == 303
    entered = kept | {"headers-0-value": "n", "auth": "bearer", "token": "new", "signing": "new"}
    assert admin.post(path, **entered).status_code == 200
    assert read_template(only_hook(pbx), cipher.bound).secret == "new"


def test_send_test_uses_the_form(admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """A test of an unsaved request has the values of the form and a mark, and is not in the log."""
    receiver.reply = lambda _arrival: Reply(status=503, body=b"<b>busy</b>")
    answer = admin.post(
        TEST,
        **fields(
            receiver.url + "/{EventType}",
            headers__0__name="X-Key",
            headers__0__value="k3y",
            auth="bearer",
            token="s3cret",
            parameters="voipnow",
        ),
    )
    [arrival] = receiver.arrivals
    assert (arrival.method, arrival.path) == ("POST", "/hangup")
    assert arrival.headers["Authorization"] == "Bearer s3cret"
    assert arrival.headers["X-Key"] == "k3y"
    assert arrival.parameters["Test"] == "1"
    assert arrival.parameters["CallID"].startswith("example-")
    assert len(arrival.parameters) == 11
    assert answer.status_code == 200
    assert "503" in answer.text
    assert "The receiver returned 503 Service Unavailable." in answer.text
    assert "&lt;b&gt;busy&lt;/b&gt;" in answer.text
    assert 'value="k3y"' in answer.text
    assert db.session.query(Delivery).count() == 0
    assert only_count(pbx) == 0


def test_send_test_uses_stored_secrets_and_signs(
    admin: Visitor, pbx: Pbx, receiver: Receiver
) -> None:
    """A test of a saved request has the stored secrets, and is signed unless that is removed."""
    hook = create(pbx, receiver.url)
    secret = cipher.bound.decrypt(hook.signing_secret)
    values = fields(receiver.url, event_id=hook.event_id, auth="basic", headers__0__name="X-Key")
    page = admin.post(TEST, **values)
    unsigned = admin.post(TEST, **{**values, "signing": "remove"})
    assert page.status_code == unsigned.status_code == 200
    first, second = receiver.arrivals
    assert first.headers["Authorization"] == "Basic YW40OnMzY3JldA=="
    assert first.headers["X-Key"] == "k3y"
    Webhook(secret).verify(first.body, first.headers, json_parse=False)
    assert first.headers["webhook-id"] == first.parameters["DeliveryID"]
    assert "webhook-id" not in second.headers
    assert not any(word in page.text for word in SECRETS)


def test_send_test_reports_problems(admin: Visitor, pbx: Pbx) -> None:
    """An invalid form is not sent, nor a request to an address that is not allowed."""
    page = admin.post(TEST, **fields("http://a/", headers__0__name="Host"))
    assert "The header Host cannot be set here" in page.text
    page = admin.post(TEST, **fields("http://169.254.169.254/latest"))
    assert "The address 169.254.169.254 is link-local" in page.text
    page = admin.post(TEST, **fields("http://[::1"))
    assert "host or port is not valid" in page.text


def test_send_test_truncates_long_responses(admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """A long body is truncated, and the page says so; an empty one is shown as such."""
    receiver.reply = lambda _arrival: Reply(body=b"a" * MAX_BODY_SHOWN + b"bbb")
    page = admin.post(TEST, **fields(receiver.url)).text
    assert "a" * MAX_BODY_SHOWN + "<" in page
    assert "The response is longer" in page
    receiver.reply = lambda _arrival: Reply(status=204, body=b"")
    assert "The response has no body." in admin.post(TEST, **fields(receiver.url)).text


def test_one_test_at_a_time(app: Flask, admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """While a user's test is running, another one is rejected."""
    go_on = threading.Event()
    receiver.reply = lambda _arrival: Reply(hold=lambda: bool(go_on.wait(10)) and None)
    values = fields(receiver.url)
    running = threading.Thread(target=lambda: admin.post(TEST, **values))
    running.start()
    wait_until(lambda: receiver.arrivals, "the first test")
    assert "Your previous test is still running." in admin.post(TEST, **values).text
    go_on.set()
    running.join()
    assert "still running" not in admin.post(TEST, **values).text
    assert len(receiver.arrivals) == 2


def test_viewers_test_nothing(viewer: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """Only admins may send a test."""
    assert viewer.post(TEST, **fields(receiver.url)).status_code == 403
    assert receiver.arrivals == []
    assert TEST_PARAMETER == (("Test", "1"),)
