"""Adding a PBX on the pages: name, report format and errors."""

import pytest
from sqlalchemy import select

from callevents.db.models import Pbx
from callevents.enums import Format
from callevents.extensions import db
from tests.web.conftest import Visitor


def find_formats() -> dict[str, Format]:
    """Return the report format of each PBX, by name."""
    db.session.rollback()
    return {pbx.name: pbx.format for pbx in db.session.scalars(select(Pbx))}


@pytest.mark.parametrize("format_", Format)
def test_format_is_chosen_when_it_is_added(admin: Visitor, format_: Format) -> None:
    """Every format is offered by its label, and stored."""
    assert f'value="{format_}"' in admin.get("/pbxs/new").text
    page = admin.post("/pbxs/new", name="Branch", format=format_)
    assert (page.status_code, "cet_" in page.text) == (200, True)
    assert find_formats() == {"Branch": format_}


def test_native_format_is_the_default(admin: Visitor) -> None:
    """The native format is the default, with and without the field."""
    assert '<option selected value="generic">' in admin.get("/pbxs/new").text
    admin.post("/pbxs/new", name="Branch")
    assert find_formats() == {"Branch": Format.GENERIC}


def test_unknown_format_adds_nothing(admin: Visitor) -> None:
    """An unknown format is an error at its field; the typed values stay, and no PBX is added."""
    page = admin.post("/pbxs/new", name="Branch", format="morse")
    assert page.status_code == 422
    assert "Unknown format &#39;morse&#39;." in page.text
    assert 'value="Branch"' in page.text
    assert find_formats() == {}
