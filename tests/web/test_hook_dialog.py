"""Templates, value maps, conditions and other options in a request's dialog, without JavaScript."""

import re
from dataclasses import replace
from html import unescape

import pytest

from callevents.conditions import Conditions, Hours
from callevents.db.models import Hook, Pbx
from callevents.db.models import Receiver as Row
from callevents.db.session import begin_write
from callevents.delivery.request.filters import FILTERS
from callevents.delivery.request.load import read_template
from callevents.delivery.request.placeholders import find_problem
from callevents.enums import (
    AuthKind,
    BodyFormat,
    EventType,
    HookScope,
    Method,
    MissingAnswer,
    ReceiverAuth,
)
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import (
    Answers,
    BodyTemplate,
    Credentials,
    HookOptions,
    read_options,
)
from callevents.hooks.receiver import find_receiver
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver
from callevents.web.hook_fields import FILTER_EXAMPLES, USER_EXAMPLE
from tests.support.receiver import Receiver
from tests.support.stored_receiver import SECRET, give_receiver
from tests.web.conftest import Visitor
from tests.web.test_hook_form import ALL, NEW, TEST, fields, only_count, only_hook

EVERYTHING = HookOptions(
    body_format=BodyFormat.TEMPLATE,
    body_template=BodyTemplate("application/json", '{\n  "from": "{CallerIDNum}"\n}'),
    value_maps={"direction": {"IN": "in", "*": ""}},
    scope=HookScope.CALL,
    conditions=Conditions(
        directions=("in",),
        party="external",
        answered=True,
        min_seconds=5,
        hours=Hours((1, 5), "09:00", "17:30", "Europe/Bucharest", is_outside=True),
        numbers=("+40*", "101"),
        dids=("+40210000100",),
        queues=("support", "sales team"),
    ),
    credentials=Credentials(AuthKind.SCHEME, "token", "KEY:s3cret"),
)
TYPED = {
    "method": "PATCH",
    "body_format": "template",
    "content_type": "application/json",
    "body_template": '{\r\n  "from": "{CallerIDNum}"\r\n}',
    "value_maps": "direction: IN = in\r\ndirection: * =",
    "scope": "call",
    "directions": "in",
    "party": "external",
    "answered": "yes",
    "min_seconds": "5",
    "days": ["1", "5"],
    "hours_start": "09:00",
    "hours_end": "17:30",
    "zone": "Europe/Bucharest",
    "hours_meaning": "outside",
    "numbers": "+40*\r\n101",
    "dids": "+40210000100",
    "queues": "support, sales team",
    "auth": "scheme",
    "scheme": "token",
    "token": "KEY:s3cret",
}


def create(pbx: Pbx, options: HookOptions = EVERYTHING) -> Hook:
    """Create a hook."""
    begin_write()
    data = hooks.HookData("http://a/", Method.PATCH, options=options)
    hook = hooks.create_hook(pbx, None, EventType.HANGUP, data)
    db.session.commit()
    return hook


def typed(page: str) -> dict[str, object]:
    """Return the fields that a browser would send for the page's form, by name."""
    found: dict[str, object] = {}
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>([^<]*)</textarea>', page):
        found[name] = unescape(text)
    for tag in re.findall(r"<input[^>]*>", page):
        kind, name, value = (attribute(tag, one) for one in ("type", "name", "value"))
        is_left_out = kind in ("radio", "checkbox") and not re.search(r"\schecked\b", tag)
        if name in ("csrf_token", "") or is_left_out:
            continue
        if name == "days":
            found.setdefault(name, []).append(value)  # type: ignore[attr-defined]
        else:
            found[name] = value
    found["give_up_seconds"] = "86400"
    return found


def attribute(tag: str, name: str) -> str:
    """Return the value of an attribute, empty without it."""
    value = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(value[1]) if value else ""


