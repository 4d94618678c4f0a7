"""Creating and revoking API tokens on the pages."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from callevents.api_access.api_tokens import MAX_TOKENS, find_api_token
from callevents.api_access.scopes import RESERVED_SCOPES, V1_SCOPES
from callevents.db.models import ApiToken, AuditEntry, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs.removal import begin_removal
from callevents.users import users
from tests.api_access.adding import add_token, add_user
from tests.conftest import Configure
from tests.web.conftest import Visitor

PAGE = "/api-access"
NEW = f"{PAGE}/tokens/new"
HTMX = {"HX-Request": "true"}
FIELDS = {"name": "Export", "scopes": ["hooks:read"], "pbx": "*", "expires": "90d"}
TEXT = re.compile(r'<code id="new-api-token">(cea_[\w-]{43})</code>')


def tokens() -> list[ApiToken]:
    """Return all tokens, as they are stored now."""
    db.session.rollback()
    return list(db.session.query(ApiToken).order_by(ApiToken.id))


def test_token_is_shown_once(viewer: Visitor, pbx: Pbx) -> None:
    """It works, it is limited as chosen, and no later page has it."""
    fields = FIELDS | {"scopes": ["hooks:read", "calls:read"], "pbx": "head-office"}
    viewer.get(NEW)
    answer = viewer.post(NEW, **fields)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    [text] = TEXT.findall(answer.text)
    [token] = tokens()
    found = find_api_token(text)
    assert found is token
    assert (token.user.username, token.name) == ("viewer", "Export")
    assert (token.scopes, token.pbx_id) == ("hooks:read calls:read", pbx.id)
    assert text not in viewer.get(PAGE).text
    [entry] = db.session.query(AuditEntry).filter_by(action="api_token.added")
    assert (entry.actor_name, entry.object_name) == ("viewer", "Export")
    assert text not in f"{entry.after}"


@pytest.mark.parametrize(
    ("choice", "days"), [("30d", 30), ("90d", 90), ("1y", 365), ("never", None)]
)
def test_expiry(viewer: Visitor, choice: str, days: int | None) -> None:
    """A token expires after the chosen time; 90 days are offered first."""
    assert '<option selected value="90d">in 90 days</option>' in viewer.get(NEW).text
    before = utc_now()
    viewer.post(NEW, **FIELDS | {"expires": choice})
    [token] = tokens()
    if days is None:
        assert token.expires_at is None
    else:
        assert token.expires_at is not None
        assert before <= token.expires_at - timedelta(days=days) <= utc_now()


def test_scopes_are_offered_in_plain_words(viewer: Visitor) -> None:
    """All of the management API, but those that allow nothing; VoipNow's is only for apps."""
    page = viewer.get(NEW).text
    offered = re.findall(r'name="scopes"\s+value="([^"]+)"', page)
    assert offered == [scope for scope in V1_SCOPES if scope not in RESERVED_SCOPES]
    for scope in offered:
        assert f'<code class="hint">{scope}</code>' in page
    assert "checked" not in page


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {"name": " ", "scopes": []},
            ["Enter a name.", "Choose at least one scope."],
        ),
        ({"name": "x" * 101}, ["Must be at most 100 characters (got 101)."]),
        ({"scopes": ["hooks"]}, ["There is no scope &#39;hooks&#39;."]),
        ({"scopes": ["uapi"]}, ["There is no scope &#39;uapi&#39;."]),
        (
            {"scopes": ["users:read", "hooks:read"], "pbx": "head-office"},
            ["users:read is for all PBXs together. Leave it out, or choose all PBXs."],
        ),
        ({"pbx": ""}, ["Choose a PBX, or &#39;All PBXs&#39;."]),
        ({"pbx": "nowhere"}, ["There is no PBX &#39;nowhere&#39;."]),
        ({"expires": ""}, ["Choose when the token expires."]),
        ({"expires": "100y"}, ["Choose when the token expires."]),
    ],
)
def test_invalid_values(
    viewer: Visitor, pbx: Pbx, changes: dict[str, object], sentences: list[str]
) -> None:
    """The form comes again with a sentence at each field and what was entered; none is created."""
    viewer.get(NEW)
    answer = viewer.post(NEW, **FIELDS | changes)
    assert answer.status_code == 422
    for sentence in sentences:
        assert sentence in answer.text
    assert answer.text.count('aria-invalid="true"') == len(sentences)
    name = FIELDS["name"] if "name" not in changes else changes["name"]
    assert f'value="{name}"' in answer.text
    ticked = changes.get("scopes", FIELDS["scopes"])
    assert ('value="hooks:read" id="scopes-2" checked' in " ".join(answer.text.split())) is (
        "hooks:read" in f"{ticked}"
    )
    assert tokens() == []


