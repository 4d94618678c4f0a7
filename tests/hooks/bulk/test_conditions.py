"""Setting conditions of many hooks."""

from collections.abc import Sequence
from typing import Any

import pytest

from callevents.audit import Action
from callevents.conditions import Conditions, Hours
from callevents.db.models import Hook
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.conditions import DOES_NOT_FIT, SetConditions
from tests.hooks.bulk.conftest import Many, set_options

WORK = Hours((1, 2, 3, 4, 5), "9:00", "17:00", "europe/bucharest")
STORED = Hours((1, 2, 3, 4, 5), "09:00", "17:00", "Europe/Bucharest")


def conditions(hook: Hook) -> Conditions:
    """Return the conditions of a hook as they are stored."""
    db.session.refresh(hook)
    return Conditions.read(hook.conditions)


def test_each_keeps_its_others(many: Many, hooks: Sequence[Hook]) -> None:
    """The given ones are set, the others stay; the history has one entry, and Undo works."""
    before = Conditions(party="external", numbers=("+40*",))
    set_options(hooks[0], conditions=before)
    done = many.apply(SetConditions({"hours": WORK, "numbers": ()}))
    assert done.changed == 6
    assert conditions(hooks[0]) == Conditions(party="external", hours=STORED)
    assert conditions(hooks[1]) == Conditions(hours=STORED)
    [entry] = many.entries(Action.HOOKS_CONDITIONS_CHANGED)
    assert entry.after["hours"] == "Monday to Friday 09:00 to 17:00 (Europe/Bucharest)"
    assert entry.after["numbers"] == "any call"
    assert many.plan(SetConditions({"hours": STORED})).unchanged == 6
    many.undo(done)
    assert conditions(hooks[0]) == before
    assert not conditions(hooks[1])


def test_shows_both(many: Many, hooks: Sequence[Hook]) -> None:
    """The preview has all conditions of each request before and after."""
    set_options(hooks[0], conditions=Conditions(party="external"))
    first, second, *_ = many.plan(SetConditions({"dids": ("+40210000100",)})).steps
    assert (first.before, first.after) == (
        "external calls",
        "external calls, called number +40210000100",
    )
    assert (second.before, second.after) == ("any call", "called number +40210000100")


def test_leaves_out_what_cannot_be_met(many: Many, hooks: Sequence[Hook]) -> None:
    """Only hangups are answered or not; a condition that a request already has counts, too."""
    done = many.apply(SetConditions({"answered": False}))
    assert (done.changed, done.left_out) == (3, {DOES_NOT_FIT: 3})
    plan = many.plan(SetConditions({"min_seconds": 5}))
    assert len(plan.left_out[DOES_NOT_FIT]) == 6
    assert "A missed call has no duration" in plan.left_out[DOES_NOT_FIT][1].detail


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "conditions"),
        ({"hours": Hours((1,), "9", "17:00", "UTC")}, "conditions/hours/start"),
        ({"numbers": ("x!",)}, "conditions/numbers"),
    ],
)
def test_invalid(many: Many, hooks: Sequence[Hook], values: dict[str, Any], field: str) -> None:
    """What no request could have is an error about the value."""
    with pytest.raises(InvalidError) as caught:
        many.plan(SetConditions(values))
    assert list(caught.value.errors) == [field]
