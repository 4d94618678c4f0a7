"""Hostile input gets a clear error, breaks nothing, and stores nothing partially."""

from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

from callevents.db.models import Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.log.queries import list_deliveries
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import queries
from callevents.pbxs import extensions, pbxs
from tests.conftest import Configure
from tests.web.conftest import Visitor

SCRIPT = "<script>alert('x')</script>\"'>"
BASE = "/pbxs/head-office"


@pytest.fixture
def extension_id(configure: Configure, pbx: Pbx) -> str:
    """The id of an extension with a hook."""
    configure.extension("101", "Reception")
    configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/")
    [extension] = extensions.list_extensions(pbx)
    return extension.id


@pytest.fixture
def hook(extension_id: str, pbx: Pbx) -> Hook:
    """That hook."""
    [hook] = queries.list_all_hooks(pbx)
    return hook


def test_scripts_are_shown_as_text(admin: Visitor, configure: Configure, pbx: Pbx) -> None:
    """Scripts in values are escaped on all pages."""
    begin_write()
    pbxs.rename_pbx(pbxs.get_pbx("head-office"), SCRIPT)
    db.session.commit()
    configure.extension(SCRIPT, SCRIPT)
    extension = extensions.list_extensions(pbx)[0]
    number_and_pages = [
        "/",
        "/pbxs",
        BASE,
        f"{BASE}/extensions",
        f"{BASE}/extensions/{extension.id}",
        f"{BASE}/extensions?q={SCRIPT}",
        f"{BASE}/test-event?extension={SCRIPT}",
    ]
    for path in number_and_pages:
        text = admin.get(path).text
        assert "<script>alert" not in text, path


@pytest.mark.parametrize("bad", ["\x00", "a\x00b", "a\ufffd"])
def test_unstorable_text_is_rejected(bad: str, admin: Visitor, extension_id: str, pbx: Pbx) -> None:
    """NUL and invalid UTF-8 get a clear 4xx in every form and in queries."""
    for path, field in (
        ("/pbxs/new", "name"),
        (f"{BASE}/rename", "name"),
        (f"{BASE}/extensions/new", "number"),
        (f"{BASE}/extensions/{extension_id}/rename", "name"),
        (f"{BASE}/extensions/{extension_id}/requests/new/hangup", "note"),
        (f"{BASE}/test-event", "extension"),
    ):
        fields = {"csrf_token": admin.token, "url": "https://x.example/", "method": "GET"}
        body = urlencode(fields | {field: bad})
        answer = admin.client.post(
            path, data=body, content_type="application/x-www-form-urlencoded"
        )
        assert 400 <= answer.status_code < 500, path
    assert 400 <= admin.client.get(f"{BASE}/extensions?q=%00").status_code < 500
    db.session.rollback()
    assert db.session.scalar(select(func.count(Extension.id))) == 1
    assert db.session.scalar(select(func.count(Pbx.id))) == 1


def test_invalid_utf8_breaks_nothing(admin: Visitor, pbx: Pbx) -> None:
    """A form with invalid UTF-8 is read as the text of its percent-encoding."""
    answer = admin.client.post(
        f"{BASE}/extensions/new",
        data=f"csrf_token={admin.token}&number=1%FF%ED%A0%80",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 303
    db.session.rollback()
    assert [one.number for one in extensions.list_extensions(pbx)] == ["1%FF%ED%A0%80"]


def test_other_pbxs_ids_are_not_found(admin: Visitor, extension_id: str, hook: Hook) -> None:
    """Ids of another PBX in the path lead nowhere, and change nothing."""
    begin_write()
    pbxs.add_pbx("Other")
    db.session.commit()
    other = "/pbxs/other/extensions"
    event_id = hook.event_id
    for path in (
        f"{other}/{extension_id}",
        f"{other}/{extension_id}/rename",
        f"{other}/{extension_id}/delete",
        f"{other}/all/requests/{event_id}",
    ):
        assert admin.get(path).status_code == 404, path
    answer = admin.post(f"{other}/all/requests/{event_id}/active", active="no")
    assert answer.status_code == 404
    answer = admin.post(f"{other}/all/clear", event_id=event_id)
    db.session.rollback()
    [same] = queries.list_all_hooks()
    assert same.active


def test_tests_take_no_pbx_but_their_own(
    admin: Visitor, pbx: Pbx, extension_id: str, hook: Hook, configure: Configure
) -> None:
    """A test, a preview or a test event with parts of another PBX is a 404 and sends nothing."""
    begin_write()
    other, _ = pbxs.add_pbx("Other")
    theirs = extensions.add_extension(other, "700", "")
    db.session.commit()
    their_hook = Configure(other).hook("*", EventType.HANGUP, "http://127.0.0.1:9/")
    event_id, their_place = hook.event_id, theirs.id
    slug = hook.event_type.slug
    for kind in ("test", "preview"):
        for path, posted in (
            (f"/pbxs/other/extensions/all/{kind}/{slug}", event_id),
            (f"/pbxs/other/extensions/{extension_id}/{kind}/{slug}", event_id),
            (f"{BASE}/extensions/{their_place}/{kind}/{slug}", event_id),
            (f"{BASE}/extensions/all/{kind}/hangup", their_hook.event_id),
            (f"{BASE}/extensions/{extension_id}/{kind}/dial-out", event_id),
        ):
            fields = {"event_id": posted, "url": "http://127.0.0.1:9/", "method": "GET"}
            assert admin.post(path, **fields).status_code == 404, path
    path = f"{BASE}/test-event"
    sent = admin.post(path, extension="700", event="hangup", pbx="other", slug="other")
    assert sent.status_code == 303
    assert sent.location.startswith(path)
    db.session.rollback()
    assert list_deliveries(pbx=other) == []
    assert admin.get(sent.location).status_code == 200
    their_page = sent.location.replace("head-office", "other")
    assert admin.get(their_page).status_code == 404
    assert admin.get(f"{path}/00000000-0000-7000-8000-000000000000").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/pbxs/nowhere",
        "/pbxs/nowhere/extensions",
        f"{BASE}/extensions/no-uuid",
        f"{BASE}/extensions/00000000-0000-7000-8000-000000000000",
        f"{BASE}/extensions/all/requests/{'x' * 30}",
        f"{BASE}/extensions/all/requests/new/no-event",
        f"{BASE}/deliveries/no-uuid",
        f"{BASE}/deliveries/00000000-0000-7000-8000-000000000000",
        f"{BASE}/deliveries?before=no-uuid",
    ],
)
def test_unknown_ids_are_not_found(path: str, admin: Visitor, pbx: Pbx) -> None:
    """Unknown and malformed ids are a 404 page with a title, never a trace."""
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert answer.text.count("<h1") == 1


