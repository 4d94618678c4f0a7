"""The quotas of a PBX on its page."""

from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.conftest import Configure
from tests.web.conftest import Visitor

PAGE = "/pbxs/head-office/quotas/edit"
URL = "http://crm.example.com/"


def stored() -> tuple[int | None, ...]:
    """Return the quotas of the PBX."""
    db.session.rollback()
    pbx = pbxs.get_pbx("head-office")
    return (
        pbx.max_events_per_minute,
        pbx.max_open_deliveries,
        pbx.max_extensions,
        pbx.max_hooks,
    )


def test_used_and_limit(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The page shows how much of each quota is used, and which is reached."""
    configure.extension("101")
    assert "1 of" not in admin.get("/pbxs/head-office").text
    admin.get(PAGE)
    answer = admin.post(PAGE, max_extensions="1", max_hooks=" 2,000 ", max_events_per_minute="")
    assert answer.status_code == 303
    assert stored() == (None, None, 1, 2000)
    page = admin.get("/pbxs/head-office").text
    for text in ("1 of 1, reached", "0 of 2,000", "no limit"):
        assert text in page
    assert 'value="2000"' in admin.get(PAGE).text


def test_empty_field_removes_the_limit(admin: Visitor, pbx: Pbx) -> None:
    """An empty field is no limit."""
    admin.get(PAGE)
    admin.post(PAGE, max_events_per_minute="5", max_open_deliveries="6")
    assert stored() == (5, 6, None, None)
    admin.post(PAGE, max_events_per_minute="", max_open_deliveries="6")
    assert stored() == (None, 6, None, None)


def test_wrong_numbers(admin: Visitor, pbx: Pbx) -> None:
    """A wrong number is an error at its field; the typed values stay, and nothing is stored."""
    admin.get(PAGE)
    page = admin.post(PAGE, max_extensions="many", max_hooks="7")
    assert page.status_code == 422
    assert "Enter a whole number from 1 to 1,000,000" in page.text
    assert 'value="many"' in page.text
    assert 'value="7"' in page.text
    assert stored() == (None,) * 4


def test_reached_quotas_in_forms(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The dialogs of a request and of an extension say that the quota is reached."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, URL)
    admin.get(PAGE)
    admin.post(PAGE, max_extensions="1", max_hooks="1")
    page = admin.post("/pbxs/head-office/extensions/new", number="102")
    assert page.status_code == 422
    assert "The quota of Head office is 1 extension, and it has 1." in page.text
    page = admin.post("/pbxs/head-office/extensions/all/requests/new/hangup", url=URL)
    assert page.status_code == 422
    assert "The quota of Head office is 1 request, and it has 1." in page.text


def test_viewers(viewer: Visitor, pbx: Pbx) -> None:
    """A viewer sees the quotas and may not change them."""
    page = viewer.get("/pbxs/head-office").text
    assert 'id="quotas"' in page
    assert "edit-quotas" not in page
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, max_hooks="1").status_code == 403
    assert stored() == (None,) * 4