def test_everything_is_saved(admin: Visitor, pbx: Pbx) -> None:
    """What is typed in all fields is stored; it is shown again, without the secrets."""
    assert admin.post(NEW, **fields("http://a/") | TYPED).status_code == 303
    hook = only_hook(pbx)
    assert hook.method is Method.PATCH
    stored = read_options(hook)
    assert stored.conditions == EVERYTHING.conditions
    assert stored.body_template == EVERYTHING.body_template
    assert (stored.value_maps, stored.scope) == (EVERYTHING.value_maps, EVERYTHING.scope)
    template = read_template(hook, cipher.bound)
    assert (template.auth, template.username, template.secret) == (
        *(AuthKind.SCHEME, "token", "KEY:s3cret"),
    )
    page = admin.get(f"{ALL}/requests/{hook.event_id}").text
    assert "s3cret" not in page
    assert "Authorization: ••••" in page


def test_an_unchanged_dialog_changes_nothing(admin: Visitor, pbx: Pbx) -> None:
    """Everything that is stored comes back from the page, and leaves no entry in the history."""
    hook = create(pbx)
    path, before = f"{ALL}/requests/{hook.event_id}", columns_of(hook)
    page = admin.get(path).text
    assert admin.post(path, **typed(page)).status_code == 303
    hook = only_hook(pbx)
    assert columns_of(hook) == before


def test_both_directions_are_kept(admin: Visitor, pbx: Pbx) -> None:
    """They differ from any direction: of some calls it is unknown."""
    hook = create(pbx, HookOptions(conditions=Conditions(directions=("in", "out"))))
    path, before = f"{ALL}/requests/{hook.event_id}", columns_of(hook)
    page = admin.get(path).text
    assert admin.post(path, **typed(page)).status_code == 303
    assert columns_of(only_hook(pbx)) == before
    assert admin.post(path, **typed(page) | {"directions": "in"}).status_code == 303
    assert read_options(only_hook(pbx)).conditions.directions == ("in",)


def columns_of(hook: Hook) -> dict[str, object]:
    """Return what is stored of the hook."""
    return {column.name: getattr(hook, column.name) for column in Hook.__table__.columns}


def test_options_of_a_receiver(admin: Visitor, pbx: Pbx) -> None:
    """Kept values and the receiver's authentication are offered to requests of one only."""
    hook = create(pbx, HookOptions())
    path = f"{ALL}/requests/{hook.event_id}"
    page = admin.get(path).text
    assert "Keep from the answer" not in page
    assert 'value="receiver"' not in page
    values = {"answers": "CALL_ID = /result/CALL_ID", "missing_answer": "omit"}
    refused = admin.post(path, **fields("http://a/") | values)
    assert refused.status_code == 422
    give_receiver(only_hook(pbx), "http://a")
    page = admin.get(path).text
    assert "Keep from the answer" in page
    values["auth"] = "receiver"
    assert admin.post(path, **fields("http://a/") | values).status_code == 303
    options = read_options(only_hook(pbx))
    assert options.answers == Answers({"CALL_ID": "/result/CALL_ID"}, MissingAnswer.OMIT)
    assert options.credentials.kind is AuthKind.RECEIVER
    assert admin.post(path, **typed(admin.get(path).text)).status_code == 303
    assert read_options(only_hook(pbx)) == options