def test_only_pbxs_that_the_user_sees(
    app: Flask, stranger: Visitor, pbx: Pbx, other_pbx: Pbx, configure: Configure
) -> None:
    """The owner of an extension creates tokens for its PBX, and learns of no other."""
    configure.extension("101")
    add_user("bob", "self-service:head-office:101")
    stranger.sign_in("bob")
    page = stranger.get(NEW).text
    options = re.findall(r'<option[^>]*value="([^"]*)"', page)
    assert options[:2] == ["*", "head-office"]
    assert "Branch" not in page
    answer = stranger.post(NEW, **FIELDS | {"pbx": "branch"})
    assert answer.status_code == 422
    assert "There is no PBX &#39;branch&#39;." in answer.text
    assert "Branch" not in answer.text
    assert stranger.post(NEW, **FIELDS | {"pbx": "head-office"}).status_code == 200
    begin_write()
    begin_removal(db.session.merge(pbx), "head-office")
    db.session.commit()
    answer = stranger.post(NEW, **FIELDS | {"pbx": "head-office"})
    assert "The PBX &#39;head-office&#39; is being removed." in answer.text
    assert len(tokens()) == 1


def test_too_many_tokens(viewer: Visitor) -> None:
    """The answer says so; it is a toast for htmx, so the dialog keeps what was entered."""
    user = users.get_user("viewer")
    for number in range(MAX_TOKENS):
        add_token(user, f"{number}")
    viewer.get(NEW)
    answer = viewer.post(NEW, **FIELDS)
    assert answer.status_code == 409
    assert "viewer has 100 tokens. Revoke others first." in answer.text
    assert len(tokens()) == MAX_TOKENS


def test_revoke(viewer: Visitor) -> None:
    """After a question with the last use, the token does not work any more."""
    token, text = add_token(users.get_user("viewer"), "<Export>")
    url = f"{PAGE}/tokens/{token.id}/revoke"
    page = viewer.get(url).text
    assert "Revoke the API token &lt;Export&gt;?" in page
    assert f"this token ({token.hint}…) stop working at once" in page
    assert "It was never used." in page
    answer = viewer.client.post(url, headers=HTMX, data={"csrf_token": viewer.token})
    assert answer.status_code == 204
    assert '"api-access-changed"' in answer.headers["HX-Trigger"]
    assert "The API token <Export> is revoked." in answer.headers["HX-Trigger"]
    db.session.rollback()
    assert find_api_token(text) is None
    assert viewer.get(url).status_code == 404
    assert viewer.post(url).status_code == 404


def test_question_about_an_expired_token(viewer: Visitor) -> None:
    """Nothing stops any more."""
    token, _ = add_token(users.get_user("viewer"))
    begin_write()
    token.expires_at = utc_now()
    db.session.commit()
    page = viewer.get(f"{PAGE}/tokens/{token.id}/revoke").text
    assert "have stopped working already: it expired" in page
    assert "at once" not in page


def test_admin_revokes_another_users_token(admin: Visitor) -> None:
    """The question names the owner, and so does the history."""
    token, text = add_token(users.get_user("viewer"))
    begin_write()
    token.last_used_at, token.last_used_address = utc_now(), "192.0.2.7"
    db.session.commit()
    assert admin.post(f"{PAGE}/tokens/{token.id}/revoke").status_code == 404
    url = f"{PAGE}/other-tokens/{token.id}/revoke"
    page = admin.get(url).text
    assert "this token of viewer" in page
    assert "from 192.0.2.7." in page
    answer = admin.post(url)
    assert (answer.status_code, answer.location) == (303, PAGE)
    db.session.rollback()
    assert find_api_token(text) is None
    [entry] = db.session.query(AuditEntry).filter_by(action="api_token.revoked")
    assert (entry.actor_name, entry.before) == ("admin", {"owner": "viewer"})


def test_links_lead_to_the_own_route(admin: Visitor) -> None:
    """Of the own token the list links the own route, of another's that for admins."""
    own, _ = add_token(users.get_user("admin"))
    other, _ = add_token(users.get_user("viewer"))
    page = admin.get(PAGE).text
    assert f'href="{PAGE}/tokens/{own.id}/revoke"' in page
    assert f'href="{PAGE}/other-tokens/{other.id}/revoke"' in page
    for path in (f"tokens/{own.id}", f"other-tokens/{other.id}"):
        assert f'action="{PAGE}/{path}/revoke"' in admin.get(f"{PAGE}/{path}/revoke").text
