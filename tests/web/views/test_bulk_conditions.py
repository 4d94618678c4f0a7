"""Setting conditions of many requests on their page."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from callevents.conditions import Conditions, Hours
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.web.conftest import Visitor
from tests.web.views.test_requests import CHANGE, previewed

HOURS = {
    "hours_meaning": "within",
    "days": ["1", "2"],
    "hours_start": "09:00",
    "hours_end": "17:00",
}


@pytest.fixture
def hooks(configure: Configure, pbx: Pbx) -> Sequence[Hook]:
    """Requests for dialed calls and hangups of a PBX in Romania, one of them with conditions."""
    hooks = [
        configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/in"),
        configure.hook("*", EventType.HANGUP, "https://crm.example.com/end"),
    ]
    begin_write()
    pbx.country = "RO"
    hooks[0].conditions = Conditions(party="external", queues=("support",)).write()
    db.session.commit()
    return hooks


def stored() -> Sequence[Conditions]:
    """Return the conditions of all requests."""
    db.session.rollback()
    found = db.session.scalars(select(Hook.conditions).order_by(Hook.id))
    return [Conditions.read(one) for one in found]


def test_hours_of_many(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """The dialog suggests the time zone of the PBX's country; the preview shows what becomes."""
    fields = {"action": "conditions", "all": "yes"}
    form = admin.get(f"{CHANGE}?action=conditions&all=yes").text
    assert 'value="Europe/Bucharest"' in form
    preview = admin.post(
        CHANGE, step="preview", zone="Europe/Bucharest", removed="queues", **fields, **HOURS
    ).text
    assert "external calls, queue support" in preview
    assert "external calls, Monday and Tuesday 09:00 to 17:00 (Europe/Bucharest)" in preview
    done = admin.post(
        CHANGE,
        step="apply",
        zone="Europe/Bucharest",
        removed="queues",
        previewed=previewed(preview),
        **fields,
        **HOURS,
    )
    assert done.status_code == 303
    hours = Hours((1, 2), "09:00", "17:00", "Europe/Bucharest")
    assert stored() == [Conditions(party="external", hours=hours), Conditions(hours=hours)]
    assert "2 requests changed." in admin.get(done.location).text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "Choose what to change."),
        ({"zone": "Europe/Bucharest"}, "Choose what to change."),
        ({"days": "1"}, "Choose within or outside these hours."),
        ({"hours_meaning": "within"}, "Choose the days."),
        ({**HOURS, "zone": ""}, "Enter a time zone"),
        ({**HOURS, "zone": "Nowhere"}, "There is no time zone"),
        ({"party": "friends"}, "Choose one of these."),
        ({"min_seconds": "x"}, "Enter whole seconds"),
        ({"numbers": "x!"}, "is not a number"),
    ],
)
def test_invalid(
    admin: Visitor, hooks: Sequence[Hook], fields: dict[str, str], problem: str
) -> None:
    """What is wrong is said, and nothing is previewed."""
    answer = admin.post(CHANGE, action="conditions", step="preview", all="yes", **fields)
    assert (answer.status_code, problem in answer.text) == (422, True)
    assert "previewed" not in answer.text


def test_asks_only_what_is_possible(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """Without a hangup it asks for no outcome; what is left as it is stays."""
    url = f"{CHANGE}?action=conditions&event_id={hooks[0].event_id}"
    form = admin.get(url).text
    assert 'name="party"' in form
    assert 'name="answered"' not in form
    assert 'name="directions"' not in form
    preview = admin.post(
        CHANGE, action="conditions", step="preview", event_id=hooks[0].event_id, party=""
    ).text
    assert "queue support" in preview
    assert "1 of 1 change" in preview
