"""The number plan of a PBX: its form, and the numbers that requests send with it."""

import pytest

from callevents.db.models import Pbx
from callevents.extensions import db
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
EDIT = f"{BASE}/number-plan/edit"
RULES = {"country": "ro", "outside_prefix": "9", "trunk_prefix": "", "internal_lengths": "3, 4"}


def test_form(admin: Visitor, pbx: Pbx) -> None:
    """The rules are stored and shown in words; empty ones are none."""
    assert (
        "No country is set: only numbers with a + can be sent in international format."
        in admin.get(BASE).text
    )
    assert admin.post(EDIT, **RULES).status_code == 303
    text = admin.get(BASE).text
    assert "Numbers without a country are from RO." in text
    assert "Numbers of 3 or 4 digits are internal." in text
    assert 'value="3,4"' in admin.get(EDIT).text
    assert admin.post(EDIT, **dict.fromkeys(RULES, "")).status_code == 303
    db.session.refresh(pbx)
    assert (pbx.country, pbx.outside_prefix, pbx.internal_lengths) == ("", "", "")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"country": "XX"}, "Enter the two letters of a country"),
        ({"country": "XX", "internal_lengths": "x"}, "Enter the two letters of a country"),
        ({"country": "XX", "internal_lengths": "x"}, "Enter lengths from 1 to 9"),
        ({"country": ""}, "Enter the country too: the other rules need it."),
        ({"outside_prefix": "0a"}, "Enter at most 8 digits, or nothing."),
        ({"trunk_prefix": "123456789"}, "Enter at most 8 digits, or nothing."),
        ({"internal_lengths": "3;4"}, "Enter lengths from 1 to 9"),
        ({"internal_lengths": "0"}, "Enter lengths from 1 to 9"),
    ],
)
def test_wrong_rules(wrong: dict[str, str], message: str, admin: Visitor, pbx: Pbx) -> None:
    """They are refused beside their field, with what was typed; nothing is stored."""
    answer = admin.post(EDIT, **(RULES | wrong))
    assert answer.status_code == 422
    assert message in answer.text
    assert all(f'value="{value}"' in answer.text for value in wrong.values() if value)
    db.session.refresh(pbx)
    assert pbx.country == ""
