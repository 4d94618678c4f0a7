"""The delivery log: filters, search, and URLs."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from callevents.db.models import Delivery, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import pbxs
from tests.conftest import Configure
from tests.web.conftest import Visitor

LOG = "/pbxs/head-office/deliveries"


@pytest.fixture
def deliveries(pbx: Pbx, configure: Configure) -> dict[str, str]:
    """A delivery of each state, by the state; each has a separate extension and call."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    configure.hook("*", EventType.HANGUP, "https://cdr.example.net:8443/log")
    return {
        "waiting": report(pbx, "101", "c-1"),
        "retrying": report(pbx, "102", "c-2", attempts=2),
        "sending": report(
            pbx, "103", "c-3", claimed_at=utc_now(), due_at=utc_now() + timedelta(hours=1)
        ),
        "delivered": report(pbx, "104", "c-4", state=DeliveryState.DELIVERED, attempts=1),
        "failed": report(pbx, "105", "c-5", EventType.HANGUP, state=DeliveryState.FAILED),
        "cancelled": report(pbx, "106", "c-6", state=DeliveryState.CANCELLED),
    }


def report(
    pbx: Pbx,
    extension: str,
    call_id: str,
    event_type: EventType = EventType.DIAL_IN,
    **values: object,
) -> str:
    """Report an event with one delivery, set its values and return its ID."""
    begin_write()
    [event] = accept(pbx, [Report(event_type=event_type, extension=extension, call_id=call_id)])
    delivery_id = db.session.scalars(
        select(Delivery.id).where(Delivery.call_event_id == event.id)
    ).one()
    if values:
        db.session.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))
    db.session.commit()
    return delivery_id


def shown(visitor: Visitor, path: str, ids: dict[str, str]) -> list[str]:
    """Return the names of the deliveries that the page shows."""
    text = visitor.get(path).text
    return [name for name, one in ids.items() if f'id="delivery-{one}"' in text]


#: Queries, and the states of the matching deliveries.
FILTERS = {
    "": "waiting retrying sending delivered failed cancelled",
    "state=waiting": "waiting",
    "state=retrying": "retrying",
    "state=sending": "sending",
    "state=pending": "waiting retrying sending",
    "state=delivered": "delivered",
    "state=failed": "failed",
    "state=cancelled": "cancelled",
    "ext=104": "delivered",
    "ext=%20104%20&state=&event=&call=": "delivered",
    "ext=104&state=failed": "",
    "event=hangup": "failed",
    "event=dial-in&state=pending": "waiting retrying sending",
    "origin=https://cdr.example.net:8443": "failed",
    "origin=https://crm.example.com/any": "waiting retrying sending delivered cancelled",
    "origin=https://nobody.example.com": "",
    "call=c-3": "sending",
    "last=1h": "waiting retrying sending delivered failed cancelled",
    "to=2020-01-01T00:00": "",
    "from=2020-01-01T00:00": "waiting retrying sending delivered failed cancelled",
    "to=0001-01-01T00:00": "",
    "from=9999-12-31T23:59": "",
    "hook=nobody": "",
}


