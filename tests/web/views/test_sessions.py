"""The list of sessions on the account page."""

import re

from flask import Flask
from flask.testing import FlaskClient

from callevents.users.sessions import list_sessions
from callevents.users.users import find_user
from tests.web.conftest import Visitor

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0"
HTMX = {"HX-Request": "true"}


def open_session(client: FlaskClient, username: str, user_agent: str, address: str) -> Visitor:
    """Sign in with another browser."""
    client.environ_base |= {"REMOTE_ADDR": address, "HTTP_USER_AGENT": user_agent}
    visitor = Visitor(client)
    visitor.sign_in(username)
    return visitor


def ids_on(page: str) -> list[str]:
    """Return the IDs of the sessions that the page can end."""
    return re.findall(r'action="/account/sessions/([0-9a-f-]{36})/end"', page)


def test_list(admin: Visitor, app: Flask) -> None:
    """Each session is listed with browser and address; this one cannot be ended there."""
    alone = admin.get("/account").text
    assert ids_on(alone) == []
    assert "this session" in alone
    assert "End all others" not in alone
    open_session(app.test_client(), "admin", FIREFOX, "2001:db8::7")
    page = admin.get("/account").text
    assert "Firefox on Linux" in page
    assert "2001:db8::7" in page
    assert "End all others" in page
    assert len(ids_on(page)) == 1


def test_hostile_texts_are_shown_as_text(admin: Visitor, app: Flask) -> None:
    """Neither User-Agent nor address can add markup to the page."""
    open_session(app.test_client(), "admin", "<script>Safari/</script>", "<b>address</b>")
    page = admin.get("/account").text
    assert "Safari</td>" in page
    assert "&lt;b&gt;address&lt;/b&gt;" in page
    assert "<b>address" not in page
    assert "<script>Safari" not in page


def test_end_one(admin: Visitor, app: Flask) -> None:
    """The session ends at once; a second click does no harm."""
    other = open_session(app.test_client(), "admin", FIREFOX, "192.0.2.7")
    third = open_session(app.test_client(), "admin", FIREFOX, "192.0.2.8")
    [session_id] = [
        session.id
        for session in list_sessions(find_user("admin"))  # type: ignore[arg-type]  # exists
        if session.address == "192.0.2.7"
    ]
    for _ in range(2):
        assert admin.post(f"/account/sessions/{session_id}/end").status_code == 303
    assert other.client.get("/pbxs").status_code == 303
    assert third.client.get("/pbxs").status_code == 200
    assert "The session has ended." in admin.get("/account").text


def test_end_all_others(viewer: Visitor, app: Flask) -> None:
    """A viewer too ends all sessions but this one; those of other users stay."""
    others = [open_session(app.test_client(), "viewer", FIREFOX, "192.0.2.7") for _ in range(2)]
    admin = open_session(app.test_client(), "admin", FIREFOX, "192.0.2.8")
    viewer.get("/account")
    answer = viewer.client.post(
        "/account/sessions/end-others", data={"csrf_token": viewer.token}, headers=HTMX
    )
    assert answer.status_code == 200
    assert answer.text.startswith('<section id="sessions"')
    assert "All other sessions have ended." in answer.headers["HX-Trigger"]
    assert ids_on(answer.text) == []
    assert [other.client.get("/pbxs").status_code for other in others] == [303, 303]
    assert admin.client.get("/pbxs").status_code == 200
    assert viewer.client.get("/pbxs").status_code == 200


def test_sessions_of_others_cannot_be_ended(admin: Visitor, viewer: Visitor) -> None:
    """The ID of another user's session has no effect."""
    [session] = list_sessions(find_user("admin"))  # type: ignore[arg-type]  # exists
    viewer.get("/account")
    assert viewer.post(f"/account/sessions/{session.id}/end").status_code == 303
    assert admin.client.get("/pbxs").status_code == 200


def test_form_token_is_required(admin: Visitor, app: Flask) -> None:
    """Other sites cannot end sessions."""
    open_session(app.test_client(), "admin", FIREFOX, "192.0.2.7")
    [session_id] = ids_on(admin.get("/account").text)
    for path in (f"{session_id}/end", "end-others"):
        assert admin.client.post(f"/account/sessions/{path}").status_code == 400
    assert len(list_sessions(find_user("admin"))) == 2  # type: ignore[arg-type]  # exists


def test_stranger_ends_nothing(stranger: Visitor, admin: Visitor) -> None:
    """A visitor who is not signed in is asked to sign in."""
    stranger.get("/sign-in")
    answer = stranger.post("/account/sessions/end-others")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert admin.client.get("/pbxs").status_code == 200
