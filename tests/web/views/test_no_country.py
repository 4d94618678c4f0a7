"""Recipes with numbers in E.164, for a PBX without a country: the pages say what follows."""

import pytest
from flask import Flask

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs.number_plan import set_number_plan
from callevents.pbxs.pbxs import add_pbx
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe, load_recipes
from tests.web.conftest import Visitor

SENTENCE = "No country is set for Head office."
PAGES = ("/receivers/{}/connect/head-office", "/receivers/{}/test")


@pytest.fixture
def receivers(pbx: Pbx) -> None:
    """One whose requests have numbers in E.164, and one whose have none."""
    begin_write()
    for recipe, values in (
        ("zammad", {"address": "https://help.example.com", "token": "t"}),
        ("n8n", {"url": "https://n8n.example.com/webhook/x"}),
    ):
        create_receiver(make_receiver(get_recipe(recipe), values, recipe))
    db.session.commit()


@pytest.mark.parametrize("page", PAGES)
def test_a_missing_country_is_said(
    admin: Visitor, viewer: Visitor, receivers: None, pbx: Pbx, page: str
) -> None:
    """Only where it matters, with a link to set it, and until it is set."""
    text = admin.get(page.format("zammad")).text
    assert SENTENCE in text
    assert 'href="/pbxs/head-office/number-plan/edit"' in text
    assert SENTENCE not in admin.get(page.format("n8n")).text
    begin_write()
    set_number_plan(pbx, country="RO", outside_prefix="", trunk_prefix="", internal_lengths="")
    db.session.commit()
    assert SENTENCE not in admin.get(page.format("zammad")).text


def test_several_without_a_country_are_one_notice(admin: Visitor, receivers: None) -> None:
    """With a link for each of the first five, and the number of the others."""
    begin_write()
    for number in range(1, 7):
        add_pbx(f"Branch {number}")
    db.session.commit()
    text = " ".join(admin.get("/receivers/zammad/test").text.split())
    assert text.count('class="notice"') == 1
    assert "for Branch 1, Branch 2, Branch 3, Branch 4, Branch 5 and 2 other PBXs." in text
    assert text.count("Set the country of Branch ") == 5


def test_recipes_with_numbers_in_e164(app: Flask) -> None:
    """It is found in paths and bodies."""
    found = load_recipes().found.values()
    names = {recipe.slug for recipe in found if recipe.has_e164}
    assert {"zammad", "slack", "hubspot", "zoho-phonebridge"} <= names
    assert not names & {"n8n", "node-red", "home-assistant"}
