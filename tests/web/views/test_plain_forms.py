"""Work of admins on the other pages, by plain forms."""

import re

from callevents.db.models import Pbx
from callevents.delivery.log import queries
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs import extensions, tokens
from tests.conftest import Configure
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
HTMX = {"HX-Request": "true"}


def test_pbx_is_added_with_a_token_that_works(admin: Visitor) -> None:
    """Adding a PBX shows its token, which is valid for reports."""
    answer = admin.post("/pbxs/new", name="Branch")
    [token] = set(re.findall(r"cet_[A-Za-z0-9_-]{43}", answer.text))
    report = admin.client.get(f"/ingest/branch?token={token}&event=dial-in&ext=1")
    assert report.status_code == 202
    assert token not in admin.get("/pbxs/branch").text
    assert admin.post("/pbxs/new", name="branch").status_code == 422


def test_token_is_renewed_and_the_old_one_revoked(admin: Visitor, pbx: Pbx, token: str) -> None:
    """Two tokens are valid while one is replaced; a third is rejected, a revoked one too."""
    page = admin.post(f"{BASE}/tokens").text
    assert "Back to Head office" in page
    new = re.findall(r"cet_[A-Za-z0-9_-]{43}", page)[0]
    assert admin.post(f"{BASE}/tokens").status_code == 409
    path = "/ingest/head-office?event=dial-in&ext=1&token="
    assert {admin.client.get(path + one).status_code for one in (token, new)} == {202}
    old_id = tokens.list_tokens(pbx)[0].public_id
    assert "Revoke" in admin.get(f"{BASE}/tokens/{old_id}/revoke").text
    assert admin.post(f"{BASE}/tokens/{old_id}/revoke").status_code == 303
    assert admin.client.get(path + token).status_code == 401
    assert admin.client.get(path + new).status_code == 202


def test_pbx_is_renamed(admin: Visitor, pbx: Pbx) -> None:
    """A new name is accepted, an empty one is rejected; the URL stays."""
    assert admin.post(f"{BASE}/rename", name=" ").status_code == 422
    assert admin.post(f"{BASE}/rename", name="Main office").status_code == 303
    assert "<h1>Main office" in admin.get(BASE).text


def test_extension_is_renamed_and_deleted(admin: Visitor, configure: Configure, pbx: Pbx) -> None:
    """The name changes; deleting lists the requests of the extension and removes them."""
    configure.extension("101", "Reception")
    configure.hook("101", EventType.HANGUP, "https://crm.example.com/cdr")
    [extension] = extensions.list_extensions(pbx)
    path = f"{BASE}/extensions/{extension.id}"
    assert admin.post(f"{path}/rename", name="x" * 101).status_code == 422
    assert admin.post(f"{path}/rename", name="Front desk").status_code == 303
    question = admin.get(f"{path}/delete").text
    assert "Front desk" in question
    assert "Hangup" in question
    assert admin.post(f"{path}/delete").status_code == 303
    db.session.rollback()
    assert extensions.list_extensions(pbx) == []


def test_test_event_is_a_real_one(admin: Visitor, configure: Configure, pbx: Pbx) -> None:
    """A test event is stored with its deliveries like any other, and its page shows them."""
    configure.hook("*", EventType.HANGUP, "https://crm.example.com/cdr")
    assert admin.post(f"{BASE}/test-event", extension=" ", event="hangup").status_code == 422
    answer = admin.post(f"{BASE}/test-event", extension="101", event="hangup")
    assert answer.status_code == 303
    assert "crm.example.com/cdr" in admin.get(answer.location).text
    [delivery] = queries.list_deliveries(pbx=pbx)
    assert delivery.call_event.extension == "101"
    assert delivery.call_event.call_id.startswith("example-")


def test_fragment_is_the_file_that_the_page_includes(
    admin: Visitor, configure: Configure, pbx: Pbx
) -> None:
    """The fragment for htmx is a literal part of the page."""
    configure.extension("101", "Reception")
    configure.hook("*", EventType.HANGUP, "https://crm.example.com/cdr")
    for path in (f"{BASE}/extensions/all", f"{BASE}/extensions"):
        fragment = admin.client.get(path, headers=HTMX).text.strip()
        page = admin.client.get(path).text
        lines = [line.strip() for line in fragment.splitlines() if "csrf_token" not in line]
        assert lines
        there = {line.strip() for line in page.splitlines()}
        assert [line for line in lines if line not in there] == []
