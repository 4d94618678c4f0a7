"""Former URLs of pages redirect to the current ones."""

import pytest

from callevents.db.models import Pbx
from callevents.web.redirects import MOVED
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
QUERY = "since=1&q=a%20b%26c&name=Caf%C3%A9"


#: Written out here: a table that comes from the code would agree with any mistake in it.
FORMER = {
    "reports": "recent-reports",
    "proposals/add": "suggestions/add",
    "proposals/dismiss": "suggestions/dismiss",
    "connect/heard": "connect/events",
}


def test_all_former_urls_are_tested() -> None:
    """A redirect that is added gets its line in the table of these tests."""
    assert MOVED.keys() == FORMER.keys()


@pytest.mark.parametrize(("old_path", "path"), FORMER.items())
def test_former_url_redirects_with_its_query(
    admin: Visitor, pbx: Pbx, old_path: str, path: str
) -> None:
    """GET and POST redirect permanently, and keep method and query."""
    for answer in (
        admin.get(f"{BASE}/{old_path}?{QUERY}"),
        admin.client.post(f"{BASE}/{old_path}?{QUERY}", data={"csrf_token": admin.token}),
    ):
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"{BASE}/{path}?{QUERY}"
    assert admin.get(f"{BASE}/{old_path}").headers["Location"] == f"{BASE}/{path}"


@pytest.mark.parametrize("path", FORMER.values())
def test_current_url_exists(admin: Visitor, pbx: Pbx, path: str) -> None:
    """The target of a redirect is a page, or the target of a form."""
    admin.get(f"{BASE}/extensions")
    statuses = {admin.get(f"{BASE}/{path}").status_code, admin.post(f"{BASE}/{path}").status_code}
    assert statuses in ({200, 405}, {405, 303})


@pytest.mark.parametrize("old_path", FORMER)
def test_strangers_sign_in_first(stranger: Visitor, pbx: Pbx, old_path: str) -> None:
    """A user who has not signed in gets the sign-in page, and then the former URL again."""
    answer = stranger.get(f"{BASE}/{old_path}?q=1")
    assert answer.headers["Location"] == "/sign-in"
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="admin", password="long enough for a test")
    assert answer.headers["Location"] == f"{BASE}/{old_path}?q=1"


def test_viewers_post_nothing(viewer: Visitor, pbx: Pbx) -> None:
    """A viewer cannot post to a former URL either."""
    viewer.get("/account")
    answer = viewer.post(f"{BASE}/proposals/add")
    assert answer.status_code == 308
    assert viewer.post(answer.headers["Location"]).status_code == 403


def test_former_parameter_of_the_connect_page(admin: Visitor, pbx: Pbx) -> None:
    """`make` still selects the setup guide; `type` takes precedence."""
    assert "http_client_query" in admin.get(f"{BASE}/connect?make=kamailio").text
    assert "http_client_query" not in admin.get(f"{BASE}/connect?make=kamailio&type=wazo").text
