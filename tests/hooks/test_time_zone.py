"""The time zone that is suggested for hours."""

from collections.abc import Sequence

import pytest

from callevents.conditions import Conditions, Hours
from callevents.db.models import Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks.time_zone import suggest_zone, suggest_zone_of
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from tests.conftest import Configure


@pytest.fixture
def receiver(pbx: Pbx) -> Receiver:
    """A receiver whose times are those of New York."""
    begin_write()
    url = "https://hooks.slack.com/services/T0/B0/abc"
    answers = {"url": url, "zone": "America/New_York"}
    receiver = create_receiver(make_receiver(get_recipe("slack"), answers, "Slack"))
    db.session.commit()
    return receiver


@pytest.mark.parametrize(
    ("country", "zone"),
    [("", ""), ("RO", "Europe/Bucharest"), ("DE", "Europe/Berlin"), ("US", ""), ("ES", "")],
)
def test_of_the_country(pbx: Pbx, country: str, zone: str) -> None:
    """A country with one time zone has a known one."""
    pbx.country = country
    assert suggest_zone(pbx) == zone
    db.session.rollback()


def test_of_the_receiver(pbx: Pbx, receiver: Receiver) -> None:
    """The receiver's is nearer than that of the PBX."""
    pbx.country = "RO"
    assert suggest_zone(pbx, receiver) == "America/New_York"
    db.session.rollback()


def test_of_many(configure: Configure, pbx: Pbx, receiver: Receiver) -> None:
    """All of them must have the same; hours that a request has already come first."""
    begin_write()
    pbx.country = "RO"
    db.session.commit()
    hooks: Sequence[Hook] = [
        configure.hook("*", EventType.HANGUP, f"https://crm.example.com/{one}") for one in "ab"
    ]
    assert suggest_zone_of(hooks) == "Europe/Bucharest"
    assert suggest_zone_of([]) == ""
    begin_write()
    hooks[0].receiver_id = receiver.id
    db.session.commit()
    assert suggest_zone_of(hooks) == ""
    assert suggest_zone_of(hooks[:1]) == "America/New_York"
    begin_write()
    hooks[0].conditions = Conditions(hours=Hours((1,), zone="Asia/Tokyo")).write()
    db.session.commit()
    assert suggest_zone_of(hooks[:1]) == "Asia/Tokyo"
