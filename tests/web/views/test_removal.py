"""Removing a PBX on the pages."""

import threading

from callevents.db.models import Pbx
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from tests.conftest import Configure
from tests.support.filled_pbx import count_rows, fill
from tests.web.conftest import Visitor

PAGE = "/pbxs/head-office/remove"


def is_in_use(pbx: Pbx) -> bool:
    """Return True if the PBX is not being removed."""
    db.session.rollback()
    return pbx.slug in [one.slug for one in pbxs.list_pbxs()]


def test_confirmation_counts(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The page says what is deleted, and asks for the name in URLs."""
    fill(pbx, configure)
    page = admin.get(PAGE).text
    for text in ("2 requests", "10 waiting deliveries", "15 call events", "1 connector"):
        assert text in page
    for text in ("1 API token for this PBX", "1 app for this PBX"):
        assert text in page
    assert "Type head-office to confirm." in page


def test_wrong_name(admin: Visitor, pbx: Pbx) -> None:
    """Another name removes nothing; the sentence is at the field."""
    admin.get(PAGE)
    page = admin.post(PAGE, slug="Head office")
    assert page.status_code == 422
    assert "Type head-office to remove Head office." in page.text
    assert is_in_use(pbx)


def test_removal(admin: Visitor, pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """The response is the list, without the PBX, which is below it with its progress."""
    fill(pbx, configure)
    pbx_id = pbx.id
    admin.get(PAGE)
    answer = admin.post(PAGE, slug="head-office")
    assert (answer.status_code, answer.location) == (303, "/pbxs")
    page = admin.get("/pbxs").text
    assert "Head office is being removed." in page
    assert 'href="/pbxs/head-office"' not in page
    assert 'id="pbx-branch"' in page
    assert 'id="removing-head-office"' in page
    assert "0 rows" in page
    batches = removal.remove_rows(db.engine, pbx_id, threading.Event(), pause=0)
    next(batches)
    assert "0 of 36 rows" in admin.get("/pbxs").text
    for path in ("/pbxs/head-office", PAGE, "/pbxs/head-office/extensions"):
        page = admin.get(path)
        assert page.status_code == 404
        assert "The PBX &#39;head-office&#39; is being removed." in page.text
    list(batches)
    assert "Being removed" not in admin.get("/pbxs").text
    assert admin.get("/overview").status_code == 200
    assert admin.get("/deliveries").status_code == 200
    assert "pbx" in count_rows()


def test_pages_while_it_is_removed(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The pages about all PBXs work in the meantime."""
    fill(pbx, configure)
    admin.get(PAGE)
    admin.post(PAGE, slug="head-office")
    for path in ("/overview", "/deliveries", "/deliveries?state=pending", "/pbxs", "/"):
        assert admin.get(path).status_code in {200, 302, 303}, path


def test_viewers(viewer: Visitor, pbx: Pbx) -> None:
    """A viewer neither sees the button nor may remove the PBX."""
    assert "remove-pbx" not in viewer.get("/pbxs/head-office").text
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, slug="head-office").status_code == 403
    assert is_in_use(pbx)


def test_list_is_polled_while_something_is_removed(admin: Visitor, pbx: Pbx) -> None:
    """Only then: otherwise an open page costs nothing."""
    assert "every 2s" not in admin.get("/pbxs").text
    admin.get(PAGE)
    admin.post(PAGE, slug="head-office")
    assert "every 2s" in admin.get("/pbxs").text