@pytest.mark.parametrize("number", ["0", "-1", "999999999999999999999", "x", ""])
def test_invalid_page_numbers_show_a_page(number: str, admin: Visitor, extension_id: str) -> None:
    """A page number out of range shows the nearest page."""
    answer = admin.get(f"{BASE}/extensions?page={number}")
    assert answer.status_code == 200
    assert "Reception" in answer.text


def test_large_bodies_are_refused(admin: Visitor, pbx: Pbx) -> None:
    """Ten megabytes are a 413, and nothing is stored."""
    answer = admin.post(f"{BASE}/extensions/new", number="x" * 10_000_000)
    assert answer.status_code == 413
    db.session.rollback()
    assert not extensions.list_extensions(pbx)


def test_forms_without_their_token_are_refused(admin: Visitor, pbx: Pbx) -> None:
    """A form without CSRF token, or with another's, changes nothing and says to reload."""
    for token in ("", "wrong"):
        admin.token = token
        answer = admin.post("/pbxs/new", name="Forged")
        assert answer.status_code == 400
        assert "reload" in answer.text.lower()
    db.session.rollback()
    assert len(pbxs.list_pbxs()) == 1


def test_viewer_cannot_use_unsafe_routes(
    viewer: Visitor, extension_id: str, hook: Hook, pbx: Pbx
) -> None:
    """Each form, and the URL that it is sent to, returns 403 to viewers."""
    event_id = hook.event_id
    dialogs = [
        "/pbxs/new",
        f"{BASE}/rename",
        f"{BASE}/test-event",
        f"{BASE}/extensions/new",
        f"{BASE}/extensions/{extension_id}/rename",
        f"{BASE}/extensions/{extension_id}/delete",
        f"{BASE}/extensions/{extension_id}/clear",
        f"{BASE}/extensions/{extension_id}/requests/new/hangup",
    ]
    posts = [
        *dialogs,
        f"{BASE}/extensions/{extension_id}/requests/{event_id}",
        f"{BASE}/tokens",
        f"{BASE}/suggestions/add",
        f"{BASE}/suggestions/dismiss",
        f"{BASE}/extensions/{extension_id}/requests/{event_id}/active",
    ]
    viewer.get("/account")
    assert {viewer.client.get(path).status_code for path in dialogs} == {403}
    assert {viewer.post(path, active="no").status_code for path in posts} == {403}


def test_strangers_are_sent_to_sign_in(stranger: Visitor, extension_id: str) -> None:
    """A page redirects to the sign-in page, which leads back to it."""
    path = f"{BASE}/extensions/{extension_id}"
    answer = stranger.get(path)
    assert answer.status_code == 303
    assert answer.location == "/sign-in"
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="admin", password="long enough for a test")
    assert answer.location == path


def test_sign_in_leads_to_no_other_site(stranger: Visitor) -> None:
    """The sign-in page does not follow a target in its query."""
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        stranger.get(f"/sign-in?next={target}")
        answer = stranger.post(
            f"/sign-in?next={target}", username="viewer", password="long enough for a test"
        )
        assert answer.status_code == 303
        assert "evil" not in answer.location
        stranger.get("/account")
        stranger.post("/sign-out")