def test_a_receiver_is_chosen(admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """A new request uses its authentication and values, in the preview and the test, too."""
    page = admin.get(NEW).text
    assert 'name="receiver"' not in page
    assert "|user" not in page
    begin_write()
    data = ReceiverData("CRM", receiver.url, values={"portal": "acme"})
    auth = {"auth": ReceiverAuth.BEARER, "credentials": {"token": SECRET}}
    create_receiver(replace(data, **auth))
    db.session.commit()
    page = admin.get(NEW).text
    assert '<option value="crm">CRM</option>' in page
    assert 'class="with-receiver"><code>{Extension|user}' in page
    chosen = {"receiver": "crm", "auth": "receiver"}
    values = fields(f"{receiver.url}/{{receiver.portal}}") | chosen
    preview = admin.post(f"{ALL}/preview/hangup", **values).text
    assert "POST /acme HTTP/1.1" in preview
    assert "{receiver.portal}" in preview
    assert SECRET not in preview
    for path in (f"{ALL}/preview/hangup", NEW):
        refused = admin.post(path, **values | {"url": "http://b.example/"}).text
        assert "The URL must begin with the address of CRM" in unescape(refused)
    assert "200" in admin.post(TEST, **values).text
    assert receiver.arrivals[0].path == "/acme"
    assert receiver.arrivals[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert admin.post(NEW, **values | {"receiver": "other"}).status_code == 422
    assert admin.post(NEW, **values).status_code == 303
    hook = only_hook(pbx)
    assert (hook.auth, find_receiver(hook)) == (AuthKind.RECEIVER, db.session.query(Row).one())
    path = f"{ALL}/requests/{hook.event_id}"
    assert '<option selected value="crm">' in admin.get(path).text
    none = {"receiver": "", "event_id": hook.event_id}
    refused = admin.post(path, **values | none)
    assert refused.status_code == 422
    receiver.arrivals.clear()
    plain = values | none | {"url": f"{receiver.url}/x", "auth": "none"}
    assert "200" in admin.post(TEST, **plain).text
    assert "Authorization" not in receiver.arrivals[0].headers
    assert admin.post(path, **plain).status_code == 303
    assert find_receiver(only_hook(pbx)) is None


def test_viewers_see_the_receiver(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """By its name; it leads to its page."""
    hook = create(pbx, HookOptions())
    event_id = hook.event_id
    give_receiver(only_hook(pbx), "http://a")
    page = viewer.get(f"{ALL}/requests/{event_id}").text
    assert '<a href="/receivers/crm">CRM</a>' in page


def test_a_receiver_is_shown_without_its_secrets(admin: Visitor, pbx: Pbx) -> None:
    """The dialog names it and its values; the preview has these, and masks secret ones."""
    hook = create(pbx, HookOptions())
    event_id = hook.event_id
    give_receiver(only_hook(pbx), "http://a")
    page = unescape(admin.get(f"{ALL}/requests/{event_id}").text)
    assert 'href="/receivers/crm"' in page
    assert "{receiver.portal}" in page
    text = {"body_template": '{"at": "{receiver.portal}", "key": "{receiver.key}"}'}
    values = fields("http://a/{receiver.key}/x") | TYPED | text | {"event_id": event_id}
    preview = unescape(admin.post(f"{ALL}/preview/hangup", **values).text)
    assert '{"at": "acme", "key": "••••"}' in preview
    assert "PATCH /••••/x HTTP/1.1" in preview
    assert SECRET not in page + preview


@pytest.mark.parametrize(
    ("values", "problem", "sentence"),
    [
        ({"value_maps": "x"}, "value_maps", "Line 1: Write it like: direction: IN = in"),
        ({"min_seconds": "-1"}, "min_seconds", "Enter whole seconds, such as 10."),
        ({"hours_start": "09:00"}, "days", "Choose the days too."),
        ({"days": ["1"]}, "zone", "Enter a time zone, such as Europe/Bucharest."),
        ({"days": ["1"], "zone": "Europe/Bucuresti"}, "zone", "There is no time zone"),
        ({"days": ["1"], "zone": "UTC", "hours_start": "25:00"}, "hours_start", "is not a time"),
        ({"days": ["9"]}, "days", "not a valid choice"),
        ({"numbers": "abc"}, "numbers", "is not a number"),
        ({"dids": "abc"}, "dids", "is not a number"),
        ({"queues": "x" * 101}, "queues", "at most 100 characters"),
        ({"auth": "scheme", "token": "t"}, "scheme", "Enter the scheme, for example token."),
        ({"auth": "scheme", "scheme": "token"}, "token", "Enter the token."),
        ({"scope": "never"}, "scope", "Not a valid choice"),
        ({"answered": "perhaps"}, "answered", "Not a valid choice"),
    ],
)
def test_errors_are_beside_their_fields(
    admin: Visitor, pbx: Pbx, values: dict[str, object], problem: str, sentence: str
) -> None:
    """The sections are open, what was typed is kept, and the preview says the same."""
    answer = admin.post(NEW, **fields("http://a/") | values)
    assert answer.status_code == 422
    shown = re.search(rf'id="{problem}-problem">(.*?)</p>', answer.text, re.S)
    if problem not in ("scope", "answered", "days"):
        assert shown
        assert sentence in unescape(shown[1])
    assert sentence in unescape(answer.text)
    assert 'id="options" open' in re.sub(r"\s+", " ", answer.text)
    assert only_count(pbx) == 0
    assert admin.post(f"{ALL}/preview/hangup", **fields("http://a/") | values).status_code == 200


def test_hostile_values_are_text(admin: Visitor, pbx: Pbx) -> None:
    """Markup in all fields of text is escaped, on the dialog and on the page for viewers."""
    markup = "</textarea><script>alert(1)</script>"
    values = dict.fromkeys(("body_template", "numbers", "queues", "dids"), markup)
    answer = admin.post(NEW, **fields("http://a/") | TYPED | values)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    maps = f"a: {markup} = {markup}"
    shown = {"content_type": "text/plain", "body_template": markup, "value_maps": maps}
    answer = admin.post(NEW, **fields("http://a/") | TYPED | shown | {"queues": markup})
    assert answer.status_code == 303
    page = admin.get(f"{ALL}/requests/{only_hook(pbx).event_id}").text
    assert "<script>alert" not in page
    assert typed(page)["body_template"] == markup


def test_viewers_see_the_options(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """In words, without secrets."""
    hook = create(pbx)
    page = viewer.get(f"{ALL}/requests/{hook.event_id}").text
    for text in ("once per call", "external", '"from": "{CallerIDNum}"', "direction: IN = in"):
        assert text in unescape(page)
    assert "s3cret" not in page


def test_conditions_of_hangups_only(admin: Visitor, pbx: Pbx) -> None:
    """Whether a call is answered is known at its end: other dialogs do not ask for it."""
    assert 'name="answered"' in admin.get(NEW).text
    assert 'name="answered"' not in admin.get(f"{ALL}/requests/new/dial-in").text


def test_the_time_zone_is_suggested(admin: Visitor, pbx: Pbx) -> None:
    """A new request has the time zone of the PBX's country; what is entered stays, even nothing."""
    url = f"{ALL}/requests/new/hangup"
    assert typed(admin.get(url).text)["zone"] == ""
    begin_write()
    pbx.country = "RO"
    db.session.commit()
    assert typed(admin.get(url).text)["zone"] == "Europe/Bucharest"
    answer = admin.post(url, url="http://a/", method="GET", days="1", zone="")
    assert (answer.status_code, typed(answer.text)["zone"]) == (422, "")


def test_a_template_is_previewed_and_tested(admin: Visitor, pbx: Pbx, receiver: Receiver) -> None:
    """The preview and the test have the filled template, with its content type and method."""
    values = fields(receiver.url) | TYPED
    page = admin.post(f"{ALL}/preview/hangup", **values).text
    assert "PATCH / HTTP/1.1" in page
    assert '"from": "+40' in unescape(page)
    result = admin.post(TEST, **values).text
    assert "200" in result
    [arrival] = receiver.arrivals
    assert (arrival.method, arrival.headers["Content-Type"]) == ("PATCH", "application/json")
    assert arrival.headers["Authorization"] == "token KEY:s3cret"
    assert '"from": "+40' in arrival.body


def test_the_dialog_lists_all_filters() -> None:
    """Each example is valid, and no filter is missing."""
    shown = (*FILTER_EXAMPLES, USER_EXAMPLE)
    text = " ".join(f"{example} {meaning}" for example, meaning in shown)
    assert [name for name in FILTERS if not re.search(rf"\b{name}\b", text)] == []
    assert [one for one, _ in shown if find_problem(one)] == []