@pytest.mark.slow
def test_filters(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Each filter shows the matching deliveries, of one PBX and of all."""
    for query, names in FILTERS.items():
        for path in (
            f"{LOG}?{query}",
            f"/deliveries?{query}",
            f"/deliveries?pbx=head-office&{query}",
        ):
            assert shown(admin, path, deliveries) == names.split(), path


def test_filter_by_hook(admin: Visitor, deliveries: dict[str, str], pbx: Pbx) -> None:
    """A hook's deliveries are found by its Event ID, also when it has been removed."""
    delivery = db.session.get_one(Delivery, deliveries["failed"])
    event_id = delivery.hook_event_id
    assert shown(admin, f"{LOG}?hook={event_id}", deliveries) == ["failed"]
    begin_write()
    db.session.delete(db.session.get_one(Delivery, deliveries["failed"]).hook)
    db.session.commit()
    assert shown(admin, f"{LOG}?hook={event_id}", deliveries) == ["failed"]


def test_another_pbx(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Another PBX's page and filter show none of this one's; an unknown PBX is an error."""
    begin_write()
    pbxs.add_pbx("Branch")
    db.session.commit()
    assert shown(admin, "/pbxs/branch/deliveries", deliveries) == []
    assert shown(admin, "/deliveries?pbx=branch", deliveries) == []
    assert len(shown(admin, f"{LOG}?pbx=branch", deliveries)) == 6
    assert "There is no PBX &#39;nobody&#39;." in admin.get("/deliveries?pbx=nobody").text
    assert admin.get("/pbxs/nobody/deliveries").status_code == 404


#: Invalid queries, and their errors.
INVALID_QUERIES = {
    "state=lost": "Invalid choice: &#39;lost&#39;.",
    "event=ring": "Invalid choice: &#39;ring&#39;.",
    "last=1y": "Invalid choice: &#39;1y&#39;.",
    "from=yesterday": "Invalid time &#39;yesterday&#39;.",
    "to=0001-01-01T00:00%2B23:00": "Invalid time",
    "origin=crm": "&#39;crm&#39; is not an origin.",
}


def test_invalid_filters(admin: Visitor, deliveries: dict[str, str]) -> None:
    """An invalid filter is reported at its field, with an empty list."""
    for query, sentence in INVALID_QUERIES.items():
        answer = admin.get(f"{LOG}?{query}")
        assert answer.status_code == 200
        assert sentence in problem_at(query.partition("=")[0], answer.text)
        assert 'id="delivery-' not in answer.text


def problem_at(name: str, page: str) -> str:
    """Return the error of a field, which refers to it."""
    found = re.search(
        rf'<p class="problem"\s+id="filter-{name}-problem">(.*?)</p>', page, re.DOTALL
    )
    assert found
    assert f'aria-describedby="filter-{name}-problem"' in page
    return found[1]


def test_each_invalid_field_has_its_message(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Several invalid fields are flagged at once, also for the form that htmx sends."""
    path = f"{LOG}?state=failed&origin=crm&from=x&to=y"
    form = {"HX-Request": "true", "HX-Source": "form#filter"}
    for answer in (admin.get(path), admin.get(path, headers=form)):
        assert "is not an origin" in problem_at("origin", answer.text)
        assert "Invalid time" in problem_at("from", answer.text)
        assert "Invalid time" in problem_at("to", answer.text)
        assert "filter-state-problem" not in answer.text
    poll = admin.get(path, headers={"HX-Request": "true"}).text
    assert "Correct these fields to see deliveries: Receiver, From (UTC), To (UTC)." in poll
    assert "filter-origin" not in poll


def test_search(admin: Visitor, deliveries: dict[str, str]) -> None:
    """The ID of a delivery, a request or a call, or an extension, leads to its page."""
    failed = deliveries["failed"]
    event_id = db.session.get_one(Delivery, failed).hook_event_id
    db.session.rollback()
    ways = {
        failed: f"{LOG}/{failed}",
        failed.upper(): f"{LOG}/{failed}",
        f" {event_id} ": f"{LOG}?hook={event_id}",
        "c-4": f"{LOG}?call=c-4",
        "105": f"{LOG}?ext=105",
        "": LOG,
    }
    for text, where in ways.items():
        answer = admin.client.get(f"{LOG}/find", query_string={"q": text})
        assert (answer.status_code, answer.location) == (303, where)
    everywhere = admin.client.get("/deliveries/find?q=c-4")
    assert everywhere.location == "/deliveries?call=c-4"
    answer = admin.client.get(f"{LOG}/find?q=nobody", follow_redirects=True)
    assert "No delivery, call event, call, extension or Event ID matches &#39;nobody&#39;." in (
        answer.text
    )


def test_search_of_an_event(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The ID in a report's response leads to the event in its call, without one to deliveries."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    with_call, alone = accept_event(pbx, "101", "c 1"), accept_event(pbx, "102")
    assert find(admin, with_call) == f"/pbxs/head-office/call?id=c+1#event-{with_call}"
    assert f'id="event-{with_call}"' in admin.get(find(admin, with_call)).text
    [delivery_id] = db.session.scalars(select(Delivery.id).where(Delivery.call_event_id == alone))
    db.session.rollback()
    assert find(admin, alone.upper()) == f"{LOG}/{delivery_id}"
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/again")
    several = accept_event(pbx, "103")
    page = admin.get(find(admin, several)).text
    assert len(set(re.findall(rf"{LOG}/[0-9a-f-]{{36}}", page))) == 2
    begin_write()
    pbxs.add_pbx("Branch")
    db.session.commit()
    elsewhere = admin.client.get(f"/pbxs/branch/deliveries/find?q={with_call}")
    assert elsewhere.location == "/pbxs/branch/deliveries"


def accept_event(pbx: Pbx, extension: str, call_id: str = "") -> str:
    """Accept a dial-in and return the event's ID."""
    begin_write()
    dial_in = Report(event_type=EventType.DIAL_IN, extension=extension, call_id=call_id)
    [accepted] = accept(pbx, [dial_in])
    db.session.commit()
    return accepted.id


def find(admin: Visitor, text: str) -> str:
    """Return where the search for the text leads to."""
    return admin.client.get("/deliveries/find", query_string={"q": text}).location


def test_search_stays_within_its_pbx(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Another PBX's search finds nothing of this one's."""
    begin_write()
    pbxs.add_pbx("Branch")
    db.session.commit()
    for text in (deliveries["failed"], "c-4", "105"):
        answer = admin.client.get("/pbxs/branch/deliveries/find", query_string={"q": text})
        assert answer.location == "/pbxs/branch/deliveries"


def test_pages_keep_the_filter(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Older pages have the same filter, and end where there are no more."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    begin_write()
    accept(
        pbx,
        [
            Report(event_type=EventType.DIAL_IN, extension=str(101 + n % 2), call_id=f"c-{n}")
            for n in range(204)
        ],
    )
    db.session.commit()
    path, seen, pages = f"{LOG}?ext=102", 0, 0
    while path:
        text = admin.get(path).text
        seen += text.count('<tr id="delivery-')
        pages += 1
        found = re.search(r'rel="next"\s+href="([^"]+)"', text)
        path = found[1].replace("&amp;", "&") if found else ""
        assert not path or "ext=102" in path
    assert (seen, pages) == (102, 3)


def test_polls_and_addresses(admin: Visitor, deliveries: dict[str, str]) -> None:
    """A poll with the version there is gets 304; the form's response sets a short URL."""
    headers = {"HX-Request": "true"}
    first = admin.client.get(f"{LOG}?ext=104", headers=headers)
    assert "<html" not in first.text
    assert "HX-Replace-Url" not in first.headers
    version = {"HX-PTag": first.headers["HX-PTag"]}
    assert admin.client.get(f"{LOG}?ext=104", headers=headers | version).status_code == 304
    assert admin.client.get(LOG, headers=headers | version).status_code == 200
    filtered = admin.client.get(
        f"{LOG}?ext=104&state=&event=", headers=headers | {"HX-Source": "form#filter"}
    )
    assert filtered.headers["HX-Replace-Url"] == f"{LOG}?ext=104"
